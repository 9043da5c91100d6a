// SPDX-License-Identifier: Apache-2.0
//
// The image's logger: keeps every line it is given, from any thread. NCCL filters by NCCL_DEBUG;
// here everything is kept, with its level and subsystem flags.
#pragma once

#include "tests/contract/nccl_like/api.h"

namespace vernier::contract {

// The function handed to tuners. Its address lies in this image, which is how a plugin finds out
// which NCCL loaded it.
[[nodiscard]] ncclDebugLogger_t logger();

[[nodiscard]] int count_lines();
void read_line(int index, NcclLikeLine& line);
void clear_log();

}  // namespace vernier::contract
