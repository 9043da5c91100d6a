// SPDX-License-Identifier: Apache-2.0
//
// Launches of no bundle and of a bundle with the same number, side by side: a round.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "tools/calibrate/bundles/trial.hpp"

namespace vernier::calibrate {

class Rounds {
 public:
  // Of a phase, with these policies; digests are empty where none ran. The recordings outlive it.
  Rounds(const Recording& base, std::string base_digest, const Recording& bundle,
         std::string digest, Phase phase);

  struct Both {
    const SampleRecord* base;  // NCCL's own choice comes first in both
    const SampleRecord* bundle;
  };
  [[nodiscard]] std::optional<Both> find(int launch, Mode mode, const Point& point) const;

  // Whether both have all points that count, and there is one.
  [[nodiscard]] bool are_whole(int launch, const Weights& weights,
                               std::initializer_list<Mode> modes) const;

 private:
  const Recording& base_;
  const Recording& bundle_;
  std::string base_digest_;
  std::string digest_;
  Phase phase_;
};

[[nodiscard]] std::vector<double> captures_us(const Arm& arm);
[[nodiscard]] double median_us(const Arm& arm);  // over captures

// However they are made.
[[nodiscard]] inline double all_calls(const Calls& calls) { return calls.captured + calls.eager; }

}  // namespace vernier::calibrate
