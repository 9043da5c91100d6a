// SPDX-License-Identifier: Apache-2.0
//
// How many of the channels that an operation may use it really uses (NCCL 2.23 to 2.30; earlier and
// later releases are taken to do the same).
#pragma once

#include <cstddef>

#include "vernier/abi/nccl_base.h"

namespace vernier::fake_machine {

// `per_rank_bytes` as sent for allgather, as received for reducescatter; `cap` at least 1.
[[nodiscard]] int used_channels(int release, ncclFunc_t func, std::size_t per_rank_bytes, int ranks,
                                int protocol, int cap);

}  // namespace vernier::fake_machine
