// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "tools/workload/deployment.hpp"

namespace vernier::workload {

// Tokens of the steps that vLLM captures in CUDA graphs, ascending: every other step of at most the
// last of them is padded up to the next. Empty where --max-num-batched-tokens is below all of them.
[[nodiscard]] std::vector<std::uint64_t> capture_sizes(const Deployment& deployment);

}  // namespace vernier::workload
