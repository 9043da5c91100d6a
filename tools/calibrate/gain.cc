// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/gain.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/calibrate/report.hpp"
#include "tools/common/table.hpp"

namespace vernier::calibrate {
namespace {

using workload::Step;
using workload::Workload;

constexpr std::uint64_t kShownTokens[] = {1, 8, 64};

// Adds calls up, launch by launch: the first that judged each size, the second, and so on. Sizes
// that limits were bisected at are judged in later launches than the others, and by other
// processes.
class Sum {
 public:
  Sum(const Fit& fit, const Shape& shape) : fit_(fit), shape_(shape) {}

  void add(const workload::Call& call, double weight) {
    if (!call.reaches_nccl()) return;
    add(point_of(call.collective, call.nbytes, call.ranks, call.nodes, shape_), call.captured,
        static_cast<double>(call.calls) * weight);
  }

  void add(const workload::Size& size) {
    const auto point = point_of(size.collective, size.nbytes, size.ranks, size.nodes, shape_);
    add(point, true, static_cast<double>(size.captured));
    add(point, false, static_cast<double>(size.calls - size.captured));
  }

  [[nodiscard]] Gain gain(std::string of) const {
    Gain gain = gain_;
    gain.of = std::move(of);
    std::vector<double> launches;
    for (const auto& [terms, sum_us] : saved_us_) {
      // Where something was settled before, a launch says nothing of the sum.
      if (terms == terms_) launches.push_back(sum_us);
    }
    gain.saved_us = mean_interval(launches);
    return gain;
  }

 private:
  void add(const std::optional<Point>& point, bool captured, double calls) {
    if (calls == 0) return;
    gain_.calls += calls;
    const JudgedPoint* const judged = point ? find_point(fit_.points, *point) : nullptr;
    if (judged == nullptr) {
      gain_.unmeasured += calls;
      return;
    }
    gain_.default_us += calls * judged->default_us;
    const Rule* const rule = rule_at(fit_.policy, *judged);
    const JudgedArm* const arm = rule ? find_arm(*judged, configuration_of(*rule)) : nullptr;
    if (arm == nullptr) return;
    const std::map<int, double>& launches = captured ? arm->graph_saved_us : arm->eager_saved_us;
    if (launches.empty()) {
      gain_.unmeasured += calls;
      return;
    }
    ++terms_;
    std::size_t at = 0;
    for (const auto& [launch, saved_us] : launches) {
      if (at == saved_us_.size()) saved_us_.emplace_back();
      auto& [terms, sum_us] = saved_us_[at++];
      ++terms;
      sum_us += calls * saved_us;
    }
  }

  const Fit& fit_;
  Shape shape_;
  Gain gain_;
  int terms_ = 0;
  std::vector<std::pair<int, double>> saved_us_;  // of a launch: terms that it has, and their sum
};

Gain gain_of_step(const Fit& fit, const Shape& shape, const Step& step) {
  Sum sum(fit, shape);
  for (const workload::Call& call : step.calls) sum.add(call, 1);
  return sum.gain(fmt::to_string(step.tokens));
}

std::string us_text(double us) {
  return us >= 1e5 ? fmt::format("{:.0f}", us) : fmt::format("{:.1f}", us);
}

std::string interval_text(const MeanInterval& interval) {
  return fmt::format("{} to {}", us_text(interval.low95), us_text(interval.high95));
}

// Of what NCCL's calls take. They take less than the step does, so less is not worth a policy.
constexpr double kSmallestShare = 0.01;

Json gain_json(const Gain& gain) {
  return {{"of", gain.of},
          {"calls", gain.calls},
          {"unmeasured", gain.unmeasured},
          {"default_us", gain.default_us},
          {"saved_us", gain.saved_us.mean},
          {"low", gain.saved_us.low95},
          {"high", gain.saved_us.high95}};
}

}  // namespace

Prediction predict(const Fit& fit, const Workload& traffic, const Shape& shape) {
  Prediction prediction;
  prediction.source = traffic.source;
  prediction.assumed = traffic.assumed;
  std::vector<Step> steps;
  std::copy_if(traffic.steps.begin(), traffic.steps.end(), std::back_inserter(steps),
               [](const Step& step) { return step.phase == workload::Phase::decode; });
  prediction.is_steps = !steps.empty();
  Sum whole(fit, shape);
  if (steps.empty()) {
    for (const workload::Size& size : traffic.sizes) whole.add(size);
    prediction.whole = whole.gain("all that was counted");
    return prediction;
  }
  for (const Step& step : steps) {
    for (const workload::Call& call : step.calls) {
      whole.add(call, 1.0 / static_cast<double>(steps.size()));
    }
  }
  prediction.whole =
      whole.gain(fmt::format("{}..{}, the mean", steps.front().tokens, steps.back().tokens));
  for (const std::uint64_t tokens : kShownTokens) {
    const auto padded = std::find_if(steps.begin(), steps.end(),
                                     [&](const Step& step) { return step.tokens >= tokens; });
    if (padded == steps.end()) continue;
    Gain gain = gain_of_step(fit, shape, *padded);
    if (prediction.steps.empty() || prediction.steps.back().of != gain.of) {
      prediction.steps.push_back(std::move(gain));
    }
  }
  return prediction;
}

std::string gain_text(const Prediction& prediction) {
  using enum Table::Align;
  Table table({{prediction.is_steps ? "tokens of a decode step" : "calls of one process", left},
               {"NCCL's calls", right},
               {"not measured", right},
               {"us by default", right},
               {"us saved", right},
               {"95 % interval", left}});
  std::vector<Gain> rows = prediction.steps;
  rows.push_back(prediction.whole);
  for (const Gain& gain : rows) {
    table.add({gain.of, fmt::format("{:.0f}", gain.calls), fmt::format("{:.0f}", gain.unmeasured),
               us_text(gain.default_us), us_text(gain.saved_us.mean),
               interval_text(gain.saved_us)});
  }
  std::string text = fmt::format("Predicted for {}:\n", prediction.source);
  for (const std::string& sentence : prediction.assumed) {
    text += fmt::format("Assumed: {}.\n", printable(sentence));
  }
  return text + "\n" + table.text();
}

std::string verdict(const Prediction& prediction) {
  const Gain& whole = prediction.whole;
  const std::string& source = prediction.source;
  if (whole.unmeasured >= whole.calls) {
    return fmt::format("Nothing can be said of {}: no call of it is of a size that was measured.",
                       source);
  }
  const std::string rest = whole.unmeasured == 0
                               ? ""
                               : fmt::format(" Of {:.0f} % of its calls nothing is known.",
                                             100 * whole.unmeasured / whole.calls);
  if (!(whole.saved_us.low95 > 0)) {
    return fmt::format("Leave NCCL alone: for {} no gain can be told from noise.{}", source, rest);
  }
  if (whole.saved_us.mean < kSmallestShare * whole.default_us) {
    return fmt::format(
        "Leave NCCL alone: for {} the gain is {} us of {} us that NCCL's calls take, less than {} "
        "%.{}",
        source, us_text(whole.saved_us.mean), us_text(whole.default_us), 100 * kSmallestShare,
        rest);
  }
  return fmt::format(
      "Use the policy: it should save {} us ({}) of {} us that NCCL's calls take {}.{}",
      us_text(whole.saved_us.mean), interval_text(whole.saved_us), us_text(whole.default_us),
      prediction.is_steps ? "in a decode step, on average" : "in that job", rest);
}

Json to_json(const Prediction& prediction) {
  Json json{
      {"source", prediction.source}, {"assumed", prediction.assumed}, {"steps", Json::array()}};
  for (const Gain& gain : prediction.steps) json["steps"].push_back(gain_json(gain));
  json["whole"] = gain_json(prediction.whole);
  return json;
}

}  // namespace vernier::calibrate
