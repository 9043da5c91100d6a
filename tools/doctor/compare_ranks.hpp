// SPDX-License-Identifier: Apache-2.0
//
// What differs between the ranks of a job, and what is wrong on some of them only. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/calibrate/task_facts.hpp"
#include "tools/doctor/findings.hpp"

namespace vernier::doctor {

// What one rank says of itself.
struct RankReport {
  std::string host;
  Json facts;  // rank_facts.hpp
  std::vector<Finding> findings;
};

struct RankComparison {
  std::vector<calibrate::FactDifference> differences;
  // A finding for each difference that matters, and those findings above a note that rank 0 does
  // not have, with the ranks that do.
  std::vector<Finding> findings;
};

[[nodiscard]] RankComparison compare_ranks(const std::map<int, RankReport>& ranks);

// "4 ranks: 0-1 on node7, 2-3 on node8", and a table of the differences.
[[nodiscard]] std::string text_of(const std::map<int, RankReport>& ranks,
                                  const RankComparison& comparison);
[[nodiscard]] Json json_of(const std::map<int, RankReport>& ranks,
                           const RankComparison& comparison);

}  // namespace vernier::doctor
