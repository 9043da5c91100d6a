// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/bundles/trial.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/calibrate/bundles/launches.hpp"
#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

enum class Way { own, finished };  // NCCL's own choice, or the policy
enum class Count { as_called, all_eager };

// A policy without rules is not run through the plugin: it is NCCL's own choice.
double time_us(const SampleRecord& record, Way way) {
  const Arm* const policy = way == Way::finished ? find_arm(record, kPolicyArm) : nullptr;
  return median_us(policy != nullptr ? *policy : record.arms.front());
}

// What the weighted calls of one launch take. One number for a launch: then the launch is the unit
// of repetition, as everywhere here.
double total_us(const Launches& launches, int launch, Way way, const Weights& weights,
                Count count) {
  double all_us = 0;
  for (const auto& [point, calls] : weights.calls) {
    const double graph_us = time_us(*launches.find(launch, Mode::graph, point), way);
    const double eager_us = time_us(*launches.find(launch, Mode::eager, point), way);
    all_us += count == Count::all_eager ? all_calls(calls) * eager_us
                                        : calls.captured * graph_us + calls.eager * eager_us;
  }
  return all_us;
}

// Total time of `base` over that of a bundle with its policy.
RatioInterval compare(const Launches& base, Way way, const Launches& bundle, const Weights& weights,
                      Count count = Count::as_called) {
  std::vector<LaunchPairs> rounds;
  for (int round = 0; round < kDecidingRounds; ++round) {
    const int launch = kFirstDecidingLaunch + round;
    rounds.push_back({{total_us(base, launch, way, weights, count)},
                      {total_us(bundle, launch, Way::finished, weights, count)}});
  }
  return ratio_interval(rounds);
}

std::vector<std::string> find_regressions(const Launches& base, const Launches& bundle,
                                          const Weights& weights) {
  std::vector<std::string> lines;
  for (const auto& [point, calls] : weights.calls) {
    for (const Mode mode : {Mode::graph, Mode::eager}) {
      std::vector<LaunchPairs> rounds;
      for (int round = 0; round < kDecidingRounds; ++round) {
        const int launch = kFirstDecidingLaunch + round;
        rounds.push_back({{time_us(*base.find(launch, mode, point), Way::finished)},
                          {time_us(*bundle.find(launch, mode, point), Way::finished)}});
      }
      const RatioInterval ratio = ratio_interval(rounds);
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
  if (stand(decision.rules) != Standing::win) {
    return "its rules without it may do as well";
  }
  if (decision.eager.high95 < kRegression) return "eager calls would be slower";
  if (!weights.of_traffic && !decision.regressions.empty()) {
    return fmt::format("{} of the sizes regress, and no traffic says that the others matter more",
                       decision.regressions.size());
  }
  return {};
}

// More than no bundle took in the same round, at most.
double added_mib(const Recording& base, const Recording& bundle) {
  double most = 0;
  for (const LaunchRecord& launch : bundle.launches) {
    const LaunchRecord* const other = base.find_launch(launch.launch);
    if (other == nullptr || !launch.used_mib || !other->used_mib) continue;
    most = std::max(most, *launch.used_mib - *other->used_mib);
  }
  return most;
}

// What its rules take counts, too.
void keep_memory_bound(BundleResult& result, double max_extra_mib) {
  const double all_mib = result.added_mib + result.fit->added_mib;
  if (!result.decision || !result.decision->wins || all_mib <= max_extra_mib) return;
  result.decision->wins = false;
  result.decision->why_not =
      fmt::format("it takes {:.0f} MiB of GPU memory more, --max-extra-mib allows {:.0f}", all_mib,
                  max_extra_mib);
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

std::optional<Decision> decide(const Recording& base, const Recording& bundle,
                               const Opponents& opponents, const Weights& weights) {
  const Launches without(base, Phase::decide, opponents.base);
  const Launches rules(base, Phase::decide, opponents.rules);
  const Launches with(bundle, Phase::decide, opponents.bundle);
  for (int round = 0; round < kDecidingRounds; ++round) {
    for (const Launches* const launches : {&without, &rules, &with}) {
      if (!launches->is_whole(kFirstDecidingLaunch + round, weights, {Mode::graph, Mode::eager})) {
        return std::nullopt;
      }
    }
  }
  Decision decision;
  decision.total = compare(without, Way::finished, with, weights);
  decision.rules = compare(rules, Way::finished, with, weights);
  decision.eager = compare(without, Way::finished, with, weights, Count::all_eager);
  decision.nothing = compare(without, Way::own, with, weights);
  decision.regressions = find_regressions(without, with, weights);
  decision.why_not = find_reason(decision, weights);
  decision.wins = decision.why_not.empty();
  return decision;
}

Policy without_bundle(const Policy& policy, const Policy& base) {
  Policy rules = policy;
  rules.environment = base.environment;
  // NCCL's own choice is another one here, and the rules would step aside.
  for (Rule& rule : rules.rules) rule.instead_of.reset();
  return rules;
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
    result.added_mib = added_mib(recording, one.recording);
    if (result.rejected.empty() && is_searched(one.recording)) {
      result.fit = fit(one.recording, options);
      const Policy& own = result.fit->policy;
      const Opponents opponents{base_digest, digest(without_bundle(own, base_fit.policy)),
                                digest(own)};
      result.decision = decide(recording, one.recording, opponents, weights);
      keep_memory_bound(result, options.max_extra_mib);
    }
    trial.bundles.push_back(std::move(result));
  }
  return trial;
}

double rough_trial_s(const Plan& plan, std::size_t bundles, std::size_t searched) {
  const auto points = static_cast<double>(plan.points.size());
  const double launch_s = kStartLaunchS + kAlonePointS * points;
  const auto finalists = static_cast<double>(std::min(bundles, searched));
  return kAloneRounds * static_cast<double>(bundles + 1) * launch_s +
         kDecidingRounds * (2 * finalists + 1) * launch_s + finalists * rough_s(plan);
}

}  // namespace vernier::calibrate
