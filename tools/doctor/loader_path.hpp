// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/machine/machine_view.hpp"

namespace vernier::doctor {

// The file that dlopen(name) would open in a process with this environment, as far as it can be
// told from outside: a name with a slash is a path; any other is looked for in LD_LIBRARY_PATH, the
// loader's cache and its default folders. RUNPATHs of the caller are not followed (NCCL has none).
// Empty: none.
[[nodiscard]] std::string find_library(machine::MachineView& machine,
                                       const machine::Environment& environment,
                                       const std::string& name);

}  // namespace vernier::doctor
