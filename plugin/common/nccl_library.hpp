// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "vernier/abi/nccl_base.h"

namespace vernier {

// Version code of the NCCL library that `logger` belongs to (22809 is 2.28.9), found from the
// address of the function: no tuner call carries it, and a process may hold several NCCL images.
// nullopt when the image does not export ncclGetVersion (statically linked NCCL).
[[nodiscard]] std::optional<int> find_nccl_version(ncclDebugLogger_t logger);

}  // namespace vernier
