// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace vernier {

// What a tuner can know about a communicator.
struct CommunicatorFacts {
  int tuner_abi;  // 2 to 6
  std::size_t nranks;
  std::size_t nnodes;
  std::optional<int> nccl_version;       // 22809 is 2.28.9
  std::optional<std::uint64_t> comm_id;  // v5 and later
};

// Counts of ranks and nodes, as policies have them.
inline int to_int(std::size_t count) {
  return static_cast<int>(std::min<std::size_t>(count, INT_MAX));
}

}  // namespace vernier
