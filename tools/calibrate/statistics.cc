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

// The mean, and its standard error; of one value, which has none, 0.
struct Mean {
  double value;
  double error;
};
Mean mean_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0;
  for (const double value : values) mean += value / n;
  if (values.size() < 2) return {mean, 0};
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (n - 1) / n)};
}

Quantiles student(std::size_t values) {
  return kStudent[std::min(values - 2, kStudent.size() - 1)];
}

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

void add_pairs(const SampleRecord& record, std::string_view arm, LaunchPairs& pairs) {
  const Arm* const reference = find_arm(record, "default");
  const Arm* const candidate = find_arm(record, arm);
  if (reference == nullptr || candidate == nullptr) return;
  const std::size_t count = std::min(reference->times_us.size(), candidate->times_us.size());
  for (std::size_t i = 0; i < count; ++i) {
    pairs.reference_us.push_back(capture_us(reference->times_us[i]));
    pairs.candidate_us.push_back(capture_us(candidate->times_us[i]));
  }
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
  const Mean mean = mean_of(logs);
  result.ratio = std::exp(mean.value);
  if (logs.size() == 1) {
    result.high95 = result.high99 = std::numeric_limits<double>::infinity();
    return result;
  }
  const Quantiles t = student(logs.size());
  result.error = mean.error;
  result.low95 = std::exp(mean.value - t.t95 * mean.error);
  result.high95 = std::exp(mean.value + t.t95 * mean.error);
  result.low99 = std::exp(mean.value - t.t99 * mean.error);
  result.high99 = std::exp(mean.value + t.t99 * mean.error);
  return result;
}

MeanInterval mean_interval(const std::vector<double>& launches) {
  if (launches.empty()) return {};
  const Mean mean = mean_of(launches);
  const double half = launches.size() == 1 ? std::numeric_limits<double>::infinity()
                                           : student(launches.size()).t95 * mean.error;
  return {mean.value, mean.value - half, mean.value + half};
}

}  // namespace vernier::calibrate
