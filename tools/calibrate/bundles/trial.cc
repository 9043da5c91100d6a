// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/bundles/trial.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/calibrate/bundles/rounds.hpp"
#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

// Of a policy without rules, which is not run through the plugin, NCCL's own choice.
const Arm& finished_arm(const SampleRecord& record) {
  const Arm* const policy = find_arm(record, kPolicyArm);
  return policy != nullptr ? *policy : record.arms.front();
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
    const Rounds::Both graph = *rounds.find(launch, Mode::graph, point);
    const Rounds::Both eager = *rounds.find(launch, Mode::eager, point);
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
        const Rounds::Both both = *rounds.find(kFirstDecidingLaunch + round, mode, point);
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

std::optional<Decision> decide(const Recording& base, const std::string& base_digest,
                               const Recording& bundle, const std::string& digest,
                               const Weights& weights) {
  const Rounds rounds(base, base_digest, bundle, digest, Phase::decide);
  std::vector<LaunchPairs> total;
  std::vector<LaunchPairs> eager;
  std::vector<LaunchPairs> nothing;
  for (int round = 0; round < kDecidingRounds; ++round) {
    const int launch = kFirstDecidingLaunch + round;
    if (!rounds.are_whole(launch, weights, {Mode::graph, Mode::eager})) return std::nullopt;
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
    result.added_mib = added_mib(recording, one.recording);
    if (result.rejected.empty() && is_searched(one.recording)) {
      result.fit = fit(one.recording, options);
      result.decision =
          decide(recording, base_digest, one.recording, digest(result.fit->policy), weights);
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
         kDecidingRounds * (finalists + 1) * launch_s + finalists * rough_s(plan);
}

}  // namespace vernier::calibrate
