// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/common/command.hpp"
#include "tools/workload/deployment.hpp"

namespace vernier::workload {

struct PrintOptions {
  std::string model_config;
  Deployment deployment;
  bool json = false;
};
[[nodiscard]] ExitCode print_workload(const PrintOptions& options);

}  // namespace vernier::workload
