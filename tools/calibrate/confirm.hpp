// SPDX-License-Identifier: Apache-2.0
//
// The last word on a policy: the whole of it, through the shipped plugin, in fresh launches, at
// sizes inside its rules that nobody has measured. A size that looks slower in the first launches
// is looked at again in others, which alone decide: one of dozens may look slow by chance. What
// loses is taken out again.
#pragma once

#include <string>
#include <vector>

#include "tools/calibrate/fit.hpp"

namespace vernier::calibrate {

inline constexpr std::size_t kConfirmLaunches = 3;
inline constexpr std::size_t kSecondLookLaunches = 5;

// Of each rule, two sizes that no launch has judged; of one that has none, where it begins.
[[nodiscard]] std::vector<Point> held_out_points(const Policy& policy,
                                                 const std::vector<JudgedPoint>& judged, int ranks,
                                                 std::uint32_t element_bytes);

// Where the policy with this digest looked slower in the first look, once that is over.
[[nodiscard]] std::vector<Point> doubtful_points(const Recording& recording,
                                                 const std::string& digest);

// What the first look saw of the policy with this digest or, where there has been one, the second.
[[nodiscard]] std::vector<ConfirmedPoint> confirmed_points(const Recording& recording,
                                                           const std::string& digest);

// Takes out rules that lose at a point: by more than 1 %, or beyond doubt. Returns a line for each.
[[nodiscard]] std::vector<std::string> take_out_losers(std::vector<Rule>& rules,
                                                       const std::vector<ConfirmedPoint>& points);

}  // namespace vernier::calibrate
