// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/bundles/report.hpp"

#include <fmt/format.h>

#include "tools/calibrate/report.hpp"
#include "tools/common/table.hpp"

namespace vernier::calibrate {
namespace {

std::string alone_text(const std::optional<Alone>& alone) {
  if (!alone) return "-";
  std::string text;
  for (const double ratio : alone->ratios) {
    text += fmt::format("{}{:.3f}", text.empty() ? "" : ", ", ratio);
  }
  return text;
}

std::string outcome_text(const BundleResult& one) {
  if (!one.rejected.empty()) return "cannot be used: " + one.rejected;
  if (one.decision) return one.decision->wins ? "wins" : one.decision->why_not;
  if (!one.alone) return "not measured";
  if (!one.alone->hopeless.empty()) return "not searched: " + one.alone->hopeless;
  if (one.fit) return "not compared with this policy";
  return "not searched: others look better, or the time was over";
}

}  // namespace

std::string table_text(const Trial& trial, const Weights& weights) {
  using Align = Table::Align;
  Table table({{"bundle", Align::left},
               {"alone, two launches", Align::left},
               {"at best", Align::right},
               {"MiB more", Align::right},
               {"rules", Align::right},
               {"with its policy", Align::left},
               {"outcome", Align::left}});
  for (const BundleResult& one : trial.bundles) {
    table.add({one.bundle.name, alone_text(one.alone),
               one.alone ? fmt::format("{:.2f}", one.alone->at_best) : "-",
               one.alone ? fmt::format("{:.0f}", one.added_mib) : "-",
               one.fit ? fmt::to_string(one.fit->policy.rules.size()) : "-",
               one.decision ? interval_text(one.decision->total) : "-", outcome_text(one)});
  }
  return fmt::format(
      "Bundles, times as fast as no bundle ({}); with its policy against no bundle "
      "with its policy:\n{}",
      weights.of_traffic ? "weighted by the traffic" : "no traffic: each size counts the same",
      table.text());
}

std::string verdict(const Trial& trial) {
  const BundleResult* const best = trial.best();
  if (best == nullptr) {
    return fmt::format("No bundle: none of {} is certain to beat no bundle with its policy.",
                       trial.bundles.size());
  }
  std::string text = fmt::format(
      "Use bundle {} ({}) with this policy, and never one without the other: {} times as fast as "
      "no "
      "bundle with its policy, {:.3f} times as fast as neither.",
      best->bundle.name, variables_text(best->bundle), interval_text(best->decision->total),
      best->decision->nothing.ratio);
  if (best->fit->policy.rules.empty()) {
    text = fmt::format(
        "Use bundle {} ({}) alone, no rule adds to it: {} times as fast as no bundle with its "
        "policy, {:.3f} times as fast as neither.",
        best->bundle.name, variables_text(best->bundle), interval_text(best->decision->total),
        best->decision->nothing.ratio);
  }
  if (!best->decision->regressions.empty()) {
    text += fmt::format(" It is slower at {} sizes, which the traffic outweighs; the first: {}.",
                        best->decision->regressions.size(), best->decision->regressions.front());
  }
  if (best->added_mib >= 1) {
    text += fmt::format(" A communicator takes {:.0f} MiB of GPU memory more under it.",
                        best->added_mib);
  }
  if (best->bundle.is_conditional()) {
    text += fmt::format(" It is safe only if {}.", best->bundle.safe);
  }
  return text;
}

Json to_json(const Trial& trial) {
  Json all = Json::array();
  for (const BundleResult& one : trial.bundles) {
    Json json = to_json(one.bundle);
    json["outcome"] = outcome_text(one);
    json["rejected"] = one.rejected.empty() ? Json() : Json(one.rejected);
    json["alone"] =
        one.alone ? Json{{"ratios", one.alone->ratios}, {"at_best", one.alone->at_best}} : Json();
    json["added_mib"] = one.added_mib;
    json["rules"] = one.fit ? Json(one.fit->policy.rules.size()) : Json();
    json["wins"] = one.decision && one.decision->wins;
    if (one.decision) {
      json["with_policy"] = interval_json(one.decision->total);
      json["against_its_rules"] = interval_json(one.decision->rules);
      json["with_policy_eager"] = interval_json(one.decision->eager);
      json["against_nothing"] = interval_json(one.decision->nothing);
      json["regressions"] = one.decision->regressions;
    }
    all.push_back(std::move(json));
  }
  return all;
}

}  // namespace vernier::calibrate
