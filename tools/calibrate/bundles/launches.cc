// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/bundles/launches.hpp"

#include <algorithm>

namespace vernier::calibrate {

Launches::Launches(const Recording& recording, Phase phase, std::string digest)
    : recording_(recording), phase_(phase), digest_(std::move(digest)) {}

const SampleRecord* Launches::find(int launch, Mode mode, const Point& point) const {
  for (const SampleRecord& record : recording_.samples) {
    if (record.phase != phase_ || record.launch != launch || record.mode != mode ||
        record.point != point || record.policy != digest_) {
      continue;
    }
    const bool is_usable = !record.arms.empty() && record.arms.front().name == "default" &&
                           std::none_of(record.arms.begin(), record.arms.end(),
                                        [](const Arm& arm) { return arm.times_us.empty(); });
    return is_usable ? &record : nullptr;
  }
  return nullptr;
}

bool Launches::is_whole(int launch, const Weights& weights,
                        std::initializer_list<Mode> modes) const {
  for (const auto& [point, calls] : weights.calls) {
    for (const Mode mode : modes) {
      if (find(launch, mode, point) == nullptr) return false;
    }
  }
  return !weights.calls.empty();
}

std::vector<double> captures_us(const Arm& arm) {
  std::vector<double> all;
  for (const std::vector<float>& replays : arm.times_us) all.push_back(capture_us(replays));
  return all;
}

double median_us(const Arm& arm) { return median(captures_us(arm)); }

}  // namespace vernier::calibrate
