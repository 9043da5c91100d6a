// SPDX-License-Identifier: Apache-2.0
//
// Which calls are measured, on which ranks, by which NCCL: of every command that measures.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/calibrate/configuration.hpp"
#include "tools/calibrate/launched_task.hpp"

namespace vernier::calibrate {

struct CallOptions {
  std::string nccl;  // libnccl.so.2; empty: look for it
  std::vector<Collective> collectives{Collective::allreduce, Collective::allgather,
                                      Collective::reducescatter};
  std::string sizes = "1KiB..16MiB";
  std::string data_type = "bfloat16";
  int ranks = 0;  // 0: one for each GPU
  int emulate_nodes = 1;
  std::map<std::string, std::string> environment;  // --env
  std::string rendezvous;                          // as asked for; empty: from the environment
  double rendezvous_timeout_s = 60;
  // Of several tasks that a launcher started; nullopt: this process starts all ranks itself.
  std::optional<LaunchedTask> task;
  std::optional<Rendezvous> meeting;  // where `task` is
};

}  // namespace vernier::calibrate
