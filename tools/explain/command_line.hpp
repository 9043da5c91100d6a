// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "tools/common/command.hpp"

namespace vernier {

// Adds `vernier explain`.
void add_explain_command(CLI::App& app, Action& action);

}  // namespace vernier
