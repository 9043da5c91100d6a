// SPDX-License-Identifier: Apache-2.0
//
// Ranks on the GPUs of this machine.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/calibrate/call_options.hpp"
#include "tools/calibrate/live/rank_processes.hpp"

namespace vernier::calibrate {

// `asked`, or one for each GPU where that is 0. MachineError where that many cannot be.
[[nodiscard]] int usable_ranks(int asked, int emulate_nodes);

// Variables under which ranks with different host ids take each other for separate hosts: no P2P,
// no shared memory, only NCCL's socket transport, here over loopback. None for one node.
[[nodiscard]] std::map<std::string, std::string> emulation(int nodes);

// For calls up to the largest of `points`.
[[nodiscard]] LaunchSetup local_launch(const CallOptions& options, const std::string& nccl_path,
                                       int ranks, const std::vector<Point>& points,
                                       const std::string& log_dir);

}  // namespace vernier::calibrate
