// SPDX-License-Identifier: Apache-2.0
//
// Ratios of paired times, with intervals whose unit of repetition is the launch: a communicator is
// a few per cent faster or slower than its twin for as long as it lives, so more pairs make a
// launch more certain of its own communicator, and only more launches say something of the next
// one.
#pragma once

#include <string_view>
#include <vector>

#include "tools/calibrate/recording.hpp"

namespace vernier::calibrate {

[[nodiscard]] double median(std::vector<double> values);  // of at least one

// What one capture says: the median of its replays.
[[nodiscard]] double capture_us(const std::vector<float>& replays_us);

// Of default over candidate: above 1, the candidate is faster.
struct RatioInterval {
  double ratio = 1;  // geometric mean over launches of each launch's median pair ratio
  double low95 = 0;  // Student's t over launches, on logarithms
  double high95 = 0;
  double low99 = 0;
  double high99 = 0;
  double error = 0;  // standard error of the logarithm
  int launches = 0;
  int pairs = 0;  // of all launches
};

// The times of one launch: element i of both lists is pair i, in microseconds.
struct LaunchPairs {
  std::vector<double> reference_us;
  std::vector<double> candidate_us;
};

// Adds those of an arm and of the default beside it in one record; nothing where one is not there.
void add_pairs(const SampleRecord& record, std::string_view arm, LaunchPairs& pairs);

// With one launch the interval is 0 to infinity: nothing can be said. Launches without pairs are
// left out; no launch at all gives `launches` 0.
[[nodiscard]] RatioInterval ratio_interval(const std::vector<LaunchPairs>& launches);

// The mean of one number a launch, with Student's t.
struct MeanInterval {
  double mean = 0;
  double low95 = 0;
  double high95 = 0;
};
// Of one launch minus to plus infinity; of none zero.
[[nodiscard]] MeanInterval mean_interval(const std::vector<double>& launches);

}  // namespace vernier::calibrate
