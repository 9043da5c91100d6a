// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/common/command.hpp"

namespace vernier {

struct EnvOptions {
  std::string policy;
  std::string format = "sh";       // sh or docker
  std::string plugin = "vernier";  // for NCCL_TUNER_PLUGIN
  bool inline_policy = false;
  bool json = false;
};

[[nodiscard]] ExitCode print_env(const EnvOptions& options);

}  // namespace vernier
