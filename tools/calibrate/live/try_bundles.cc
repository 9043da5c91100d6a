// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/try_bundles.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/calibrate/live/confirm_policy.hpp"
#include "tools/calibrate/machine_error.hpp"
#include "tools/calibrate/search.hpp"

namespace vernier::calibrate {
namespace {

constexpr int kAlonePairs = 2;

struct Stopped {};  // thrown where the user wants to stop

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

bool is_there(const Recording& recording, Phase phase, int launch, Mode mode, const Point& point,
              const std::string& digest) {
  return std::any_of(recording.samples.begin(), recording.samples.end(), [&](const auto& record) {
    return record.phase == phase && record.launch == launch && record.mode == mode &&
           record.point == point && record.policy == digest;
  });
}

double least_us(const Arm& arm) {
  double least = 1e300;
  for (const std::vector<float>& replays : arm.times_us) {
    least = std::min(least, capture_us(replays));
  }
  return least;
}

bool has_decided(const Recording& base) {
  return std::any_of(base.samples.begin(), base.samples.end(),
                     [](const SampleRecord& record) { return record.phase == Phase::decide; });
}

void must_be_exact(const CheckRecord& check) {
  if (check.outcome == Outcome::exact) return;
  throw MachineError(
      fmt::format("{} {}: {}", describe(check.point), name_of(check.outcome), check.detail));
}

}  // namespace

BundleTrials::BundleTrials(TrialSetup setup, Journal& base, const Journal::Sink& sink,
                           const Plan& plan, const Fit& base_fit, const Weights& weights,
                           Progress& progress)
    : setup_(std::move(setup)),
      base_(base),
      plan_(plan),
      base_fit_(base_fit),
      weights_(weights),
      progress_(progress) {
  for (const BundleRecording& one : base.recording().bundles) {
    const auto keep = [sink, name = one.name](const std::string& line) {
      sink(line_of_bundle(name, line));
    };
    tried_.push_back({bundle_of(one.recording.header["bundle"]), Journal(one.recording, keep)});
  }
}

bool BundleTrials::run() {
  try {
    progress_.remaining(kAloneRounds * static_cast<double>(tried_.size() + 1) *
                        (kStartLaunchS + kAlonePointS * static_cast<double>(plan_.points.size())));
    for (int round = 0; round < kAloneRounds; ++round) measure_alone(round);
    std::vector<std::size_t> finalists;
    for (const std::size_t i : worth_searching(judge())) {
      if (finalists.size() == setup_.most_searched) break;
      if (!is_searched(tried_[i].journal.recording())) {
        // Launches of no bundle that decided on another day would be its rivals.
        if (has_decided(base_.recording())) continue;
        if (budget_is_spent()) {
          progress_.note(fmt::format("{:.0f} s are over: no policy is searched for bundle {}",
                                     plan_.budget_s, tried_[i].bundle.name));
          continue;
        }
      }
      unless_rejected(tried_[i], [&] { search(tried_[i]); });
      if (tried_[i].journal.recording().rejections.empty()) finalists.push_back(i);
    }
    double decide_s = kStartLaunchS;
    for (const Point& point : plan_.points) {
      for (const Mode mode : {Mode::graph, Mode::eager}) {
        decide_s += expected_s(mode, 2, race_pairs(plan_), expected_us(point));
      }
    }
    progress_.remaining(kDecidingRounds * static_cast<double>(2 * finalists.size() + 1) * decide_s);
    for (int round = 0; round < kDecidingRounds && !finalists.empty(); ++round) {
      decide(round, finalists);
    }
    return true;
  } catch (const Stopped&) {
    return false;
  }
}

Recording BundleTrials::recording() const {
  Recording all = base_.recording();
  for (std::size_t i = 0; i < tried_.size(); ++i) {
    all.bundles[i].recording = tried_[i].journal.recording();
  }
  return all;
}

Trial BundleTrials::judge() const {
  return judge_bundles(recording(), base_fit_, {"", setup_.max_extra_mib}, weights_);
}

bool BundleTrials::budget_is_spent() const {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - setup_.started;
  return plan_.budget_s > 0 && elapsed.count() > plan_.budget_s;
}

std::unique_ptr<GpuMachine> BundleTrials::make_machine(const Bundle* bundle) const {
  LaunchSetup launch = setup_.launch;
  if (bundle != nullptr) {
    for (const auto& [name, value] : bundle->variables) launch.environment[name] = value;
  }
  return std::make_unique<GpuMachine>(std::move(launch), setup_.hang_limit_s, setup_.agents);
}

// What fails twice under a bundle is the bundle's fault where ranks still start without it; else
// the machine is out of order, and the bundle has nothing to do with it.
template <typename Work>
void BundleTrials::unless_rejected(Tried& tried, Work work) {
  if (!tried.journal.recording().rejections.empty()) return;
  for (const bool again : {false, true}) {
    try {
      return work();  // goes on from what the journal has
    } catch (const MachineError& error) {
      (void)make_machine(nullptr)->start_launch(kScreenLaunch, false);
      const std::string reason = one_line(error.what());
      progress_.note(fmt::format("bundle {} {}: {}", tried.bundle.name,
                                 again ? "cannot be used" : "fails, and is tried once more",
                                 reason));
      if (again) tried.journal.add(RejectionRecord{reason});
    }
  }
}

// ---- alone ----

void BundleTrials::measure_alone(int round) {
  measure_alone(round, base_, nullptr);
  // Only what the rounds before say: a run that goes on has to do as it did.
  const Trial seen = round == 0 ? Trial() : judge();
  for (std::size_t i = 0; i < tried_.size(); ++i) {
    // Backwards in every second round: whatever drifts meets all of them.
    const std::size_t at = round % 2 == 0 ? i : tried_.size() - 1 - i;
    Tried& tried = tried_[at];
    if (round > 0 && (!seen.bundles[at].alone || !seen.bundles[at].alone->hopeless.empty())) {
      continue;
    }
    unless_rejected(tried, [&] {
      if (const std::string danger = find_danger(tried.bundle, base_.recording());
          !danger.empty()) {
        throw MachineError(danger);
      }
      measure_alone(round, tried.journal, &tried.bundle);
    });
  }
}

void BundleTrials::measure_alone(int round, Journal& journal, const Bundle* bundle) {
  const int launch = kFirstAloneLaunch + round;
  const std::string name = bundle == nullptr ? "no bundle" : bundle->name;
  std::unique_ptr<GpuMachine> machine;
  for (const Point& point : plan_.points) {
    progress_.done(kAlonePointS);
    if (is_there(journal.recording(), Phase::alone, launch, Mode::graph, point, "")) continue;
    if (progress_.stopped()) throw Stopped{};
    if (!machine) {
      progress_.show(fmt::format("{}: starting", name));
      machine = make_machine(bundle);
      LaunchRecord record = machine->start_launch(launch, false);
      for (const Point& one : plan_.points) {
        if (journal.recording().find_survey(one) == nullptr) journal.add(machine->survey(one));
        must_be_exact(machine->check(one, kDefault));
      }
      record.used_mib = rounded(machine->used_mib());
      if (journal.recording().find_launch(launch) == nullptr) journal.add(record);
      progress_.done(kStartLaunchS);
    }
    progress_.show(fmt::format("{} alone: {}", name, describe(point)));
    std::vector<Configuration> arms{kDefault};
    if (bundle != nullptr) {
      for (const Configuration& cell : cells(round, journal, point)) {
        if (machine->check(point, cell).outcome == Outcome::exact) arms.push_back(cell);
      }
    }
    const Effort effort = effort_for(Mode::graph, expected_us(point));
    const auto measure = [&] {
      return machine->measure(
          {point, arms, Mode::graph, kAlonePairs, effort.operations, effort.replays});
    };
    Answer answer = measure();
    if (answer.times_us.empty() && arms.size() > 1) {  // a cell's fault is none of the bundle's
      arms = {kDefault};
      answer = measure();
    }
    SampleRecord record{launch, Phase::alone, Mode::graph, point, effort.operations, {}};
    for (const Configuration& arm : arms) record.arms.push_back({format_configuration(arm), {}});
    keep(journal, std::move(record), std::move(answer));
  }
}

// What NCCL can run instead of its own choice; in later rounds what was faster in the first.
std::vector<Configuration> BundleTrials::cells(int round, const Journal& journal,
                                               const Point& point) const {
  std::vector<Configuration> all;
  if (round == 0) {
    const SurveyRecord& survey = *journal.recording().find_survey(point);
    for (const auto& [choice, us] : survey.usable_us) {
      if (choice != survey.own && is_possible(point.collective, choice)) all.push_back({choice, 0});
    }
    return all;
  }
  for (const SampleRecord& record : journal.recording().samples) {
    if (record.phase != Phase::alone || record.launch != kFirstAloneLaunch ||
        record.point != point) {
      continue;
    }
    for (const Arm& arm : record.arms) {
      const auto cell = parse_configuration(arm.name);
      if (cell && !cell->is_default() && least_us(arm) < least_us(record.arms.front())) {
        all.push_back(*cell);
      }
    }
  }
  return all;
}

// ---- with a policy ----

void BundleTrials::search(Tried& tried) {
  progress_.note(fmt::format("bundle {} gets a policy of its own", tried.bundle.name));
  Plan plan = plan_;
  if (plan.budget_s > 0) {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - setup_.started;
    plan.budget_s = std::max(1.0, plan.budget_s - elapsed.count());
  }
  const std::unique_ptr<GpuMachine> machine = make_machine(&tried.bundle);
  if (!Search(*machine, tried.journal, plan, setup_.nccl_version, progress_).run()) {
    throw Stopped{};
  }
  const Fit first = fit(tried.journal.recording(), {"", setup_.max_extra_mib, false});
  if (first.policy.rules.empty()) return;
  if (!confirm_policy(*machine, tried.journal, plan, first, setup_.plugin, progress_)) {
    throw Stopped{};
  }
}

void BundleTrials::decide(int round, const std::vector<std::size_t>& finalists) {
  const int launch = kFirstDecidingLaunch + round;
  const auto base = [&] { decide(launch, base_, nullptr, base_fit_.policy); };
  if (round % 2 == 0) base();
  for (std::size_t i = 0; i < finalists.size(); ++i) {
    Tried& tried = tried_[finalists[round % 2 == 0 ? i : finalists.size() - 1 - i]];
    const Policy policy = fit(tried.journal.recording(), {"", setup_.max_extra_mib}).policy;
    unless_rejected(tried, [&] { decide(launch, tried.journal, &tried.bundle, policy); });
    if (!tried.journal.recording().rejections.empty()) continue;
    try {
      decide(launch, base_, nullptr, without_bundle(policy, base_fit_.policy));
    } catch (const MachineError& error) {
      // Nobody has run these rules without the bundle. Then nothing is decided about it.
      progress_.note(fmt::format("no bundle with the rules of {}: {}", tried.bundle.name,
                                 one_line(error.what())));
    }
  }
  if (round % 2 == 1) base();
}

void BundleTrials::decide(int launch, Journal& journal, const Bundle* bundle,
                          const Policy& policy) {
  const std::string digest = vernier::digest(policy);
  const std::string name = bundle == nullptr ? "no bundle" : bundle->name;
  const auto inline_policy = encode_inline(policy);
  if (!inline_policy) throw MachineError("the policy is too long to be handed to the ranks");
  std::unique_ptr<GpuMachine> machine;
  for (const Point& point : plan_.points) {
    for (const Mode mode : {Mode::graph, Mode::eager}) {
      if (is_there(journal.recording(), Phase::decide, launch, mode, point, digest)) continue;
      if (progress_.stopped()) throw Stopped{};
      if (!machine) {
        progress_.show(fmt::format("{} with its policy: starting", name));
        machine = make_machine(bundle);
        // Without rules there is nothing to apply, which the plugin is asked to say.
        if (policy.rules.empty()) {
          (void)machine->start_launch(launch, false);
        } else {
          (void)machine->start_confirming(launch, setup_.plugin, *inline_policy);
        }
      }
      progress_.show(fmt::format("{} with its policy: {}", name, describe(point)));
      const Effort effort = effort_for(mode, expected_us(point));
      SampleRecord record{launch, Phase::decide, mode, point, effort.operations, {}, digest};
      record.arms.push_back({"default", {}});
      if (!policy.rules.empty()) record.arms.push_back({std::string(kPolicyArm), {}});
      const std::vector<Configuration> arms(record.arms.size(), kDefault);
      keep(journal, std::move(record),
           machine->measure(
               {point, arms, mode, race_pairs(plan_), effort.operations, effort.replays}));
    }
  }
}

// ---- both ----

void BundleTrials::keep(Journal& journal, SampleRecord record, Answer answer) const {
  if (answer.times_us.size() != record.arms.size()) {
    throw MachineError(fmt::format("{} {} while it was timed: {}", describe(record.point),
                                   name_of(answer.outcome), answer.detail));
  }
  for (std::size_t i = 0; i < record.arms.size(); ++i) {
    for (std::vector<float>& replays : answer.times_us[i]) {
      for (float& us : replays) us = static_cast<float>(rounded(us));
    }
    record.arms[i].times_us = std::move(answer.times_us[i]);
  }
  journal.add(std::move(record));
}

// Of NCCL's own choice without a bundle.
double BundleTrials::expected_us(const Point& point) const {
  for (const JudgedPoint& judged : base_fit_.points) {
    if (judged.point == point && judged.default_us > 0) return judged.default_us;
  }
  return 20;
}

}  // namespace vernier::calibrate
