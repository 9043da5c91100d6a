// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "tools/machine/machine_view.hpp"

namespace vernier::machine {

// This machine, as this process sees it. Needs no privileges. One thread at a time.
[[nodiscard]] std::unique_ptr<MachineView> make_live_machine();

}  // namespace vernier::machine
