// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "tools/common/command.hpp"

namespace vernier {

// Adds `policy` with all its commands; the one on the command line sets `action`.
void add_policy_commands(CLI::App& app, Action& action);

}  // namespace vernier
