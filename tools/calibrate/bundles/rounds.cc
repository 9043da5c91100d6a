// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/bundles/rounds.hpp"

#include <algorithm>

namespace vernier::calibrate {
namespace {

const SampleRecord* find_samples(const Recording& recording, Phase phase, int launch, Mode mode,
                                 const Point& point, const std::string& digest) {
  for (const SampleRecord& record : recording.samples) {
    if (record.phase == phase && record.launch == launch && record.mode == mode &&
        record.point == point && record.policy == digest) {
      return &record;
    }
  }
  return nullptr;
}

bool has_default(const SampleRecord& record) {
  return !record.arms.empty() && record.arms.front().name == "default" &&
         std::all_of(record.arms.begin(), record.arms.end(),
                     [](const Arm& arm) { return !arm.times_us.empty(); });
}

}  // namespace

Rounds::Rounds(const Recording& base, std::string base_digest, const Recording& bundle,
               std::string digest, Phase phase)
    : base_(base),
      bundle_(bundle),
      base_digest_(std::move(base_digest)),
      digest_(std::move(digest)),
      phase_(phase) {}

std::optional<Rounds::Both> Rounds::find(int launch, Mode mode, const Point& point) const {
  const Both both{find_samples(base_, phase_, launch, mode, point, base_digest_),
                  find_samples(bundle_, phase_, launch, mode, point, digest_)};
  if (both.base == nullptr || both.bundle == nullptr) return std::nullopt;
  if (!has_default(*both.base) || !has_default(*both.bundle)) return std::nullopt;
  return both;
}

bool Rounds::are_whole(int launch, const Weights& weights,
                       std::initializer_list<Mode> modes) const {
  for (const auto& [point, calls] : weights.calls) {
    for (const Mode mode : modes) {
      if (!find(launch, mode, point)) return false;
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
