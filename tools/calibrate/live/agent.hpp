// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tools/calibrate/call_options.hpp"
#include "tools/common/command.hpp"

namespace vernier::calibrate {

// The part of every task but rank 0's: starts and kills its rank as rank 0 tells it, until rank 0
// says that the run is over. Loads no NCCL to talk, has no GPU memory. Says what went wrong on
// stderr. `plugin`: as in --plugin.
[[nodiscard]] ExitCode serve_as_agent(const CallOptions& options, const std::string& plugin);

}  // namespace vernier::calibrate
