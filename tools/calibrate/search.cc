// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/machine_error.hpp"
#include "tools/calibrate/race.hpp"
#include "tools/calibrate/statistics.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::size_t kArmsAtOnce = 24;  // beside the default; one chunk is one journal record
constexpr double kHopeless = 0.6;        // ratio after one capture: not looked at again
constexpr Effort kPilot{4, 3};
constexpr double kHostMattersUs = 15;  // of longer calls 0.3 us, for more channels, are not 2 %
constexpr int kNullLaunches = 2;       // of points without a pick

std::vector<std::vector<Configuration>> in_chunks(const std::vector<Configuration>& arms) {
  std::vector<std::vector<Configuration>> chunks;
  for (std::size_t i = 0; i < arms.size(); ++i) {
    if (i % kArmsAtOnce == 0) chunks.emplace_back();
    chunks.back().push_back(arms[i]);
  }
  return chunks;
}

struct Stopped {};  // thrown where the user wants to stop

std::string name_of_arm(const Configuration& configuration) {
  return format_configuration(configuration);
}

}  // namespace

Search::Search(Machine& machine, Journal& journal, const Plan& plan, int nccl_version,
               Progress& progress, AfterJudging after_judging)
    : machine_(machine),
      journal_(journal),
      plan_(plan),
      nccl_version_(nccl_version),
      progress_(progress),
      after_judging_(std::move(after_judging)) {}

bool Search::run() {
  try {
    progress_.remaining(rough_s(plan_));
    screen();
    for (int round = 0; round < kRaces && !plan_.exhaustive; ++round) race(round);
    std::vector<Judged> judged = plan_.exhaustive ? everything() : choose();
    for (int i = 0; i < plan_.judging_launches && !judged.empty(); ++i) {
      const int launch = kFirstJudgingLaunch + i;
      const bool unseen = i < kFirstLook && !plan_.exhaustive;
      const int left =
          (unseen ? std::min(kFirstLook, plan_.judging_launches) : plan_.judging_launches) - i;
      progress_.remaining(left * (judging_s(launch, judged) + kStartLaunchS));
      judge(launch, judged);
      if (after_judging_ && running_launch_ == launch) {
        after_judging_(running_launch_);
        running_launch_ = -1;
      }
      if (i + 1 < kFirstLook) continue;
      if (!plan_.exhaustive) {
        judged = unsettled(launch, judged);
        const bool enough_left = i + 1 + kFirstLook <= plan_.judging_launches;
        if ((i + 1) % kFirstLook == 0 && enough_left && !budget_is_spent()) {
          for (Judged& edge : edges(launch)) judged.push_back(std::move(edge));
        }
      }
      if (judged.empty() || i + 1 == plan_.judging_launches || !budget_is_spent()) continue;
      progress_.note(fmt::format("{:.0f} s are over: {} sizes are judged by {} launches only",
                                 plan_.budget_s, judged.size(), i + 1));
      break;
    }
    return true;
  } catch (const Stopped&) {
    return false;
  }
}

// ---- one thing at a time, from the journal where it is there ----

void Search::need_launch(int launch) {
  if (progress_.stopped()) throw Stopped{};
  if (running_launch_ == launch) return;
  progress_.show(fmt::format("launch {}: starting", launch));
  const LaunchRecord record = machine_.start_launch(launch, launch == kScreenLaunch);
  running_launch_ = launch;
  progress_.done(kStartLaunchS);
  if (journal_.recording().find_launch(launch) == nullptr) journal_.add(record);
}

const SurveyRecord& Search::surveyed(const Point& point, int launch) {
  if (journal_.recording().find_survey(point) == nullptr) {
    if (running_launch_ < 0) need_launch(launch);
    journal_.add(machine_.survey(point));
  }
  return *journal_.recording().find_survey(point);
}

bool Search::checked(int launch, const Point& point, const Configuration& configuration) {
  const CheckRecord* known = nullptr;
  for (const CheckRecord& check : journal_.recording().checks) {
    if (check.point != point || !(check.configuration == configuration)) continue;
    // Once is enough, but for NCCL's own choice, which may have been mended. Later launches do not
    // count: a search that goes on from a file has to do as it did.
    if (check.outcome != Outcome::exact && !configuration.is_default() && check.launch <= launch) {
      return false;
    }
    if (check.outcome != Outcome::exact) continue;
    if (check.launch == launch) known = &check;
  }
  if (known != nullptr) return true;
  need_launch(launch);
  progress_.show(fmt::format("launch {}: checking {} {}", launch, describe(point),
                             format_configuration(configuration)));
  CheckRecord record = machine_.check(point, configuration);
  record.launch = launch;
  const Outcome outcome = record.outcome;
  if (outcome != Outcome::exact && outcome != Outcome::refused) {
    progress_.note(fmt::format("{} with {}: {}: {}", describe(point),
                               format_configuration(configuration), name_of(outcome),
                               record.detail));
  }
  journal_.add(std::move(record));
  if (outcome != Outcome::exact && configuration.is_default()) {
    throw MachineError(fmt::format("NCCL's own choice for {} failed ({}): mend that first",
                                   describe(point), name_of(outcome)));
  }
  return outcome == Outcome::exact;
}

bool Search::sample(int launch, Phase phase, Mode mode, const Point& point, int pairs,
                    const std::vector<Configuration>& arms, bool with_null) {
  std::vector<std::string> names{"default"};
  for (const Configuration& arm : arms) names.push_back(name_of_arm(arm));
  if (with_null) names.emplace_back(kNullArm);
  const Effort effort = phase == Phase::pilot    ? kPilot
                        : phase == Phase::screen ? glance_for(default_us(launch, point))
                                                 : effort_for(mode, default_us(launch, point));
  const bool judging = phase == Phase::validate || phase == Phase::shortlist;
  const double cost_s =
      judging ? expected_s(mode, names.size(), pairs, default_us(launch, point)) : 0.0;

  for (const SampleRecord& record : journal_.recording().samples) {
    if (record.launch != launch || record.phase != phase || record.mode != mode ||
        record.point != point || record.arms.size() != names.size()) {
      continue;
    }
    const bool same =
        std::equal(names.begin(), names.end(), record.arms.begin(),
                   [](const std::string& n, const Arm& arm) { return n == arm.name; });
    if (same && static_cast<int>(record.arms[0].times_us.size()) == pairs) {
      progress_.done(cost_s);
      return true;
    }
  }

  need_launch(launch);
  progress_.show(
      fmt::format("launch {}: {} {} ({})", launch, name_of(phase), describe(point), name_of(mode)));
  Request request{point, {kDefault}, mode, pairs, effort.operations, effort.replays};
  request.arms.insert(request.arms.end(), arms.begin(), arms.end());
  if (with_null) request.arms.push_back(kDefault);
  Answer answer = machine_.measure(request);
  progress_.done(cost_s);
  if (answer.times_us.empty()) {
    if (arms.empty()) {
      throw MachineError(fmt::format("NCCL's own choice for {} {} while it was timed: {}",
                                     describe(point), name_of(answer.outcome), answer.detail));
    }
    // One of them did it; which one cannot be told, so none is proposed.
    for (const Configuration& arm : arms) {
      journal_.add(CheckRecord{launch,
                               point,
                               arm,
                               answer.outcome,
                               "while it was timed with others: " + answer.detail,
                               {}});
    }
    progress_.note(fmt::format("{}: {} while it was timed: {}", describe(point),
                               name_of(answer.outcome), answer.detail));
    return false;
  }
  SampleRecord record{launch, phase, mode, point, effort.operations, {}};
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::vector<float>& replays : answer.times_us[i]) {
      for (float& time_us : replays) time_us = static_cast<float>(rounded(time_us));
    }
    record.arms.push_back({names[i], std::move(answer.times_us[i])});
  }
  journal_.add(std::move(record));
  return true;
}

double Search::default_us(int launch, const Point& point) {
  const auto known = [&]() -> const SampleRecord* {
    for (const SampleRecord& record : journal_.recording().samples) {
      if (record.point == point && record.phase == Phase::pilot) return &record;
    }
    return nullptr;
  };
  if (known() == nullptr) {
    (void)checked(launch, point, kDefault);
    sample(launch, Phase::pilot, Mode::graph, point, 1, {}, false);
  }
  return capture_us(known()->arms[0].times_us[0]);
}

// ---- the three steps
// -----------------------------------------------------------------------------

void Search::screen() {
  for (const Point& point : plan_.points) {
    const SurveyRecord survey = surveyed(point, kScreenLaunch);
    if (!checked(kScreenLaunch, point, kDefault)) continue;
    const LaunchRecord* const launch = journal_.recording().find_launch(kScreenLaunch);
    const ChannelFacts facts{nccl_version_, plan_.ranks, launch->comm_channels,
                             plan_.element_bytes};
    // What NCCL's log says was applied tells requests apart better than any rule.
    std::set<std::string> effects{journal_.recording().find_check(point, kDefault)->applied};
    std::vector<Configuration> arms;
    for (const Configuration& candidate : candidates(survey, facts)) {
      if (!machine_.knows(point, candidate)) continue;
      if (!checked(kScreenLaunch, point, candidate)) continue;
      const std::string& applied = journal_.recording().find_check(point, candidate)->applied;
      if (!applied.empty() && !effects.insert(applied).second) continue;
      arms.push_back(candidate);
    }
    for (const auto& some : in_chunks(arms)) {
      sample(kScreenLaunch, Phase::screen, Mode::graph, point, 1, some, false);
    }
    for (const auto& some : in_chunks(promising(point))) {
      sample(kScreenLaunch, Phase::screen, Mode::graph, point, plan_.screen_pairs - 1, some, false);
    }
    progress_.done(kScreenPointS);
  }
}

void Search::race(int round) {
  for (const Point& point : plan_.points) {
    std::vector<Configuration> arms;
    for (const Configuration& one : contenders(journal_.recording(), point, round)) {
      if (checked(kFirstRaceLaunch + round, point, one)) arms.push_back(one);
    }
    if (arms.empty()) continue;
    const int launch = kFirstRaceLaunch + round;
    const int pairs = race_pairs(plan_);
    if (!sample(launch, Phase::shortlist, Mode::graph, point, pairs, arms, false)) continue;
    if (default_us(launch, point) > kHostMattersUs) continue;
    sample(launch, Phase::shortlist, Mode::host, point, pairs, arms, false);
  }
}

// Those that were screened, did not fail while they were timed, and are not hopeless.
std::vector<Configuration> Search::promising(const Point& point) const {
  std::vector<Configuration> result;
  for (const CheckRecord& check : journal_.recording().checks) {
    if (check.point != point || check.launch != kScreenLaunch) continue;
    if (check.configuration.is_default()) continue;
    if (check.outcome != Outcome::exact) {
      std::erase(result, check.configuration);
    } else if (first_ratio(journal_.recording(), point, check.configuration) > kHopeless) {
      result.push_back(check.configuration);
    }
  }
  return result;
}

// First uses, in an order that tells what each algorithm takes: NCCL's own choices, then the picks
// algorithm by algorithm.
void Search::warm_up(int launch, const std::vector<Judged>& judged) {
  std::set<Algorithm> algorithms;
  for (const auto& [point, picks] : judged) {
    for (const Configuration& pick : picks) algorithms.insert(pick.choice->algorithm);
  }
  for (const MemoryRecord& record : journal_.recording().memory) {
    if (record.launch == launch) algorithms.erase(record.algorithm);
  }
  if (algorithms.empty()) return;
  for (const auto& [point, picks] : judged) use(launch, point, kDefault);
  for (const Algorithm algorithm : algorithms) {
    const double before_mib = machine_.used_mib();
    for (const auto& [point, picks] : judged) {
      for (const Configuration& pick : picks) {
        if (pick.choice->algorithm == algorithm) use(launch, point, pick);
      }
    }
    // A failed check began a new communicator, whose memory has nothing to do with the old one's.
    const double added_mib = rounded(std::max(0.0, machine_.used_mib() - before_mib));
    journal_.add(MemoryRecord{launch, algorithm, added_mib});
  }
}

// Checked, and run by the processes of now: those that the journal knows may be gone.
void Search::use(int launch, const Point& point, const Configuration& configuration) {
  const std::size_t checks_before = journal_.recording().checks.size();
  if (!checked(launch, point, configuration)) return;
  if (journal_.recording().checks.size() > checks_before) return;
  need_launch(launch);
  (void)machine_.check(point, configuration);
}

bool Search::budget_is_spent() const {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started_;
  return plan_.budget_s > 0 && elapsed.count() > plan_.budget_s;
}

double Search::judging_s(int launch, const std::vector<Judged>& judged) {
  double all_s = 0;
  for (const auto& [point, picks] : judged) {
    for (const Mode mode : kModes) {
      const double us = default_us(launch, point);
      const int pairs = mode == Mode::graph ? plan_.pairs : eager_pairs(plan_);
      all_s += expected_s(mode, picks.size() + 2, pairs, us);
    }
  }
  return all_s;
}

// What is left to judge after a launch. Where nothing was picked, the null run has said enough.
// Later launches do not count: a search that goes on from a file has to come to the same.
std::vector<Search::Judged> Search::unsettled(int launch, const std::vector<Judged>& judged) const {
  const std::vector<JudgedPoint> seen = judge_points(journal_.recording(), launch);
  std::vector<Judged> left;
  for (Judged one : judged) {
    const JudgedPoint* const at = find_point(seen, one.point);
    if (at == nullptr) continue;
    std::erase_if(one.picks, [&](const Configuration& pick) {
      const JudgedArm* const arm = find_arm(*at, pick);
      return arm == nullptr || is_settled(*arm, plan_.judging_launches);
    });
    if (!one.picks.empty()) left.push_back(std::move(one));
  }
  return left;
}

int Search::looks_before(int launch, const Point& point) const {
  std::set<int> launches;
  for (const SampleRecord& record : journal_.recording().samples) {
    if (record.phase == Phase::validate && record.mode == Mode::graph && record.point == point &&
        record.launch < launch) {
      launches.insert(record.launch);
    }
  }
  return static_cast<int>(launches.size());
}

void Search::judge(int launch, const std::vector<Judged>& judged) {
  warm_up(launch, judged);
  const bool nothing_picked = std::all_of(judged.begin(), judged.end(),
                                          [](const Judged& one) { return one.picks.empty(); });
  for (const auto& [point, picks] : judged) {
    std::vector<Configuration> arms;
    for (const Configuration& pick : picks) {
      if (checked(launch, point, pick)) arms.push_back(pick);
    }
    // What bounds eager calls is known by the first looks, and so is the null run; where there is
    // nothing else to time, by less. A point at which all failed is timed once: it ends rules.
    const int looks = looks_before(launch, point);
    const bool early = looks < kFirstLook;
    bool has_times = false;
    for (const auto& some : in_chunks(arms)) {
      const bool ran =
          sample(launch, Phase::validate, Mode::graph, point, plan_.pairs, some, early);
      has_times = has_times || ran;
      if (!ran || !early) continue;
      const int pairs = eager_pairs(plan_);
      if (sample(launch, Phase::validate, Mode::eager, point, pairs, some, false)) {
        sample(launch, Phase::validate, Mode::host, point, pairs, some, false);
      }
    }
    const bool unseen = looks == 0 || launch < kFirstJudgingLaunch + kNullLaunches;
    if (!has_times && (nothing_picked || unseen)) {
      sample(launch, Phase::validate, Mode::graph, point, plan_.pairs, {}, true);
    }
  }
}

}  // namespace vernier::calibrate
