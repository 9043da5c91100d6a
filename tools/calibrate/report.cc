// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tools/common/table.hpp"

namespace vernier::calibrate {
namespace {

std::string_view standing_text(Standing standing) {
  switch (standing) {
    case Standing::win: return "win";
    case Standing::tie: return "tie";
    case Standing::loss: return "loss";
    case Standing::eager_loss: return "slower in eager mode";
  }
  return "";
}

// What a collective gains over the points its rules cover.
struct CoveredGain {
  std::uint64_t min_bytes = 0;
  std::uint64_t max_bytes = 0;
  double log_sum = 0;
  int points = 0;
};

std::map<Collective, CoveredGain> gains(const Fit& fit) {
  std::map<Collective, CoveredGain> all;
  for (const JudgedPoint& judged : fit.points) {
    const Rule* const rule = rule_at(fit.policy, judged);
    const JudgedArm* const arm = rule ? find_arm(judged, configuration_of(*rule)) : nullptr;
    if (arm == nullptr) continue;
    CoveredGain& gain = all[judged.point.collective];
    if (gain.points == 0) gain.min_bytes = judged.point.nbytes;
    gain.max_bytes = judged.point.nbytes;
    gain.log_sum += std::log(arm->graph.ratio);
    ++gain.points;
  }
  return all;
}

}  // namespace

std::string interval_text(const RatioInterval& interval) {
  if (interval.launches < 2) return "-";
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", interval.ratio, interval.low95, interval.high95);
}

Json interval_json(const RatioInterval& interval) {
  if (interval.launches < 2) return nullptr;
  return {{"ratio", interval.ratio},
          {"low", interval.low95},
          {"high", interval.high95},
          {"launches", interval.launches},
          {"pairs", interval.pairs}};
}

const Rule* rule_at(const Policy& policy, const JudgedPoint& judged) {
  const auto found = std::find_if(policy.rules.begin(), policy.rules.end(), [&](const Rule& rule) {
    return covers(rule, judged.point) && rule.instead_of.value_or(judged.own) == judged.own;
  });
  return found == policy.rules.end() ? nullptr : &*found;
}

std::string table_text(const Fit& fit) {
  using Align = Table::Align;
  Table table({{"collective", Align::left},
               {"bytes", Align::right},
               {"NCCL's own", Align::left},
               {"us", Align::right},
               {"policy", Align::left},
               {"us", Align::right},
               {"faster by, graphs", Align::left},
               {"eager", Align::left},
               {"host-bound", Align::left},
               {"null run", Align::left}});
  for (const JudgedPoint& judged : fit.points) {
    const Rule* const rule = rule_at(fit.policy, judged);
    const JudgedArm* const arm = rule ? find_arm(judged, configuration_of(*rule)) : nullptr;
    std::vector<std::string> row{std::string(name_of(judged.point.collective)),
                                 format_bytes(judged.point.nbytes), format_choice(judged.own),
                                 fmt::format("{:.1f}", judged.default_us)};
    if (arm != nullptr) {
      row.insert(row.end(), {format_configuration(arm->configuration),
                             fmt::format("{:.1f}", arm->tuned_us), interval_text(arm->graph),
                             interval_text(arm->eager), interval_text(arm->host_bound)});
    } else {
      row.insert(row.end(), {"-", "-", "-", "-", "-"});
    }
    row.push_back(interval_text(judged.null));
    table.add(std::move(row));
  }
  return table.text();
}

std::string null_text(const NullRun& null) {
  if (null.points == 0) return "no null run was measured";
  return fmt::format(
      "NCCL's own choice against itself: ratios of {} sizes between {:.3f} and {:.3f}, {} of them "
      "called a win",
      null.points, null.lowest, null.highest, null.false_wins);
}

std::string confirmed_text(const Fit& fit) {
  if (fit.other_confirmed) {
    return "Not confirmed: the plugin ran another policy then, and rules that lost there may be "
           "back";
  }
  if (fit.confirmed.empty()) return {};
  double log_sum = 0;
  std::size_t judged_before = 0;
  const ConfirmedPoint* least = &fit.confirmed.front();
  for (const ConfirmedPoint& one : fit.confirmed) {
    log_sum += std::log(one.first_look) / static_cast<double>(fit.confirmed.size());
    if (find_point(fit.points, one.point) != nullptr) ++judged_before;
    if (one.graph.ratio < least->graph.ratio) least = &one;
  }
  return fmt::format(
      "Through the plugin, at {} sizes, {} of them not measured before: {:.3f} times as fast; the "
      "least at {}, {} in {} launches",
      fit.confirmed.size(), fit.confirmed.size() - judged_before, std::exp(log_sum),
      describe(least->point), interval_text(least->graph), least->graph.launches);
}

std::string eager_text(const Fit& fit) {
  int points = 0;
  const JudgedPoint* most_at = nullptr;
  const JudgedArm* most = nullptr;
  for (const JudgedPoint& judged : fit.points) {
    bool left_out = false;
    for (const JudgedArm& arm : judged.arms) {
      if (arm.standing != Standing::eager_loss || rule_at(fit.policy, judged) != nullptr) continue;
      left_out = true;
      if (most != nullptr && most->graph.ratio >= arm.graph.ratio) continue;
      most_at = &judged;
      most = &arm;
    }
    points += left_out ? 1 : 0;
  }
  if (points == 0) return {};
  return fmt::format(
      "Left to NCCL though graphs would gain, because an eager client could lose over 2 %: {} "
      "sizes; the most, {} with {}, {:.2f} times as fast in graphs and {:.3f} for a host-bound "
      "eager client",
      points, describe(most_at->point), format_configuration(most->configuration),
      most->graph.ratio,
      most->host_bound.launches > 0 ? most->host_bound.ratio : most->eager.ratio);
}

std::string verdict(const Fit& fit) {
  const std::map<Collective, CoveredGain> all = gains(fit);
  if (fit.policy.rules.empty()) {
    return fmt::format(
        "Leave NCCL alone: at {} sizes nothing beat its own choice by more than this machine's "
        "noise.",
        fit.points.size());
  }
  std::string parts;
  for (const auto& [collective, gain] : all) {
    const std::string range =
        gain.min_bytes == gain.max_bytes
            ? format_bytes(gain.min_bytes)
            : fmt::format("{} to {}", format_bytes(gain.min_bytes), format_bytes(gain.max_bytes));
    parts += fmt::format("{}{} {} {:.2f} times as fast", parts.empty() ? "" : ", ",
                         name_of(collective), range, std::exp(gain.log_sum / gain.points));
  }
  const bool aligned = std::any_of(fit.policy.rules.begin(), fit.policy.rules.end(),
                                   [](const Rule& rule) { return rule.alignment.has_value(); });
  return fmt::format("Use the policy: in graphs it makes {}; elsewhere{} NCCL's own choice stays.",
                     parts.empty() ? "sizes between the measured ones faster" : parts,
                     aligned ? ", and where a rank's part is not aligned as a rule asks," : "");
}

Json to_json(const Fit& fit) {
  Json confirmed = Json::array();
  for (const ConfirmedPoint& one : fit.confirmed) {
    confirmed.push_back({{"collective", name_of(one.point.collective)},
                         {"bytes", one.point.nbytes},
                         {"graph", interval_json(one.graph)}});
  }
  Json json{{"name", fit.policy.name},
            {"digest", digest(fit.policy)},
            {"rules", fit.policy.rules.size()},
            {"added_mib", fit.added_mib},
            {"left_out", fit.left_out},
            {"null_run",
             {{"points", fit.null.points},
              {"lowest", fit.null.lowest},
              {"highest", fit.null.highest},
              {"false_wins", fit.null.false_wins}}},
            {"confirmed", confirmed},
            {"refuted", fit.refuted},
            {"verdict", verdict(fit)},
            {"points", Json::array()}};
  for (const JudgedPoint& judged : fit.points) {
    Json point{{"collective", name_of(judged.point.collective)},
               {"bytes", judged.point.nbytes},
               {"own", format_choice(judged.own)},
               {"default_us", judged.default_us},
               {"null", interval_json(judged.null)},
               {"arms", Json::array()}};
    const Rule* const rule = rule_at(fit.policy, judged);
    point["policy"] =
        rule != nullptr ? Json(format_configuration(configuration_of(*rule))) : Json();
    for (const JudgedArm& arm : judged.arms) {
      point["arms"].push_back({{"configuration", format_configuration(arm.configuration)},
                               {"tuned_us", arm.tuned_us},
                               {"graph", interval_json(arm.graph)},
                               {"eager", interval_json(arm.eager)},
                               {"host_bound", interval_json(arm.host_bound)},
                               {"standing", standing_text(arm.standing)}});
    }
    json["points"].push_back(std::move(point));
  }
  return json;
}

}  // namespace vernier::calibrate
