// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "tools/common/command.hpp"

namespace vernier {

// vernier profile ...: what the profiler plugin wrote.
void add_profile_commands(CLI::App& app, Action& action);

}  // namespace vernier
