// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "tools/common/command.hpp"

namespace vernier {

// vernier env: the variables under which NCCL runs a policy.
void add_env_command(CLI::App& app, Action& action);

}  // namespace vernier
