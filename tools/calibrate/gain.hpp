// SPDX-License-Identifier: Apache-2.0
//
// What a policy is worth to traffic: calls times what its rules save of each, with an interval
// whose unit of repetition is the launch, as everywhere here.
#pragma once

#include <string>
#include <vector>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/traffic.hpp"

namespace vernier::calibrate {

struct Gain {
  std::string of;         // "8": tokens of a step
  double calls = 0;       // that NCCL sees
  double unmeasured = 0;  // of them, at sizes that were not measured: they count as no gain
  double default_us = 0;  // of the measured ones, as NCCL chooses; in graphs
  MeanInterval saved_us;
};

struct Prediction {
  std::string source;
  std::vector<std::string> assumed;
  bool is_steps = false;    // else it is all calls that a profile counted, of one process
  std::vector<Gain> steps;  // of 1, 8 and 64 tokens, padded as the engine pads them
  Gain whole;               // the mean of all decode steps, or all that was counted
};

[[nodiscard]] Prediction predict(const Fit& fit, const workload::Workload& traffic,
                                 const Shape& shape);

[[nodiscard]] std::string gain_text(const Prediction& prediction);
// One sentence: what to do, for this traffic.
[[nodiscard]] std::string verdict(const Prediction& prediction);
[[nodiscard]] Json to_json(const Prediction& prediction);

}  // namespace vernier::calibrate
