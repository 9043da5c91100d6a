// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace vernier {

// The driver's name of the calling thread's current GPU, from the libcuda that NCCL already
// loaded. NCCL makes the communicator's GPU current before it calls a tuner's init (2.21 to
// 2.32). nullopt when there is no libcuda or no current context.
[[nodiscard]] std::optional<std::string> find_gpu_name();

}  // namespace vernier
