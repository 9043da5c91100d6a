// SPDX-License-Identifier: Apache-2.0
//
// vernier policy explain: what would be chosen for one call, and why.
#include <fmt/format.h>

#include "tools/common/output.hpp"
#include "tools/common/table.hpp"
#include "tools/policy/commands.hpp"
#include "tools/policy/json.hpp"
#include "tools/policy/policy_file.hpp"
#include "tools/policy/rule_text.hpp"

namespace vernier {
namespace {

std::string_view verdict_text(Condition::Verdict verdict) {
  switch (verdict) {
    case Condition::Verdict::holds: return "holds";
    case Condition::Verdict::differs: return "differs";
    case Condition::Verdict::not_checked: return "not checked";
  }
  return {};
}

std::string line_and_bytes(const Rule& rule) {
  return fmt::format("line {}, {}", rule.where.line, bytes_text(rule.min_bytes, rule.max_bytes));
}

void add_nearest(const Policy& policy, const Call& call, const Explanation& result, Table& table) {
  if (result.below != nullptr) table.add({"below", line_and_bytes(*result.below)});
  if (result.above != nullptr) table.add({"above", line_and_bytes(*result.above)});
  for (const Rule* rule : result.shapes) {
    table.add({"rules for", fmt::format("{} (line {})", shape_text(rule->ranks, rule->nodes),
                                        rule->where.line)});
  }
  if (result.below == nullptr && result.above == nullptr && result.shapes.empty()) {
    table.add({"rules for", fmt::format("{}: none among {}", name_of(call.collective),
                                        count_of(std::ssize(policy.rules), "rule"))});
  }
}

void print_text(const Policy& policy, const Call& call, const Explanation& result) {
  print_result(result.answer);
  Table table({{"", Table::Align::left}, {"", Table::Align::left}});
  table.add({"reason", std::string(name_of(result.reason))});
  if (result.rule != nullptr) {
    const Rule& rule = *result.rule;
    table.add(
        {"rule", fmt::format("{}, {}: {}", line_and_bytes(rule), shape_text(rule.ranks, rule.nodes),
                             choice_text(rule.choice, rule.channels))});
    const std::string gain = gain_text(rule.evidence);
    table.add({"evidence", gain.empty() ? "none" : gain});
  }
  if (result.reason == Reason::no_match || result.reason == Reason::no_rules) {
    add_nearest(policy, call, result, table);
  }
  for (const Condition& one : result.conditions) {
    table.add({one.what, fmt::format("{}: {}", verdict_text(one.verdict), printable(one.text))});
  }
  print_result(table.text());
}

Json rule_or_null(const Rule* rule) { return rule != nullptr ? to_json(*rule) : Json(); }

void print_as_json(const std::string& origin, const Policy& policy, const Call& call,
                   const Explanation& result) {
  Json conditions = Json::array();
  for (const Condition& one : result.conditions) {
    conditions.push_back(
        {{"what", one.what}, {"verdict", verdict_text(one.verdict)}, {"text", one.text}});
  }
  Json shapes = Json::array();
  for (const Rule* rule : result.shapes) {
    shapes.push_back({{"ranks", or_null(rule->ranks)}, {"nodes", or_null(rule->nodes)}});
  }
  print_json({{"file", origin},
              {"ok", true},
              {"digest", digest(policy)},
              {"call",
               {{"collective", name_of(call.collective)},
                {"bytes", call.nbytes},
                {"ranks", call.ranks},
                {"nodes", call.nodes},
                {"default", to_json(call.own_choice)},
                {"nccl", call.nccl ? Json(format_nccl_version(*call.nccl)) : Json()},
                {"gpu", or_null(call.gpu)}}},
              {"answer", result.answer},
              {"reason", name_of(result.reason)},
              {"choice", to_json(result.choice)},
              {"channels", or_null(result.channels)},
              {"rule", rule_or_null(result.rule)},
              {"below", rule_or_null(result.below)},
              {"above", rule_or_null(result.above)},
              {"shapes", std::move(shapes)},
              {"conditions", std::move(conditions)}});
}

}  // namespace

ExitCode explain_call(const ExplainOptions& options) {
  const PolicyFile file = need_policy_file(options.file, options.json);
  if (!file.parsed.policy) return ExitCode::could_not_look;
  const Policy& policy = *file.parsed.policy;
  const Explanation result = explain(policy, options.call);
  if (options.json) {
    print_as_json(file.origin, policy, options.call, result);
  } else {
    print_text(policy, options.call, result);
  }
  return ExitCode::fine;
}

}  // namespace vernier
