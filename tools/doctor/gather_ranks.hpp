// SPDX-License-Identifier: Apache-2.0
//
// The doctor in each task of a launcher: rank 0 hears from all the others and prints.
#pragma once

#include <map>

#include "tools/calibrate/call_options.hpp"
#include "tools/doctor/compare_ranks.hpp"

namespace vernier::doctor {

// Rank 0: every rank's report, its own included. RollCallError where one is missing; MachineError
// where the port cannot be had. The others have been told that they may leave.
[[nodiscard]] std::map<int, RankReport> gather_ranks(const calibrate::CallOptions& call,
                                                     const RankReport& own);

// Every other rank: tells rank 0. MachineError where it cannot.
void report_to_rank_0(const calibrate::CallOptions& call, const RankReport& own);

[[nodiscard]] RankReport make_report(const Facts& facts, std::vector<Finding> findings);

}  // namespace vernier::doctor
