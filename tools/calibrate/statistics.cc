// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace vernier::calibrate {
namespace {

// Student's t, two-sided 95 and 99 %, for 1 to 15 degrees of freedom; more use the last row, which
// only widens the interval.
struct Quantiles {
  double t95, t99;
};
constexpr std::array<Quantiles, 15> kStudent = {{{12.706, 63.657},
                                                 {4.303, 9.925},
                                                 {3.182, 5.841},
                                                 {2.776, 4.604},
                                                 {2.571, 4.032},
                                                 {2.447, 3.707},
                                                 {2.365, 3.499},
                                                 {2.306, 3.355},
                                                 {2.262, 3.250},
                                                 {2.228, 3.169},
                                                 {2.201, 3.106},
                                                 {2.179, 3.055},
                                                 {2.160, 3.012},
                                                 {2.145, 2.977},
                                                 {2.131, 2.947}}};

}  // namespace

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

double capture_us(const std::vector<float>& replays_us) {
  return median({replays_us.begin(), replays_us.end()});
}

RatioInterval ratio_interval(const std::vector<LaunchPairs>& launches) {
  RatioInterval result;
  std::vector<double> logs;
  for (const LaunchPairs& launch : launches) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < launch.reference_us.size() && i < launch.candidate_us.size(); ++i) {
      ratios.push_back(launch.reference_us[i] / launch.candidate_us[i]);
    }
    if (ratios.empty()) continue;
    result.pairs += static_cast<int>(ratios.size());
    logs.push_back(std::log(median(std::move(ratios))));
  }
  result.launches = static_cast<int>(logs.size());
  if (logs.empty()) return result;
  const auto n = static_cast<double>(logs.size());
  double mean = 0;
  for (const double value : logs) mean += value / n;
  result.ratio = std::exp(mean);
  if (logs.size() == 1) {
    result.high95 = result.high99 = std::numeric_limits<double>::infinity();
    return result;
  }
  double squares = 0;
  for (const double value : logs) squares += (value - mean) * (value - mean);
  const double error = std::sqrt(squares / (n - 1) / n);
  const Quantiles t = kStudent[std::min(logs.size() - 2, kStudent.size() - 1)];
  result.error = error;
  result.low95 = std::exp(mean - t.t95 * error);
  result.high95 = std::exp(mean + t.t95 * error);
  result.low99 = std::exp(mean - t.t99 * error);
  result.high99 = std::exp(mean + t.t99 * error);
  return result;
}

}  // namespace vernier::calibrate
