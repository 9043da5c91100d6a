// SPDX-License-Identifier: Apache-2.0
//
// Which ranks measure: on the GPUs of this machine, or in all tasks of a launcher.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/calibrate/call_options.hpp"
#include "tools/calibrate/live/agents.hpp"
#include "tools/calibrate/live/rank_processes.hpp"

namespace vernier::calibrate {

struct RankPlaces {
  int ranks;
  int nodes;      // as NCCL will count hosts
  int gpus_here;  // that take part, of those that this process sees
};

// `asked` ranks, or one for each GPU, or task, where that is 0. MachineError where that many cannot
// be.
[[nodiscard]] RankPlaces place_ranks(int asked, int emulate_nodes, const Agents& agents);

// Variables under which ranks with different host ids take each other for separate hosts: no P2P,
// no shared memory, only NCCL's socket transport, here over loopback. None for one node.
[[nodiscard]] std::map<std::string, std::string> emulation(int nodes);

// Of all ranks, whoever starts them; `log_dir` is of those that this process starts. For calls up
// to the largest of `points`.
[[nodiscard]] LaunchSetup local_launch(const CallOptions& options, const std::string& nccl_path,
                                       int ranks, const std::vector<Point>& points,
                                       const std::string& log_dir);

}  // namespace vernier::calibrate
