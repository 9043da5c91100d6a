// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/calibrate/call_options.hpp"
#include "tools/common/command.hpp"

namespace vernier::doctor {

struct Options {
  std::string machine;  // folder of a machine.json; empty: this machine
  std::string record;   // folder to write one to; empty: none
  std::string name;     // of what is recorded
  bool measure = false;
  bool alone = false;  // whatever launcher started it
  bool json = false;
  calibrate::CallOptions call;  // which task of a launcher's job this is, and where they meet

  // One task of a job looks at its own machine, live, and nothing else.
  [[nodiscard]] bool can_compare() const {
    return !alone && !measure && machine.empty() && record.empty();
  }
};

// Exit code findings: a warning or an error is among them. Of several tasks, rank 0 prints, and the
// others exit with fine once it has heard them.
[[nodiscard]] ExitCode run_doctor(const Options& options);

}  // namespace vernier::doctor
