// SPDX-License-Identifier: Apache-2.0
//
// Configurations and intervals that tests of judging and of rules share.
#pragma once

#include "tools/calibrate/fit.hpp"

namespace vernier::calibrate {

inline constexpr Choice kRingLl{Algorithm::ring, Protocol::ll};
inline constexpr Choice kRingSimple{Algorithm::ring, Protocol::simple};
inline const Configuration kTree{Choice{Algorithm::tree, Protocol::ll}, 0};
inline const Configuration kRing8{kRingLl, 8};

inline RatioInterval exactly(double ratio, double spread = 0.001) {
  RatioInterval interval;
  interval.ratio = ratio;
  interval.low95 = interval.low99 = ratio - spread;
  interval.high95 = interval.high99 = ratio + spread;
  interval.launches = 8;
  interval.pairs = 64;
  return interval;
}

}  // namespace vernier::calibrate
