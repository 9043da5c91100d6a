// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/bundles/trial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/calibrate/report.hpp"
#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

const SampleRecord* find_samples(const Recording& recording, Phase phase, int launch, Mode mode,
                                 const Point& point, const std::string& digest) {
  for (const SampleRecord& record : recording.samples) {
    if (record.phase == phase && record.launch == launch && record.mode == mode &&
        record.point == point && record.policy == digest) {
      return &record;
    }
  }
  return nullptr;
}

std::vector<double> captures_us(const Arm& arm) {
  std::vector<double> all;
  for (const std::vector<float>& replays : arm.times_us) all.push_back(capture_us(replays));
  return all;
}

double median_us(const Arm& arm) { return median(captures_us(arm)); }

// Of a policy without rules, which is not run through the plugin, NCCL's own choice.
const Arm& finished_arm(const SampleRecord& record) {
  const Arm* const policy = find_arm(record, kPolicyArm);
  return policy != nullptr ? *policy : record.arms.front();
}

bool has_default(const SampleRecord& record) {
  return !record.arms.empty() && record.arms.front().name == "default" &&
         std::all_of(record.arms.begin(), record.arms.end(),
                     [](const Arm& arm) { return !arm.times_us.empty(); });
}

double all_calls(const Calls& calls) { return calls.captured + calls.eager; }

// The best that rules did at a size of each collective.
std::map<Collective, double> most_gained(const Fit& fit) {
  std::map<Collective, double> most;
  for (const JudgedPoint& judged : fit.points) {
    double& gain = most.try_emplace(judged.point.collective, 1.0).first->second;
    const Rule* const rule = rule_at(fit.policy, judged);
    const JudgedArm* const arm = rule ? find_arm(judged, configuration_of(*rule)) : nullptr;
    if (arm != nullptr) gain = std::max(gain, arm->graph.ratio);
  }
  return most;
}

// NCCL's own time over that with the policy, where one rule covers the point.
double gained(const Fit& fit, const Point& point) {
  for (const JudgedPoint& judged : fit.points) {
    if (judged.point != point) continue;
    const Rule* const rule = rule_at(fit.policy, judged);
    const JudgedArm* const arm = rule ? find_arm(judged, configuration_of(*rule)) : nullptr;
    return arm == nullptr ? 1.0 : arm->graph.ratio;
  }
  return 1.0;
}

// The times of a round at a point, without and with a bundle; nothing where one is missing.
struct Both {
  const SampleRecord* base = nullptr;
  const SampleRecord* bundle = nullptr;
};

class Rounds {
 public:
  Rounds(const Recording& base, std::string base_digest, const Recording& bundle,
         std::string digest, Phase phase)
      : base_(base),
        bundle_(bundle),
        base_digest_(std::move(base_digest)),
        digest_(std::move(digest)),
        phase_(phase) {}

  [[nodiscard]] std::optional<Both> find(int launch, Mode mode, const Point& point) const {
    const Both both{find_samples(base_, phase_, launch, mode, point, base_digest_),
                    find_samples(bundle_, phase_, launch, mode, point, digest_)};
    if (both.base == nullptr || both.bundle == nullptr) return std::nullopt;
    if (!has_default(*both.base) || !has_default(*both.bundle)) return std::nullopt;
    return both;
  }

 private:
  const Recording& base_;
  const Recording& bundle_;
  std::string base_digest_;
  std::string digest_;
  Phase phase_;
};

bool has_round(const Rounds& rounds, int launch, const Weights& weights,
               std::initializer_list<Mode> modes) {
  for (const auto& [point, calls] : weights.calls) {
    for (const Mode mode : modes) {
      if (!rounds.find(launch, mode, point)) return false;
    }
  }
  return !weights.calls.empty();
}

// What the weighted calls of one round take, microseconds. One number for a launch: then the launch
// is the unit of repetition, as everywhere here.
struct Totals {
  LaunchPairs total;
  LaunchPairs eager;
  LaunchPairs nothing;
};

Totals add_up(const Rounds& rounds, int launch, const Weights& weights) {
  double base_us = 0, bundle_us = 0, nothing_us = 0, base_eager_us = 0, bundle_eager_us = 0;
  for (const auto& [point, calls] : weights.calls) {
    const Both graph = *rounds.find(launch, Mode::graph, point);
    const Both eager = *rounds.find(launch, Mode::eager, point);
    base_us += calls.captured * median_us(finished_arm(*graph.base)) +
               calls.eager * median_us(finished_arm(*eager.base));
    bundle_us += calls.captured * median_us(finished_arm(*graph.bundle)) +
                 calls.eager * median_us(finished_arm(*eager.bundle));
    nothing_us += calls.captured * median_us(graph.base->arms.front()) +
                  calls.eager * median_us(eager.base->arms.front());
    base_eager_us += all_calls(calls) * median_us(finished_arm(*eager.base));
    bundle_eager_us += all_calls(calls) * median_us(finished_arm(*eager.bundle));
  }
  return {
      {{base_us}, {bundle_us}}, {{base_eager_us}, {bundle_eager_us}}, {{nothing_us}, {bundle_us}}};
}

std::vector<std::string> find_regressions(const Rounds& rounds, const Weights& weights) {
  std::vector<std::string> lines;
  for (const auto& [point, calls] : weights.calls) {
    for (const Mode mode : {Mode::graph, Mode::eager}) {
      std::vector<LaunchPairs> launches;
      for (int round = 0; round < kDecidingRounds; ++round) {
        const Both both = *rounds.find(kFirstDecidingLaunch + round, mode, point);
        launches.push_back(
            {{median_us(finished_arm(*both.base))}, {median_us(finished_arm(*both.bundle))}});
      }
      const RatioInterval ratio = ratio_interval(launches);
      if (ratio.high95 >= kRegression) continue;
      lines.push_back(
          fmt::format("{} ({}) {:.3f} times as fast", describe(point), name_of(mode), ratio.ratio));
    }
  }
  return lines;
}

std::string find_reason(const Decision& decision, const Weights& weights) {
  if (stand(decision.total) != Standing::win) {
    return decision.total.high95 < kRegression ? "it is slower"
                                               : "no gain of 2 % or more is certain";
  }
  if (decision.eager.high95 < kRegression) return "eager calls would be slower";
  if (!weights.of_traffic && !decision.regressions.empty()) {
    return fmt::format("{} of the sizes regress, and no traffic says that the others matter more",
                       decision.regressions.size());
  }
  return {};
}

}  // namespace

Weights weigh(const Fit& base, const std::optional<workload::Workload>& traffic,
              const Shape& shape) {
  std::map<Point, double> asked_us;
  for (const JudgedPoint& judged : base.points) {
    if (!judged.halfway && judged.default_us > 0) asked_us[judged.point] = judged.default_us;
  }
  Weights weights;
  if (traffic) {
    weights.calls = calls_of(*traffic, shape);
    std::erase_if(weights.calls, [&](const auto& one) {
      return !asked_us.contains(one.first) || all_calls(one.second) <= 0;
    });
    weights.of_traffic = !weights.calls.empty();
  }
  if (weights.of_traffic) return weights;
  for (const auto& [point, us] : asked_us) weights.calls[point].captured = 1 / us;
  return weights;
}

std::optional<Alone> judge_alone(const Recording& base, const Fit& base_fit,
                                 const Recording& bundle, const Weights& weights) {
  const Rounds rounds(base, "", bundle, "", Phase::alone);
  std::vector<int> launches;
  for (int round = 0; round < kAloneRounds; ++round) {
    const int launch = kFirstAloneLaunch + round;
    if (has_round(rounds, launch, weights, {Mode::graph})) launches.push_back(launch);
  }
  if (launches.empty()) return std::nullopt;

  const std::map<Collective, double> most = most_gained(base_fit);
  Alone alone;
  std::vector<double> base_us(launches.size());
  std::vector<double> bundle_us(launches.size());
  double policy_us = 0;  // of no bundle with its policy
  double best_us = 0;
  for (const auto& [point, calls] : weights.calls) {
    double least_us = 1e300;
    double default_us = 0;
    for (std::size_t i = 0; i < launches.size(); ++i) {
      const Both both = *rounds.find(launches[i], Mode::graph, point);
      const double own_us = median_us(both.base->arms.front());
      base_us[i] += all_calls(calls) * own_us;
      bundle_us[i] += all_calls(calls) * median_us(both.bundle->arms.front());
      default_us += own_us / static_cast<double>(launches.size());
      for (const Arm& arm : both.bundle->arms) {
        const std::vector<double> all = captures_us(arm);
        least_us = std::min(least_us, *std::min_element(all.begin(), all.end()));
      }
    }
    const auto more = most.find(point.collective);
    if (more != most.end()) least_us /= more->second;
    const double with_policy_us = default_us / gained(base_fit, point);
    policy_us += all_calls(calls) * with_policy_us;
    best_us += all_calls(calls) * least_us;
    if (!weights.of_traffic && alone.hopeless.empty() && with_policy_us < kRegression * least_us) {
      alone.hopeless = fmt::format("at {} it is slower whatever a rule does", describe(point));
    }
  }
  for (std::size_t i = 0; i < launches.size(); ++i) {
    alone.ratios.push_back(base_us[i] / bundle_us[i]);
  }
  alone.at_best = policy_us / best_us;
  if (alone.hopeless.empty() && alone.at_best < kSmallestGain) {
    alone.hopeless = fmt::format("at best {:.2f} times as fast", alone.at_best);
  }
  return alone;
}

std::optional<Decision> decide(const Recording& base, const std::string& base_digest,
                               const Recording& bundle, const std::string& digest,
                               const Weights& weights) {
  const Rounds rounds(base, base_digest, bundle, digest, Phase::decide);
  std::vector<LaunchPairs> total;
  std::vector<LaunchPairs> eager;
  std::vector<LaunchPairs> nothing;
  for (int round = 0; round < kDecidingRounds; ++round) {
    const int launch = kFirstDecidingLaunch + round;
    if (!has_round(rounds, launch, weights, {Mode::graph, Mode::eager})) return std::nullopt;
    Totals totals = add_up(rounds, launch, weights);
    total.push_back(std::move(totals.total));
    eager.push_back(std::move(totals.eager));
    nothing.push_back(std::move(totals.nothing));
  }
  Decision decision;
  decision.total = ratio_interval(total);
  decision.eager = ratio_interval(eager);
  decision.nothing = ratio_interval(nothing);
  decision.regressions = find_regressions(rounds, weights);
  decision.why_not = find_reason(decision, weights);
  decision.wins = decision.why_not.empty();
  return decision;
}

const BundleResult* Trial::best() const {
  const BundleResult* best = nullptr;
  for (const BundleResult& one : bundles) {
    if (!one.decision || !one.decision->wins) continue;
    if (best == nullptr || one.decision->total.ratio > best->decision->total.ratio) best = &one;
  }
  return best;
}

bool is_searched(const Recording& bundle) {
  return std::any_of(bundle.samples.begin(), bundle.samples.end(),
                     [](const SampleRecord& record) { return record.phase == Phase::validate; });
}

Trial judge_bundles(const Recording& recording, const Fit& base_fit, const FitOptions& options,
                    const Weights& weights) {
  Trial trial;
  const std::string base_digest = digest(base_fit.policy);
  for (const BundleRecording& one : recording.bundles) {
    BundleResult result;
    result.bundle = bundle_of(one.recording.header["bundle"]);
    if (!one.recording.rejections.empty()) {
      result.rejected = one.recording.rejections.front().reason;
    }
    result.alone = judge_alone(recording, base_fit, one.recording, weights);
    if (result.rejected.empty() && is_searched(one.recording)) {
      result.fit = fit(one.recording, options);
      result.decision =
          decide(recording, base_digest, one.recording, digest(result.fit->policy), weights);
    }
    trial.bundles.push_back(std::move(result));
  }
  return trial;
}

std::vector<std::size_t> worth_searching(const Trial& trial, std::size_t most) {
  std::vector<std::size_t> worth;
  for (std::size_t i = 0; i < trial.bundles.size(); ++i) {
    const BundleResult& one = trial.bundles[i];
    if (one.rejected.empty() && one.alone && one.alone->hopeless.empty()) worth.push_back(i);
  }
  std::stable_sort(worth.begin(), worth.end(), [&](std::size_t a, std::size_t b) {
    return trial.bundles[a].alone->at_best > trial.bundles[b].alone->at_best;
  });
  if (worth.size() > most) worth.resize(most);
  return worth;
}

double rough_trial_s(const Plan& plan, std::size_t bundles, std::size_t searched) {
  const auto points = static_cast<double>(plan.points.size());
  const double launch_s = kStartLaunchS + kAlonePointS * points;
  const auto finalists = static_cast<double>(std::min(bundles, searched));
  return kAloneRounds * static_cast<double>(bundles + 1) * launch_s +
         kDecidingRounds * (finalists + 1) * launch_s + finalists * rough_s(plan);
}

std::string find_danger(const Bundle& bundle, const Recording& base) {
  if (!forces_ll128(bundle)) return {};
  for (const SurveyRecord& survey : base.surveys) {
    const bool usable =
        std::any_of(survey.usable_us.begin(), survey.usable_us.end(),
                    [](const auto& cell) { return cell.first.protocol == Protocol::ll128; });
    if (!usable) {
      return fmt::format(
          "it forces LL128, which NCCL itself does not run here ({}): it may corrupt data",
          describe(survey.point));
    }
  }
  return {};
}

}  // namespace vernier::calibrate
