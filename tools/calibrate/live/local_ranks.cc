// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/local_ranks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/calibrate/live/fingerprint.hpp"
#include "tools/calibrate/machine_error.hpp"

namespace vernier::calibrate {

namespace {

RankPlaces place_in_job(int asked, int emulate_nodes, const Agents& agents) {
  const int ranks = agents.ranks();
  if (asked > 0 && asked != ranks) {
    throw MachineError(fmt::format("{} ranks are needed, the launcher started {}", asked, ranks));
  }
  if (emulate_nodes > 1 && agents.hosts() > 1) {
    throw MachineError(
        fmt::format("--emulate-nodes is for one host, the ranks are on {}", agents.hosts()));
  }
  return {ranks, emulate_nodes > 1 ? emulate_nodes : agents.nodes(),
          std::min(agents.ranks_on_own_host(), count_gpus())};
}

}  // namespace

RankPlaces place_ranks(int asked, int emulate_nodes, const Agents& agents) {
  if (agents.gathered()) return place_in_job(asked, emulate_nodes, agents);
  const int gpus = count_gpus();
  const int ranks = asked > 0 ? asked : gpus;
  if (ranks > gpus) {
    throw MachineError(fmt::format("{} ranks need {} GPUs, here are {}", ranks, ranks, gpus));
  }
  if (ranks < 2) throw MachineError("one GPU has nobody to talk to: two or more are needed");
  if (ranks % emulate_nodes != 0) {
    throw MachineError(
        fmt::format("{} ranks cannot be spread evenly over {} nodes", ranks, emulate_nodes));
  }
  return {ranks, emulate_nodes, ranks};
}

std::map<std::string, std::string> emulation(int nodes) {
  if (nodes == 1) return {};
  return {{"NCCL_SOCKET_IFNAME", "lo"}, {"NCCL_NET", "Socket"}, {"NCCL_MNNVL_ENABLE", "0"}};
}

LaunchSetup local_launch(const CallOptions& options, const std::string& nccl_path, int ranks,
                         const std::vector<Point>& points, const std::string& log_dir) {
  LaunchSetup setup;
  setup.ranks = ranks;
  setup.nccl = nccl_path;
  setup.data_type = options.data_type;
  for (const Point& point : points) setup.max_bytes = std::max(setup.max_bytes, point.nbytes);
  setup.log_dir = log_dir;
  setup.environment = emulation(options.emulate_nodes);
  setup.environment["NCCL_TUNER_PLUGIN"] = "STATIC_PLUGIN";
  setup.unset = {"NCCL_VERNIER_POLICY", "NCCL_VERNIER_MODE", "NCCL_DEBUG",
                 "NCCL_DEBUG_SUBSYS",   "NCCL_DEBUG_FILE",   "NCCL_COMM_ID"};
  if (options.emulate_nodes > 1) {
    const int per_node = ranks / options.emulate_nodes;
    for (int rank = 0; rank < ranks; ++rank) {
      setup.of_rank.push_back(
          {{"NCCL_HOSTID", fmt::format("vernier-emulated-node{}", rank / per_node)}});
    }
  }
  return setup;
}

}  // namespace vernier::calibrate
