// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/roll_call.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>
#include <vector>

#include "tools/calibrate/live/monotonic.hpp"
#include "tools/calibrate/task_facts.hpp"

namespace vernier::calibrate {
namespace {

constexpr int kRetryMs = 100;
constexpr double kComparingS = 10;

// The rank of a greeting from this protocol; nullopt: somebody else's connection.
std::optional<int> rank_of(const Json& hello) {
  for (const char* const key : {"vernier_task", "rank", "ranks"}) {
    if (!hello.contains(key) || !hello[key].is_number_integer()) return std::nullopt;
  }
  for (const char* const key : {"host", "machine", "node", "gpu", "run"}) {
    if (!hello.contains(key) || !hello[key].is_string()) return std::nullopt;
  }
  if (!hello.contains("facts") || !hello["facts"].is_object()) return std::nullopt;
  for (const auto& [name, value] : hello["facts"].items()) {
    if (!value.is_string()) return std::nullopt;
  }
  return hello["rank"].get<int>();
}

std::string text_of(const Json& hello, const char* key) {
  return hello.contains(key) && hello[key].is_string() ? printable(hello[key].get<std::string>())
                                                       : "";
}

[[noreturn]] void throw_missing(const Rendezvous& at, const LaunchedTask& self,
                                const std::string& own_host, double limit_s,
                                const std::map<int, Member>& members) {
  std::map<int, std::string> hosts{{0, own_host}};
  std::vector<int> seen{0};
  std::vector<int> missing;
  for (int rank = 1; rank < self.ranks; ++rank) {
    const auto member = members.find(rank);
    if (member == members.end()) {
      missing.push_back(rank);
      continue;
    }
    seen.push_back(rank);
    hosts[rank] = text_of(member->second.hello, "host");
  }
  throw RollCallError(
      fmt::format("{} of {} ranks appeared at {} within {:.0f} s: {}; missing: {} ({} tells the "
                  "number of ranks; each is a task that runs this same command)",
                  seen.size(), self.ranks, address_text(at.host, at.port), limit_s,
                  ranks_by_host(hosts), ranks_text(missing), self.source),
      {{"error", "ranks are missing"},
       {"ranks_expected", self.ranks},
       {"ranks_seen", seen},
       {"ranks_missing", missing}});
}

// Both rank 0 and the other task say why.
[[noreturn]] void refuse(LineSocket& line, const std::string& text, const Json& details) {
  (void)line.send({{"refused", text}});
  throw RollCallError(text, details);
}

void add_member(const LaunchedTask& self, Json hello, LineSocket line,
                std::map<int, Member>& members) {
  const std::optional<int> rank = rank_of(hello);
  if (!rank || hello["run"] != self.run) return;  // or left over from a start that failed
  const std::string host = text_of(hello, "host");
  const int ranks = hello["ranks"].get<int>();
  if (ranks != self.ranks || *rank < 1 || *rank >= self.ranks) {
    refuse(line,
           fmt::format("a task on {} says it is rank {} of {}; rank 0 was told of {} ranks: two "
                       "jobs with one rendezvous?",
                       host, *rank, ranks, self.ranks),
           {{"error", "another number of ranks"}, {"rank", *rank}, {"host", host}});
  }
  const auto there = members.find(*rank);
  if (there != members.end()) {
    refuse(line,
           fmt::format("rank {} appeared twice, on {} and on {}: two jobs with one rendezvous?",
                       *rank, text_of(there->second.hello, "host"), host),
           {{"error", "a rank appeared twice"}, {"rank", *rank}});
  }
  members.emplace(*rank, Member{std::move(hello), std::move(line)});
}

}  // namespace

void call_roll(const Rendezvous& at, const LaunchedTask& self, const std::string& own_host,
               double limit_s, std::map<int, Member>& members) {
  const Socket listener = listen_at(at);
  Strangers strangers;
  bool none_wait = true;
  const double deadline_s = now_s() + limit_s;
  while (members.size() + 1 < static_cast<std::size_t>(self.ranks)) {
    if (now_s() > deadline_s) throw_missing(at, self, own_host, limit_s, members);
    pollfd waiting{none_wait ? listener.fd() : -1, POLLIN, 0};
    poll(&waiting, 1, kPollMs);
    none_wait = strangers.let_in(listener, now_s());
    for (Member& speaker : strangers.take_speakers(now_s())) {
      add_member(self, std::move(speaker.hello), std::move(speaker.line), members);
    }
  }
}

LineSocket answer_roll(const CallOptions& options, const Json& hello, Json& first) {
  std::string problem = "no time";
  const double deadline_s = now_s() + options.rendezvous_timeout_s;
  while (now_s() < deadline_s) {
    const int left_ms = static_cast<int>(1e3 * (deadline_s - now_s()));
    Socket socket = connect_to(*options.meeting, std::clamp(left_ms, 1, 5000), problem);
    if (socket.fd() >= 0) {
      problem = "whoever listens there said nothing";
      LineSocket line(std::move(socket));
      if (line.send(hello)) {
        // Rank 0 waits for the others no longer than this.
        const double answer_by_s = now_s() + options.rendezvous_timeout_s + kComparingS;
        LineSocket::Got got = LineSocket::Got::nothing;
        while (got == LineSocket::Got::nothing && now_s() < answer_by_s) {
          line.wait(kPollMs);
          got = line.receive(first);
        }
        if (got == LineSocket::Got::document) return line;
      }
    }
    poll(nullptr, 0, kRetryMs);  // closed before a word: not rank 0, or not yet
  }
  throw MachineError(fmt::format("rank {} of {}: rank 0 did not answer at {} within {:.0f} s: {}",
                                 options.task->rank, options.task->ranks,
                                 address_text(options.meeting->host, options.meeting->port),
                                 options.rendezvous_timeout_s, problem));
}

void require_agreement(const std::map<int, Json>& hellos) {
  std::map<int, Json> facts;
  std::map<std::string, std::pair<int, std::string>> users;  // of a GPU of a host
  for (const auto& [rank, hello] : hellos) {
    const std::string host = text_of(hello, "host");
    if (const std::string problem = text_of(hello, "problem"); !problem.empty()) {
      throw RollCallError(fmt::format("rank {} on {}: {}", rank, host, problem),
                          {{"error", problem}, {"rank", rank}, {"host", host}});
    }
    facts[rank] = hello["facts"];
  }
  const std::vector<FactDifference> all = differences(facts);
  if (!all.empty()) {
    throw RollCallError(
        "the ranks differ, so that nothing can be measured:\n" + differences_text(all),
        {{"error", "the ranks differ"}, {"differences", to_json(all)}});
  }
  for (const auto& [rank, hello] : hellos) {
    const std::string gpu = text_of(hello, "gpu");
    const auto [user, is_new] =
        users.try_emplace(text_of(hello, "machine") + " " + gpu, rank, text_of(hello, "host"));
    if (!is_new) {
      throw RollCallError(
          fmt::format("ranks {} and {} on {} have one GPU, {}: start one task for each GPU",
                      user->second.first, rank, user->second.second, gpu),
          {{"error", "two ranks have one GPU"}, {"ranks", {user->second.first, rank}}});
    }
  }
}

std::string own_host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace vernier::calibrate
