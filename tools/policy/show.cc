// SPDX-License-Identifier: Apache-2.0
//
// vernier policy show: a policy as a person wants to read it.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "tools/common/output.hpp"
#include "tools/common/table.hpp"
#include "tools/policy/commands.hpp"
#include "tools/policy/json.hpp"
#include "tools/policy/policy_file.hpp"
#include "tools/policy/rule_text.hpp"

namespace vernier {
namespace {

std::vector<Rule> sorted_rules(const Policy& policy) {
  std::vector<Rule> rules = policy.rules;
  std::sort(rules.begin(), rules.end(), [](const Rule& a, const Rule& b) {
    const auto key = [](const Rule& rule) {
      return std::tuple(name_of(rule.collective), rule.ranks, rule.nodes, rule.min_bytes);
    };
    return key(a) < key(b);
  });
  return rules;
}

std::string facts(const Policy& policy) {
  Table table({{"", Table::Align::left}, {"", Table::Align::left}});
  table.add({"name", policy.name.empty() ? "-" : printable(policy.name)});
  table.add({"digest", digest(policy)});
  table.add({"match gpu", printable(policy.gpu.value_or("any"))});
  table.add({"match nccl", policy.nccl ? printable(policy.nccl->text()) : "any"});
  for (const auto& [name, value] : policy.environment) {
    table.add({"environment", printable(fmt::format("{}={}", name, value))});
  }
  for (const auto& [key, value] : policy.measured_on) {
    table.add({"measured_on", printable(key + " = " + scalar_text(value))});
  }
  table.add({"rules", fmt::format("{}", policy.rules.size())});
  return table.text();
}

std::string rule_table(const Policy& policy) {
  using enum Table::Align;
  Table table({{"collective", left},
               {"min", right},
               {"max", right},
               {"ranks", right},
               {"nodes", right},
               {"instead of", left},
               {"choice", left},
               {"channels", right},
               {"alignment", right},
               {"gain", left},
               {"line", right}});
  const auto number = [](std::optional<int> value, std::string_view absent) {
    return value ? fmt::format("{}", *value) : std::string(absent);
  };
  for (const Rule& rule : sorted_rules(policy)) {
    const std::string gain = gain_text(rule.evidence);
    table.add({std::string(name_of(rule.collective)), format_bytes(rule.min_bytes),
               format_bytes(rule.max_bytes), number(rule.ranks, "any"), number(rule.nodes, "any"),
               rule.instead_of ? format_choice(*rule.instead_of) : "any",
               format_choice(rule.choice), number(rule.channels, "-"), number(rule.alignment, "-"),
               gain.empty() ? "-" : gain, fmt::format("{}", rule.where.line)});
  }
  return table.text();
}

void show_json(const std::string& origin, const Policy& policy) {
  Json environment = Json::object();
  for (const auto& [name, value] : policy.environment) environment[name] = value;
  Json measured_on = Json::object();
  for (const auto& [key, value] : policy.measured_on) measured_on[key] = to_json(value);
  Json rules = Json::array();
  for (const Rule& rule : sorted_rules(policy)) rules.push_back(to_json(rule));
  print_json(
      {{"file", origin},
       {"ok", true},
       {"name", policy.name},
       {"digest", digest(policy)},
       {"match",
        {{"gpu", or_null(policy.gpu)}, {"nccl", policy.nccl ? Json(policy.nccl->text()) : Json()}}},
       {"environment", std::move(environment)},
       {"measured_on", std::move(measured_on)},
       {"rules", std::move(rules)}});
}

}  // namespace

ExitCode show_policy(const FileOptions& options) {
  const PolicyFile file = need_policy_file(options.file, options.json);
  if (!file.parsed.policy) return ExitCode::could_not_look;
  const Policy& policy = *file.parsed.policy;
  if (options.json) {
    show_json(file.origin, policy);
    return ExitCode::fine;
  }
  print_result(facts(policy));
  if (!policy.rules.empty()) print_result("\n" + rule_table(policy));
  return ExitCode::fine;
}

}  // namespace vernier
