// SPDX-License-Identifier: Apache-2.0
//
// Where two policies decide differently. A pure function of both.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vernier/policy.hpp"

namespace vernier {

struct RangeDifference {
  Collective collective;
  std::string shape;         // "4 ranks, 1 node", "every other shape": ranks and nodes in words
  std::optional<int> ranks;  // absent: any number that no other listed shape names
  std::optional<int> nodes;  // likewise
  std::uint64_t min_bytes;   // inclusive
  std::uint64_t max_bytes;   // inclusive
  const Rule* a;             // what decides in either policy; nullptr: NCCL's own choice
  const Rule* b;
};

struct KeyDifference {
  std::string key;
  std::optional<std::string> a;  // absent: not stated
  std::optional<std::string> b;
};

struct PolicyDifference {
  std::vector<RangeDifference> ranges;  // by collective, shape and bytes
  std::vector<KeyDifference> match;
  std::vector<KeyDifference> environment;
  std::vector<KeyDifference> measured_on;  // for people; decides nothing
};

// The result points into both policies.
[[nodiscard]] PolicyDifference find_difference(const Policy& a, const Policy& b);

}  // namespace vernier
