// SPDX-License-Identifier: Apache-2.0
#include "tools/workload/capture_sizes.hpp"

#include <algorithm>
#include <numeric>
#include <set>

namespace vernier::workload {

// vLLM, cudagraph_capture_sizes: 1, 2, 4, then steps of 8 to 256, then steps of 16.
std::vector<std::uint64_t> capture_sizes(const Deployment& deployment) {
  const std::uint64_t tokens_a_sequence = 1 + deployment.spec_tokens;
  const bool data_centre_blackwell = deployment.capability / 10 == 10;
  const std::uint64_t limit = data_centre_blackwell ? 1024 : 512;
  const std::uint64_t max = std::min(
      {deployment.max_num_seqs * tokens_a_sequence * 2, limit, deployment.max_num_batched_tokens});
  const auto multiple = deployment.sequence_parallel
                            ? std::lcm(tokens_a_sequence, static_cast<std::uint64_t>(deployment.tp))
                            : tokens_a_sequence;
  std::set<std::uint64_t> sizes;
  const auto add = [&](std::uint64_t size) {
    const std::uint64_t rounded = (size + multiple - 1) / multiple * multiple;
    if (rounded <= max) sizes.insert(rounded);
  };
  for (const int size : {1, 2, 4}) add(static_cast<std::uint64_t>(size));
  for (std::uint64_t size = 8; size < 256; size += 8) add(size);
  for (std::uint64_t size = 256; size <= max; size += 16) add(size);
  return {sizes.begin(), sizes.end()};
}

}  // namespace vernier::workload
