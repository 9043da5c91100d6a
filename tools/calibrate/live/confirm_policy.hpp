// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/journal.hpp"
#include "tools/calibrate/live/gpu_machine.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/progress.hpp"

namespace vernier::calibrate {

// `wanted`, or the plugin beside this executable; empty where there is none. MachineError where the
// wanted file is not there.
[[nodiscard]] std::string find_plugin(const std::string& wanted);

// Measures a policy as confirm.hpp says, into the journal; what it already holds is not measured
// again. False when it was stopped before its end.
[[nodiscard]] bool confirm_policy(GpuMachine& machine, Journal& journal, const Plan& plan,
                                  const Fit& fit, const std::string& plugin, Progress& progress);

}  // namespace vernier::calibrate
