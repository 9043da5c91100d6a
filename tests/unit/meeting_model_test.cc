// SPDX-License-Identifier: Apache-2.0
//
// The protocol of plugin/agreement/meeting.cc as a model, explored over every interleaving of its
// steps, with timeouts and crashes wherever they can happen. What it must never do, it must do once
// a step is broken: otherwise the exploration would prove nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace vernier {
namespace {

constexpr int kRanks = 3;
constexpr int kRegions = 6;
constexpr int kMeetings = 2;
constexpr std::int8_t kNone = -1;

// A step that is left out or done wrongly.
enum class Broken { swap, joins_dead, ignores_dead, leaves_silently, obeys_itself };

enum class At : std::int8_t {
  idle,       // before its next meeting
  locking,    // lock_byte(names_)
  opening,    // open_private
  looking,    // is_open
  writing,    // its ballot
  appearing,  // lock_byte(file_): alive
  voting,     // ++voters
  judging,    // judge, as the last one
  deciding,   // conclude, under the lock
  removing,   // unlink, under the lock
  unlocking,
  waiting,
  giving_up,  // conclude(missing)
  cleaning,   // takes the lock once more, if it can, and removes the name
  done,
  dead
};

enum class Verdict : std::int8_t { none, active, inert };

struct Region {
  std::int8_t voters = 0;
  std::int8_t ballots[kRanks] = {};
  std::int8_t owner[kRanks] = {kNone, kNone, kNone};  // who holds that voter's lock
  Verdict verdict = Verdict::none;
};

struct Rank {
  At at = At::idle;
  std::int8_t meeting = 0;  // index into its plan
  std::int8_t region = kNone;
  std::int8_t tries = 0;
  Verdict proposal = Verdict::none;
  Verdict outcome[kMeetings] = {};  // by communicator; none: not there, or died
};

struct State {
  std::int8_t lock = kNone;
  std::int8_t name = kNone;
  std::int8_t made = 0;  // regions
  std::int8_t crashes = 0;
  std::int8_t timeouts = 0;
  Region regions[kRegions];
  Rank ranks[kRanks];

  [[nodiscard]] std::string key() const {
    return {reinterpret_cast<const char*>(this), sizeof(State)};
  }
};
static_assert(std::has_unique_object_representations_v<State>);

struct Scenario {
  std::vector<std::vector<int>> communicators;  // ranks of each, all of one key
  std::vector<std::vector<int>> plan;           // of each rank: its communicators, in order
  int ballots[kRanks] = {0, 0, 0};
  int most_crashes = 1;
  int stale_voters = 0;            // of a region that a killed run left behind
  bool follow_one_another = true;  // as NCCL makes communicators
  std::set<Broken> broken;
};

class Exploration {
 public:
  explicit Exploration(const Scenario& scenario) : scenario_(scenario) {}

  void run() {
    State start;
    for (int i = 0; i < scenario_.stale_voters; ++i) start.regions[0].ballots[i] = 0;
    if (scenario_.stale_voters > 0) {
      start.regions[0].voters = static_cast<std::int8_t>(scenario_.stale_voters);
      start.name = 0;
      start.made = 1;
    }
    add(start);
    while (!open_.empty()) {
      const State state = open_.front();
      open_.pop_front();
      const std::size_t before = successors_;
      for (int rank = 0; rank < kRanks; ++rank) step(state, rank);
      if (successors_ == before) judge_end(state);
    }
  }

  std::size_t states = 0;
  std::size_t ends = 0;
  std::size_t mixed = 0;       // ends in which ranks of one communicator differ
  std::size_t unjust = 0;      // ends with an active communicator whose ballots differ
  std::size_t timid = 0;       // ends without timeout or crash, equal ballots, and not active
  std::size_t all_active = 0;  // ends in which every communicator is active
  std::size_t exhausted = 0;   // times that the model had too few regions
  std::size_t stuck = 0;       // ends in which somebody neither left nor died

 private:
  [[nodiscard]] const std::vector<int>& members(int communicator) const {
    return scenario_.communicators[static_cast<std::size_t>(communicator)];
  }
  [[nodiscard]] const std::vector<int>& plan(int rank) const {
    return scenario_.plan[static_cast<std::size_t>(rank)];
  }
  [[nodiscard]] int current(const State& state, int rank) const {
    return plan(rank)[static_cast<std::size_t>(state.ranks[rank].meeting)];
  }

  [[nodiscard]] bool is(Broken broken) const { return scenario_.broken.contains(broken); }

  void add(const State& state) {
    ++successors_;
    if (!seen_.insert(state.key()).second) return;
    ++states;
    open_.push_back(state);
  }

  // NCCL asks the tuners of a communicator once all its ranks are creating it, and no rank gets out
  // of creating one before all have been asked.
  [[nodiscard]] bool can_begin(const State& state, int communicator) const {
    return std::all_of(members(communicator).begin(), members(communicator).end(), [&](int rank) {
      const Rank& member = state.ranks[rank];
      if (member.at == At::dead || member.outcome[communicator] != Verdict::none) return true;
      if (!scenario_.follow_one_another) return current(state, rank) == communicator;
      return current(state, rank) == communicator &&
             std::all_of(plan(rank).begin(), plan(rank).begin() + member.meeting,
                         [&](int earlier) { return is_over(state, earlier); });
    });
  }
  [[nodiscard]] bool is_over(const State& state, int communicator) const {
    return std::all_of(members(communicator).begin(), members(communicator).end(), [&](int rank) {
      const Rank& member = state.ranks[rank];
      return member.at == At::dead || member.outcome[communicator] != Verdict::none;
    });
  }

  static void conclude(Region& region, Verdict verdict, bool swaps) {
    if (swaps || region.verdict == Verdict::none) region.verdict = verdict;
  }

  void leave(State& next, int r, Verdict verdict) const {
    Rank& rank = next.ranks[r];
    rank.outcome[current(next, r)] = verdict == Verdict::active ? verdict : Verdict::inert;
    if (rank.region != kNone) {
      for (std::int8_t& owner : next.regions[rank.region].owner) {
        if (owner == r) owner = kNone;
      }
    }
    rank.region = kNone;
    rank.tries = 0;
    rank.proposal = Verdict::none;
    ++rank.meeting;
    const bool more = static_cast<std::size_t>(rank.meeting) < plan(r).size();
    rank.at = more ? At::idle : At::done;
  }

  [[nodiscard]] bool is_open(const Region& region, std::size_t nranks) const {
    if (region.verdict != Verdict::none) return false;
    if (region.voters >= static_cast<std::int8_t>(nranks)) return false;
    if (region.voters == 0 || is(Broken::joins_dead)) return true;
    return std::any_of(region.owner, region.owner + region.voters,
                       [](std::int8_t owner) { return owner != kNone; });
  }

  [[nodiscard]] Verdict judge(const Region& region, int voters) const {
    for (int i = 0; i < voters; ++i) {
      if (region.owner[i] == kNone && !is(Broken::ignores_dead)) {
        return Verdict::inert;
      }
      if (region.ballots[i] != region.ballots[0]) return Verdict::inert;
    }
    return Verdict::active;
  }

  void step(const State& state, int r) {
    const Rank& rank = state.ranks[r];
    if (rank.at == At::done || rank.at == At::dead) return;
    if (state.crashes < scenario_.most_crashes) crash(state, r);
    State next = state;
    Rank& me = next.ranks[r];
    const auto go = [&](At at) {
      me.at = at;
      add(next);
    };
    Region* const region = rank.region == kNone ? nullptr : &next.regions[rank.region];
    const std::size_t nranks = members(current(state, r)).size();
    switch (rank.at) {
      case At::idle:
        if (can_begin(state, current(state, r))) go(At::locking);
        return;
      case At::locking:
        if (state.lock == kNone) {
          next.lock = static_cast<std::int8_t>(r);
          go(At::opening);
        } else {
          leave(next, r, Verdict::none);
          next.timeouts = 1;
          add(next);
        }
        return;
      case At::opening:
        if (state.name == kNone && state.made == kRegions) ++exhausted;
        if (++me.tries > 2 || (state.name == kNone && state.made == kRegions)) {
          next.lock = kNone;
          leave(next, r, Verdict::none);
          add(next);
          return;
        }
        if (next.name == kNone) next.name = next.made++;
        me.region = next.name;
        go(At::looking);
        return;
      case At::looking:
        if (is_open(*region, nranks)) {
          go(At::writing);
        } else {
          next.name = kNone;
          me.region = kNone;
          go(At::opening);
        }
        return;
      case At::writing:
        region->ballots[region->voters] = static_cast<std::int8_t>(scenario_.ballots[r]);
        go(At::appearing);
        return;
      case At::appearing:
        region->owner[region->voters] = static_cast<std::int8_t>(r);
        go(At::voting);
        return;
      case At::voting:
        ++region->voters;
        go(region->voters == static_cast<std::int8_t>(nranks) ? At::judging : At::unlocking);
        return;
      case At::judging:
        me.proposal = judge(*region, region->voters);
        go(At::deciding);
        return;
      case At::deciding:
        conclude(*region, me.proposal, is(Broken::swap));
        go(At::removing);
        return;
      case At::removing:
        next.name = kNone;
        go(At::unlocking);
        return;
      case At::unlocking:
        next.lock = kNone;
        if (is(Broken::obeys_itself) && me.proposal != Verdict::none) {
          leave(next, r, me.proposal);
          add(next);
          return;
        }
        go(At::waiting);
        return;
      case At::waiting:
        if (region->verdict != Verdict::none) {
          leave(next, r, region->verdict);
          add(next);
          return;
        }
        next.timeouts = 1;
        if (is(Broken::leaves_silently)) {
          leave(next, r, Verdict::none);
          add(next);
          return;
        }
        go(At::giving_up);
        return;
      case At::giving_up:
        conclude(*region, Verdict::inert, is(Broken::swap));
        go(At::cleaning);
        return;
      case At::cleaning:
        go(At::waiting);  // without the lock
        if (state.lock == kNone) {
          if (next.name == rank.region) next.name = kNone;
          go(At::waiting);
        }
        return;
      case At::done:
      case At::dead: return;
    }
  }

  // The kernel gives back what it held.
  void crash(const State& state, int r) {
    State next = state;
    ++next.crashes;
    if (next.lock == r) next.lock = kNone;
    for (Region& region : next.regions) {
      for (std::int8_t& owner : region.owner) {
        if (owner == r) owner = kNone;
      }
    }
    // What it did before it died does not matter to its communicators any more.
    next.ranks[r] = Rank{};
    next.ranks[r].at = At::dead;
    add(next);
  }

  void judge_end(const State& state) {
    ++ends;
    bool everything_active = true;
    for (std::size_t c = 0; c < scenario_.communicators.size(); ++c) {
      bool active = false;
      bool inert = false;
      bool differ = false;
      for (const int r : scenario_.communicators[c]) {
        active |= state.ranks[r].outcome[c] == Verdict::active;
        inert |= state.ranks[r].outcome[c] == Verdict::inert;
        differ |= scenario_.ballots[r] != scenario_.ballots[scenario_.communicators[c][0]];
      }
      mixed += active && inert ? 1 : 0;
      unjust += active && differ ? 1 : 0;
      timid += inert && !differ && state.crashes == 0 && state.timeouts == 0 ? 1 : 0;
      everything_active &= active && !inert;
    }
    all_active += everything_active ? 1 : 0;
    stuck +=
        std::any_of(std::begin(state.ranks), std::end(state.ranks),
                    [](const Rank& rank) { return rank.at != At::done && rank.at != At::dead; })
            ? 1
            : 0;
  }

  Scenario scenario_;
  std::size_t successors_ = 0;
  std::deque<State> open_;
  std::unordered_set<std::string> seen_;
};

Scenario three_ranks() {
  Scenario scenario;
  scenario.communicators = {{0, 1, 2}};
  scenario.plan = {{0}, {0}, {0}};
  return scenario;
}

// Shrinks of one parent: {0, 1}, then {0, 2}, of one key.
Scenario two_shrinks() {
  Scenario scenario;
  scenario.communicators = {{0, 1}, {0, 2}};
  scenario.plan = {{0, 1}, {0}, {1}};
  return scenario;
}

void expect_sound(const Scenario& scenario, bool can_be_active) {
  Exploration exploration(scenario);
  exploration.run();
  std::printf("%zu states, %zu ends, %zu of them all active\n", exploration.states,
              exploration.ends, exploration.all_active);
  EXPECT_GT(exploration.ends, 0u);
  EXPECT_EQ(exploration.mixed, 0u);
  EXPECT_EQ(exploration.unjust, 0u);
  EXPECT_EQ(exploration.timid, 0u);
  EXPECT_EQ(exploration.stuck, 0u);
  EXPECT_EQ(exploration.exhausted, 0u);
  EXPECT_EQ(exploration.all_active > 0, can_be_active);
}

TEST(MeetingModel, ThreeRanksNeverDiffer) { expect_sound(three_ranks(), true); }

TEST(MeetingModel, ThreeRanksNeverDifferThoughTwoDie) {
  Scenario scenario = three_ranks();
  scenario.most_crashes = 2;
  expect_sound(scenario, true);
}

TEST(MeetingModel, RanksThatWouldDecideDifferentlyAreAllInert) {
  for (int odd = 0; odd < kRanks; ++odd) {
    Scenario scenario = three_ranks();
    scenario.ballots[odd] = 1;
    expect_sound(scenario, false);
  }
}

TEST(MeetingModel, WhatAKilledRunLeftBehindIsNoObstacle) {
  for (const int stale : {1, 2}) {
    Scenario scenario = three_ranks();
    scenario.stale_voters = stale;
    expect_sound(scenario, true);
  }
}

TEST(MeetingModel, CommunicatorsOfOneKeyFollowOneAnother) {
  expect_sound(two_shrinks(), true);
  Scenario odd = two_shrinks();
  odd.ballots[2] = 1;
  expect_sound(odd, false);
}

// The limit that docs/agreement.md names: without that, meetings of one key mix.
TEST(MeetingModel, RestsOnCommunicatorsOfOneKeyFollowingOneAnother) {
  Scenario scenario = two_shrinks();
  scenario.follow_one_another = false;
  Exploration exploration(scenario);
  exploration.run();
  EXPECT_GT(exploration.mixed, 0u);
}

TEST(MeetingModel, FindsWhatABrokenStepDoes) {
  const auto explore = [](Scenario scenario, std::set<Broken> broken) {
    scenario.broken = std::move(broken);
    Exploration exploration(scenario);
    exploration.run();
    return exploration;
  };
  EXPECT_GT(explore(three_ranks(), {Broken::swap}).mixed, 0u);
  EXPECT_GT(explore(three_ranks(), {Broken::leaves_silently}).mixed, 0u);
  EXPECT_GT(explore(three_ranks(), {Broken::obeys_itself}).mixed, 0u);
  Scenario stale = three_ranks();
  stale.stale_voters = 1;
  EXPECT_EQ(explore(stale, {Broken::joins_dead}).all_active, 0u);
  EXPECT_GT(explore(stale, {Broken::joins_dead, Broken::ignores_dead}).mixed, 0u);
}

}  // namespace
}  // namespace vernier
