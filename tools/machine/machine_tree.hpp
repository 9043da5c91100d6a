// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "tools/machine/machine_view.hpp"

namespace vernier::machine {

// The machine that FOLDER/machine.json describes (docs/doctor.md has the format): recorded by
// `vernier doctor --record`, or synthetic, which it says. Absent is what the file does not
// mention. Throws std::runtime_error with file and reason.
[[nodiscard]] std::unique_ptr<MachineView> open_machine_tree(const std::string& folder);

}  // namespace vernier::machine
