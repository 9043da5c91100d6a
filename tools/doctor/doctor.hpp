// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/common/command.hpp"

namespace vernier::doctor {

struct Options {
  std::string machine;  // folder of a machine.json; empty: this machine
  std::string record;   // folder to write one to; empty: none
  std::string name;     // of what is recorded
  bool measure = false;
  bool json = false;
};

// Exit code findings: a warning or an error is among them.
[[nodiscard]] ExitCode run_doctor(const Options& options);

}  // namespace vernier::doctor
