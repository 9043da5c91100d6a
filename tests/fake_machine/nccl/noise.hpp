// SPDX-License-Identifier: Apache-2.0
//
// What makes equal configurations look different, drawn from a communicator's seed: by launch, by
// capture and by replay.
#pragma once

#include <cstdint>

#include "tests/fake_machine/cuda/work.hpp"

namespace vernier::fake_machine {

// A hash of both.
[[nodiscard]] std::uint64_t mix(std::uint64_t a, std::uint64_t b);

class Noise {
 public:
  Noise(std::uint64_t seed, int nodes, int rank);

  // What the time of a cell of the cost table is multiplied by in this run.
  [[nodiscard]] double factor(int cell, const Run& run);

 private:
  // Standard normal, or uniform in [0, 1), drawn for a purpose and a number.
  [[nodiscard]] double normal(std::uint64_t purpose, std::uint64_t number) const;
  [[nodiscard]] double uniform(std::uint64_t purpose, std::uint64_t number) const;

  std::uint64_t seed_;
  std::uint64_t rank_;
  double launch_sigma_;
  double scale_;
  std::uint64_t eager_calls_ = 0;
};

}  // namespace vernier::fake_machine
