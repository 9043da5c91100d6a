// SPDX-License-Identifier: Apache-2.0
//
// What a search on a recording is judged by: pairs that it did not draw from
// (recorded_machine.hpp).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/recording.hpp"
#include "tools/calibrate/statistics.hpp"

namespace vernier::calibrate {

class ReplayTruth {
 public:
  explicit ReplayTruth(const Recording& recording);

  // How many times as fast as NCCL's own choice, in graphs; 1 for the default, and where nothing
  // was kept back.
  [[nodiscard]] double ratio(const Point& point, const Configuration& configuration) const;

  // Whether the whole 95 % interval says that it is slower than NCCL's own choice by 2 %.
  [[nodiscard]] bool is_slower(const Point& point, const Configuration& configuration) const;

  // NCCL's own choice over itself, measured once more: what cannot be told apart.
  [[nodiscard]] double null_ratio(const Point& point) const;

  // Whether a rule for it would cost eager clients 2 %, as it looks: what the gates would refuse if
  // they knew all. A way near their limits passes in one draw and fails in the next.
  [[nodiscard]] bool loses_eager(const Point& point, const Configuration& configuration) const;

  // The fastest by the pairs that a search draws from, of those that do not lose eager: of many
  // ways the one that looks best was lucky, too, and how fast it is others tell.
  [[nodiscard]] Configuration best(const Point& point) const;

 private:
  struct Ratios {
    RatioInterval drawn_from, kept_back;
  };
  [[nodiscard]] const Ratios* find(const Point& point, const std::string& arm) const;

  std::map<Point, std::map<std::string, Ratios>> ratios_;  // by arm
  std::vector<JudgedPoint> judged_;
};

}  // namespace vernier::calibrate
