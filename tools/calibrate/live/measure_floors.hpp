// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/calibrate/journal.hpp"
#include "tools/calibrate/live/gpu_machine.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/progress.hpp"

namespace vernier::calibrate {

// Adds to the journal what it does not hold yet of the floors (floors.hpp) of a launch that runs,
// in the first of those that judge only. Whatever fails is recorded as not measured, and not tried
// in another launch. Its processes may be gone afterwards. Never throws MachineError.
void measure_floors(GpuMachine& machine, Journal& journal, const Plan& plan, int launch,
                    Progress& progress);

}  // namespace vernier::calibrate
