// SPDX-License-Identifier: Apache-2.0
//
// What the ranks of a job must have in common before they measure together, and what of it differs.
// Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/common/output.hpp"

namespace vernier::calibrate {

// One value and the ranks that have it, ascending.
struct RanksOfValue {
  std::string value;  // "(not set)" for a fact that these ranks do not have
  std::vector<int> ranks;
};

struct FactDifference {
  std::string fact;
  std::vector<RanksOfValue> values;  // in the order of their first ranks
};

// `facts`: of each rank, an object of fact to text. Facts in the order of the first rank's, and
// then those that it does not have. Empty: all ranks agree.
[[nodiscard]] std::vector<FactDifference> differences(const std::map<int, Json>& facts);

// A table of fact, value and ranks.
[[nodiscard]] std::string differences_text(const std::vector<FactDifference>& all);
[[nodiscard]] Json to_json(const std::vector<FactDifference>& all);

// "0-2,5"; of ascending numbers.
[[nodiscard]] std::string ranks_text(const std::vector<int>& ranks);

// "0-1 on node7, 2 on node8", from the host of each rank.
[[nodiscard]] std::string ranks_by_host(const std::map<int, std::string>& hosts);

}  // namespace vernier::calibrate
