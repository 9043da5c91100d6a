// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "tools/common/command.hpp"
#include "tools/workload/deployment.hpp"

namespace vernier::joblog {

struct Options {
  std::vector<std::string> logs;  // files, "-", or directories of profiles
  std::string policy;             // empty, as the next: not given
  std::string model_config;
  workload::Deployment deployment;
  bool json = false;
};
[[nodiscard]] ExitCode explain_job(const Options& options);

}  // namespace vernier::joblog
