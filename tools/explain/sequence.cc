// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/sequence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "vernier/operations.hpp"

namespace vernier::joblog {
namespace {

using Result = SequenceCheck::Result;

std::string_view type_name(std::uint8_t type) {
  return kDataTypeNames[std::min<std::size_t>(type, kDataTypeNames.size() - 1)];
}

std::string call_text(const SequencedCall& call) {
  const auto operation = static_cast<Operation>(call.operation);
  std::string text = fmt::format("{} of {} {}", kOperationNames[call.operation], call.count,
                                 type_name(call.data_type));
  constexpr std::array<std::string_view, 5> kReductions = {"sum", "prod", "max", "min", "avg"};
  if (operation == Operation::allreduce || operation == Operation::reducescatter ||
      operation == Operation::reduce) {
    const auto reduction = static_cast<std::size_t>(call.reduction);
    text += fmt::format(", {}", reduction < kReductions.size() ? kReductions[reduction] : "own op");
  }
  if (operation == Operation::broadcast || operation == Operation::reduce) {
    text += fmt::format(", root {}", call.root);
  }
  return text;
}

auto key_of(const SequencedCall& call) {
  return std::tuple{call.operation, call.count, call.data_type, call.reduction, call.root};
}

std::vector<Camp> camps_of(const std::map<std::string, std::vector<int>>& ranks_by_call) {
  std::vector<Camp> camps;
  for (const auto& [call, ranks] : ranks_by_call) camps.push_back({ranks, call});
  std::stable_sort(camps.begin(), camps.end(),
                   [](const Camp& a, const Camp& b) { return a.ranks.size() > b.ranks.size(); });
  return camps;
}

// One rank's calls from the point on where all logs have begun: a log may have lost its head.
struct Track {
  int rank;
  const std::vector<SequencedCall>* calls;
  std::size_t begin;
  [[nodiscard]] std::size_t size() const { return calls->size() - begin; }
  [[nodiscard]] const SequencedCall& at(std::size_t i) const { return (*calls)[begin + i]; }
};

void align(std::vector<Track>& tracks) {
  std::uint64_t first = 0;
  for (const Track& track : tracks) first = std::max(first, track.calls->front().op_count);
  for (Track& track : tracks) {
    const auto& calls = *track.calls;
    while (track.begin < calls.size() && calls[track.begin].op_count < first) ++track.begin;
  }
}

// A log that ends early must not hide that others disagree later.
void compare(const std::vector<Track>& tracks, SequenceCheck& check) {
  check.result = Result::agree;
  std::vector<const Track*> active;  // those that go on
  for (const Track& track : tracks) active.push_back(&track);
  for (std::size_t i = 0;; ++i) {
    const bool ended = std::erase_if(active, [i](const Track* t) { return i >= t->size(); }) > 0;
    if (active.empty()) return;
    const SequencedCall& call = active.front()->at(i);
    const bool agree = std::all_of(active.begin(), active.end(), [&](const Track* track) {
      return key_of(track->at(i)) == key_of(call);
    });
    if (agree && active.size() == tracks.size()) {
      ++check.compared;
      continue;
    }
    if (!agree || (ended && check.result == Result::agree)) {
      check.result = agree ? Result::behind : Result::differ;
      check.place =
          fmt::format("call {} (opCount {:x})", active.front()->begin + i + 1, call.op_count);
      std::map<std::string, std::vector<int>> ranks_by_call;
      for (const Track& track : tracks) {
        ranks_by_call[i < track.size() ? call_text(track.at(i)) : ""].push_back(track.rank);
      }
      check.camps = camps_of(ranks_by_call);
    }
    if (!agree || active.size() < 2) return;
  }
}

}  // namespace

SequenceCheck check_sequence(const JobLog& log, const std::vector<std::size_t>& group) {
  SequenceCheck check;
  std::vector<Track> tracks;
  std::set<int> known;
  for (const std::size_t index : group) {
    const Member& member = log.members()[index];
    check.ranks = member.ranks;
    if (check.communicator.empty()) check.communicator = member.comm_id;
    if (member.calls.empty()) continue;
    const bool twice = member.rank >= 0 && !known.insert(member.rank).second;
    if (!twice) tracks.push_back({member.rank, &member.calls, 0});
  }
  std::stable_sort(tracks.begin(), tracks.end(),
                   [](const Track& a, const Track& b) { return a.rank < b.rank; });
  for (const Track& track : tracks) check.seen.push_back(track.rank);
  if (tracks.size() < 2) return check;
  align(tracks);
  compare(tracks, check);
  return check;
}

namespace {

struct ProfileRank {
  int rank;
  std::map<std::uint32_t, std::string> positions;  // of graphs -> what is there
  std::map<std::string, std::uint64_t> captured;   // kind -> calls
};

std::string kind_text(const profile::Call& call) {
  return fmt::format("{} of {} {}{}", call.operation, call.count, call.data_type,
                     call.bucket ? " (bytes, a bucket of sizes)" : "");
}

// Graphs are made once and on all ranks. What is not in graphs goes on while files are written,
// each at its own time, so that its numbers differ without meaning.
ProfileRank read_rank(const profile::Profile& profile, const profile::Communicator& communicator) {
  ProfileRank rank{communicator.rank, {}, {}};
  for (const profile::Call& call : profile.calls) {
    if (call.communicator != communicator.index || !call.captured) continue;
    if (call.operation == "send" || call.operation == "recv") continue;
    const std::string kind = kind_text(call);
    if (call.calls) rank.captured[kind] += *call.calls;
    for (const profile::Kernel& kernel : call.kernels) {
      for (const profile::Position& one : kernel.positions) {
        rank.positions.try_emplace(one.position, kind);
      }
    }
  }
  return rank;
}

bool find_position(const std::vector<ProfileRank>& ranks, SequenceCheck& check) {
  std::set<std::uint32_t> positions;
  for (const ProfileRank& rank : ranks) {
    for (const auto& [position, kind] : rank.positions) positions.insert(position);
  }
  for (const std::uint32_t position : positions) {
    std::map<std::string, std::vector<int>> ranks_by_call;
    std::size_t told = 0;
    for (const ProfileRank& rank : ranks) {
      const auto found = rank.positions.find(position);
      if (found == rank.positions.end()) continue;  // not timed there
      ranks_by_call[found->second].push_back(rank.rank);
      ++told;
    }
    if (ranks_by_call.size() > 1) {
      check.place = fmt::format("position {} of its graphs", position);
      check.camps = camps_of(ranks_by_call);
      return true;
    }
    check.compared += told == ranks.size();
  }
  return false;
}

bool find_kind(const std::vector<ProfileRank>& ranks, SequenceCheck& check) {
  std::set<std::string> kinds;
  for (const ProfileRank& rank : ranks) {
    for (const auto& [kind, calls] : rank.captured) kinds.insert(kind);
  }
  for (const std::string& kind : kinds) {
    std::map<std::string, std::vector<int>> ranks_by_count;
    for (const ProfileRank& rank : ranks) {
      const auto found = rank.captured.find(kind);
      const std::uint64_t calls = found == rank.captured.end() ? 0 : found->second;
      ranks_by_count[fmt::format("{} {} times", kind, calls)].push_back(rank.rank);
    }
    if (ranks_by_count.size() > 1) {
      check.place = "numbers of calls in graphs";
      check.camps = camps_of(ranks_by_count);
      return true;
    }
  }
  return false;
}

}  // namespace

std::vector<SequenceCheck> check_profiles(const profile::Job& job) {
  std::map<std::string, std::vector<ProfileRank>> ranks_by_communicator;
  std::map<std::string, int> sizes;
  for (const profile::Profile& profile : job.profiles) {
    for (const profile::Communicator& communicator : profile.communicators) {
      // Before 2.27 ids or ranks are not told.
      if (communicator.ranks < 2 || communicator.rank < 0) continue;
      if (communicator.comm_id.find_first_not_of('0') == std::string::npos) continue;
      ranks_by_communicator[communicator.comm_id].push_back(read_rank(profile, communicator));
      sizes[communicator.comm_id] = communicator.ranks;
    }
  }
  std::vector<SequenceCheck> checks;
  for (auto& [id, ranks] : ranks_by_communicator) {
    if (ranks.size() < 2) continue;
    std::sort(ranks.begin(), ranks.end(),
              [](const ProfileRank& a, const ProfileRank& b) { return a.rank < b.rank; });
    SequenceCheck check;
    check.communicator = id;
    check.ranks = sizes[id];
    for (const ProfileRank& rank : ranks) check.seen.push_back(rank.rank);
    const bool differ = find_position(ranks, check) || find_kind(ranks, check);
    check.result = differ ? Result::differ : Result::agree;
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace vernier::joblog
