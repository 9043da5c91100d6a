// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "tools/common/command.hpp"

namespace vernier {

// vernier doctor: looks at a machine.
void add_doctor_command(CLI::App& app, Action& action);

}  // namespace vernier
