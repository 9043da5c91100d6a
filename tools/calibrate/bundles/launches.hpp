// SPDX-License-Identifier: Apache-2.0
//
// What one environment did in the launches of a phase. Those of two environments with one number
// are a round.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "tools/calibrate/bundles/trial.hpp"

namespace vernier::calibrate {

class Launches {
 public:
  // With the policy of this digest; empty where none ran. The recording outlives it.
  Launches(const Recording& recording, Phase phase, std::string digest = {});

  // nullptr: not there. The first arm is NCCL's own choice, and no arm is empty.
  [[nodiscard]] const SampleRecord* find(int launch, Mode mode, const Point& point) const;

  // Whether a launch has all points that count, and there is one.
  [[nodiscard]] bool is_whole(int launch, const Weights& weights,
                              std::initializer_list<Mode> modes) const;

 private:
  const Recording& recording_;
  Phase phase_;
  std::string digest_;
};

[[nodiscard]] std::vector<double> captures_us(const Arm& arm);
[[nodiscard]] double median_us(const Arm& arm);  // over captures

// However they are made.
[[nodiscard]] inline double all_calls(const Calls& calls) { return calls.captured + calls.eager; }

}  // namespace vernier::calibrate
