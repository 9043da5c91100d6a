// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "vernier/policy.hpp"
#include "vernier/sha256.hpp"

namespace vernier {
namespace {

// Length first, so that no value can imitate what follows it.
std::string counted(std::string_view text) { return fmt::format("{}:{}", text.size(), text); }

std::string rule_line(const Rule& rule) {
  return fmt::format("rule {} {} {} {} {} {} {} {}{}\n", name_of(rule.collective),
                     rule.ranks.value_or(0), rule.nodes.value_or(0), rule.min_bytes, rule.max_bytes,
                     rule.instead_of ? format_choice(*rule.instead_of) : "any",
                     format_choice(rule.choice), rule.channels.value_or(0),
                     rule.alignment ? fmt::format(" alignment {}", *rule.alignment) : "");
}

// docs/policy-format.md describes this text; a change of what old policies have is a change of
// schema.
std::string canonical_text(const Policy& policy) {
  std::string text = "vernier policy schema 1\n";
  if (policy.gpu) text += fmt::format("gpu {}\n", counted(*policy.gpu));
  if (policy.nccl) text += fmt::format("nccl {}\n", counted(policy.nccl->canonical()));
  for (const auto& [key, value] : policy.environment) {
    text += fmt::format("environment {} {}\n", counted(key), counted(value));
  }
  std::vector<std::string> rules;
  for (const Rule& rule : policy.rules) rules.push_back(rule_line(rule));
  std::sort(rules.begin(), rules.end());
  for (const std::string& rule : rules) text += rule;
  return text;
}

}  // namespace

std::string digest(const Policy& policy) {
  return fmt::format("sha256:{:02x}", fmt::join(sha256(canonical_text(policy)), ""));
}

}  // namespace vernier
