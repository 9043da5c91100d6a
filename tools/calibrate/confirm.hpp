// SPDX-License-Identifier: Apache-2.0
//
// The last word on a policy: the whole of it, through the shipped plugin, in fresh launches, at
// sizes inside its rules that nobody has measured. What loses there is taken out again.
#pragma once

#include <string>
#include <vector>

#include "tools/calibrate/fit.hpp"

namespace vernier::calibrate {

inline constexpr int kConfirmLaunches = 3;

// Of each rule, two sizes that no launch has judged; of one that has none, where it begins.
[[nodiscard]] std::vector<Point> held_out_points(const Policy& policy,
                                                 const std::vector<JudgedPoint>& judged, int ranks,
                                                 std::uint32_t element_bytes);

// What the launches that confirm saw of the policy with this digest, once all of them have run.
[[nodiscard]] std::vector<ConfirmedPoint> confirmed_points(const Recording& recording,
                                                           const std::string& digest);

// Takes out rules that lose at a point: by more than 1 %, or beyond doubt. Returns a line for each.
[[nodiscard]] std::vector<std::string> take_out_losers(std::vector<Rule>& rules,
                                                       const std::vector<ConfirmedPoint>& points);

}  // namespace vernier::calibrate
