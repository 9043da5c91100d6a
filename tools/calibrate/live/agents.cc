// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/agents.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "tools/calibrate/live/monotonic.hpp"

namespace vernier::calibrate {
namespace {

constexpr double kStopLimitS = 20;  // a process with a GPU takes a while to die

int count_different(const std::map<int, Json>& hellos, const char* key) {
  std::set<std::string> values;
  for (const auto& [rank, hello] : hellos) values.insert(hello[key].get<std::string>());
  return static_cast<int>(values.size());
}

// An address by which agents reached rank 0. Those of its own host may have come by loopback, which
// is of no use to the others.
std::string address_for_all(const std::map<int, Member>& members, int port) {
  std::string chosen;
  for (const auto& [rank, member] : members) {
    const std::string address = member.line.own_address();
    const bool loopback = address.starts_with("127.") || address == "::1";
    if (chosen.empty() || !loopback) chosen = address;
    if (!loopback) break;
  }
  return address_text(chosen, port);
}

}  // namespace

void Agents::gather(const CallOptions& options, const std::string& plugin) {
  Json own = describe_task(options, plugin);
  call_roll(*options.meeting, *options.task, own_host_name(), options.rendezvous_timeout_s,
            members_);
  std::map<int, Json> hellos;
  for (const auto& [rank, member] : members_) hellos[rank] = member.hello;
  hellos[0] = std::move(own);
  require_agreement(hellos);
  address_ = address_for_all(members_, options.meeting->port);
  own_device_ = device_of(*options.task);
  for (auto& [rank, member] : members_) {
    agents_.emplace(rank, Agent{std::move(member.line),
                                fmt::format("rank {} on {}", rank,
                                            printable(member.hello["host"].get<std::string>()))});
  }
  members_.clear();
  for (auto& [rank, agent] : agents_) {
    if (!agent.line.send({{"wait", true}})) throw_gone(agent);
  }
  hellos_ = std::move(hellos);
}

int Agents::nodes() const { return count_different(hellos_, "node"); }
int Agents::hosts() const { return count_different(hellos_, "machine"); }

int Agents::ranks_on_own_host() const {
  const Json& own = hellos_.at(0)["machine"];
  return static_cast<int>(std::count_if(hellos_.begin(), hellos_.end(), [&](const auto& one) {
    return one.second["machine"] == own;
  }));
}

std::vector<std::string> Agents::warnings() const {
  std::vector<std::string> lines;
  for (const auto& [rank, hello] : hellos_) {
    if (!hello.contains("warnings")) continue;
    for (const Json& warning : hello["warnings"]) {
      if (!warning.is_string()) continue;
      lines.push_back(fmt::format("rank {} on {}: {}", rank,
                                  printable(hello["host"].get<std::string>()),
                                  printable(warning.get<std::string>())));
    }
  }
  return lines;
}

void Agents::throw_gone(const Agent& agent) {
  throw MachineError(fmt::format(
      "the task of {} is gone; what was measured is kept, and the same command goes on from there",
      agent.name));
}

void Agents::start(const LaunchSetup& setup) {
  ended_.reset();
  for (auto& [rank, agent] : agents_) {
    std::map<std::string, std::string> environment = setup.environment;
    for (const auto& [name, value] : setup.of_rank[static_cast<std::size_t>(rank)]) {
      environment[name] = value;
    }
    environment["NCCL_COMM_ID"] = address_;
    const Json start{{"ranks", setup.ranks},         {"data_type", setup.data_type},
                     {"max_bytes", setup.max_bytes}, {"confirms", setup.confirms},
                     {"environment", environment},   {"unset", setup.unset}};
    if (agent.gone || !agent.line.send({{"start", start}})) throw_gone(agent);
    agent.runs = true;
  }
}

void Agents::receive(Agent& agent) {
  Json said;
  switch (agent.line.receive(said)) {
    case LineSocket::Got::nothing: return;
    case LineSocket::Got::gone: agent.gone = true; return;
    case LineSocket::Got::document: break;
  }
  if (!agent.runs || !said.contains("ended") || !said["ended"].is_string()) {
    agent.gone = true;  // whoever that is now
    return;
  }
  agent.runs = false;
  if (!ended_) ended_ = agent.name + " " + printable(said["ended"].get<std::string>());
}

std::optional<std::string> Agents::find_ended() {
  for (auto& [rank, agent] : agents_) {
    if (agent.runs) receive(agent);
    if (agent.gone) throw_gone(agent);
  }
  return ended_;
}

void Agents::stop() {
  for (auto& [rank, agent] : agents_) {
    if (agent.runs && !agent.line.send({{"stop", true}})) agent.gone = true;
  }
  const double deadline_s = now_s() + kStopLimitS;
  for (auto& [rank, agent] : agents_) {
    while (agent.runs && !agent.gone) {
      receive(agent);
      if (!agent.runs || agent.gone) break;
      if (now_s() > deadline_s) agent.gone = true;
      agent.line.wait(kPollMs);
    }
  }
}

void Agents::end() {
  for (auto& [rank, member] : members_) (void)member.line.send({{"end", true}});
  for (auto& [rank, agent] : agents_) (void)agent.line.send({{"end", true}});
  members_.clear();
  agents_.clear();
}

}  // namespace vernier::calibrate
