// SPDX-License-Identifier: Apache-2.0
//
// Which bundles are worth a search: what they do alone, and what they could do at best.
#include <fmt/format.h>

#include <algorithm>

#include "tools/calibrate/bundles/launches.hpp"
#include "tools/calibrate/report.hpp"
#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

// A size is lost only where the slowest capture without the bundle takes less than this share of
// the fastest with it: launches over TCP differ by 10 %, captures of small messages by more.
constexpr double kLost = 0.9;

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

}  // namespace

std::optional<Alone> judge_alone(const Recording& base, const Fit& base_fit,
                                 const Recording& bundle, const Weights& weights) {
  const Launches without(base, Phase::alone);
  const Launches with(bundle, Phase::alone);
  std::vector<int> launches;
  for (int round = 0; round < kAloneRounds; ++round) {
    const int launch = kFirstAloneLaunch + round;
    if (!without.is_whole(launch, weights, {Mode::graph})) continue;
    if (with.is_whole(launch, weights, {Mode::graph})) launches.push_back(launch);
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
    double slowest_us = 0;  // without the bundle
    for (std::size_t i = 0; i < launches.size(); ++i) {
      const SampleRecord& seen = *with.find(launches[i], Mode::graph, point);
      const Arm& own = without.find(launches[i], Mode::graph, point)->arms.front();
      const double own_us = median_us(own);
      const std::vector<double> own_captures = captures_us(own);
      slowest_us =
          std::max(slowest_us, *std::max_element(own_captures.begin(), own_captures.end()));
      base_us[i] += all_calls(calls) * own_us;
      bundle_us[i] += all_calls(calls) * median_us(seen.arms.front());
      default_us += own_us / static_cast<double>(launches.size());
      for (const Arm& arm : seen.arms) {
        const std::vector<double> all = captures_us(arm);
        least_us = std::min(least_us, *std::min_element(all.begin(), all.end()));
      }
    }
    const auto more = most.find(point.collective);
    if (more != most.end()) least_us /= more->second;
    const double gain = gained(base_fit, point);
    policy_us += all_calls(calls) * default_us / gain;
    best_us += all_calls(calls) * least_us;
    if (!weights.of_traffic && alone.hopeless.empty() && slowest_us / gain < kLost * least_us) {
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

std::vector<std::size_t> worth_searching(const Trial& trial) {
  std::vector<std::size_t> worth;
  for (std::size_t i = 0; i < trial.bundles.size(); ++i) {
    const BundleResult& one = trial.bundles[i];
    if (one.rejected.empty() && one.alone && one.alone->hopeless.empty()) worth.push_back(i);
  }
  std::stable_sort(worth.begin(), worth.end(), [&](std::size_t a, std::size_t b) {
    return trial.bundles[a].alone->at_best > trial.bundles[b].alone->at_best;
  });
  return worth;
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
