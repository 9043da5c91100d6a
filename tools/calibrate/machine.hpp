// SPDX-License-Identifier: Apache-2.0
//
// What a search asks of a machine. live/ answers with GPUs, recorded_machine.hpp with samples that
// GPUs gave before.
#pragma once

#include <string>
#include <vector>

#include "tools/calibrate/recording.hpp"

namespace vernier::calibrate {

struct Request {
  Point point;
  std::vector<Configuration> arms;  // measured in turn, in an order that flips from pair to pair
  Mode mode;
  int pairs;
  int operations;  // in one capture or block of eager calls
  int replays;     // timed, of one capture; 1 but for graphs
};

struct Answer {
  std::vector<std::vector<std::vector<float>>> times_us;  // [arm][pair][replay]; empty on failure
  Outcome outcome = Outcome::exact;  // hung or crashed where there are no times
  std::string detail;
};

// Calls are made from one thread. MachineError where the machine itself is unusable.
class Machine {
 public:
  virtual ~Machine() = default;

  // A fresh communicator in fresh processes. `audited`: NCCL's log is read after each check.
  virtual LaunchRecord start_launch(int launch, bool audited) = 0;
  virtual SurveyRecord survey(const Point& point) = 0;
  virtual CheckRecord check(const Point& point, const Configuration& configuration) = 0;
  virtual Answer measure(const Request& request) = 0;
  // GPU memory in use, the largest of all ranks.
  virtual double used_mib() = 0;
  // Whether anything can be said about this way of running this call.
  [[nodiscard]] virtual bool knows(const Point& point,
                                   const Configuration& configuration) const = 0;
};

}  // namespace vernier::calibrate
