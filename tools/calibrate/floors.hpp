// SPDX-License-Identifier: Apache-2.0
//
// What no tuning reaches, beside what a calibration found: the least exchange that NCCL does here,
// and its kernels for symmetric memory, which no tuner touches. They decide nothing.
#pragma once

#include <string>
#include <vector>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/recording.hpp"

namespace vernier::calibrate {

// In graphs, medians over captures. NCCL's own choice with its buffers in symmetric windows against
// what runs without them.
struct WindowsFloor {
  enum class Against { faster, slower, same };  // same: cannot be told apart

  Point point;
  double default_us;  // NCCL's own choice
  double policy_us;   // with the policy: that over what its rule gained; without one, the same
  double windows_us;
  RatioInterval graph;  // default over windows, by launch
  Against policy;       // by the whole 95 % interval
};

struct Floors {
  double wire_us = 0;  // 8 bytes to the next rank and 8 from the one before; 0: not measured
  int wire_launches = 0;
  std::vector<WindowsFloor> windows;  // by collective, then size
  std::string no_wire;                // why it was not measured, or not further
  std::string no_windows;

  // Of a recording from before there were floors.
  [[nodiscard]] bool empty() const;
};

// `fit` as made from `recording`.
[[nodiscard]] Floors find_floors(const Recording& recording, const Fit& fit);

// One row a size; empty where no windows were measured.
[[nodiscard]] std::string table_text(const Floors& floors);

// One sentence.
[[nodiscard]] std::string floors_text(const Floors& floors);

[[nodiscard]] Json to_json(const Floors& floors);

}  // namespace vernier::calibrate
