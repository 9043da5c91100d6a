// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "vernier/policy.hpp"

namespace vernier {
namespace {

void lint_rule(const Rule& rule, Diagnostics& warnings) {
  const auto warn = [&](std::string text) {
    warnings.push_back({Diagnostic::Severity::warning, rule.where, std::move(text)});
  };
  if (!rule.evidence) warn("no evidence: nothing says that this rule beats NCCL's own choice");
  if (!rule.ranks) warn("no ranks: the rule holds for any number of ranks");
  if (!rule.nodes) warn("no nodes: the rule holds for any number of nodes");
  if (!rule.instead_of) {
    warn("no instead_of: the rule holds whatever NCCL's own choice has become");
  }
  if (rule.instead_of == rule.choice && !rule.channels) {
    warn(fmt::format("changes nothing: {} instead of itself, without channels",
                     format_choice(rule.choice)));
  }
}

// Everything but the bytes: equal neighbours were most likely meant to be one range.
auto what_it_does(const Rule& rule) {
  const auto number = [](const std::optional<Choice>& choice) {
    return choice ? static_cast<int>(choice->algorithm) * 3 + static_cast<int>(choice->protocol)
                  : -1;
  };
  return std::tuple(rule.collective, rule.ranks, rule.nodes, number(rule.choice),
                    number(rule.instead_of), rule.channels, rule.alignment);
}

void lint_holes(const std::vector<Rule>& rules, Diagnostics& warnings) {
  std::vector<const Rule*> sorted;
  for (const Rule& rule : rules) sorted.push_back(&rule);
  std::sort(sorted.begin(), sorted.end(), [](const Rule* a, const Rule* b) {
    return std::tuple(a->collective, a->ranks, a->nodes, a->min_bytes) <
           std::tuple(b->collective, b->ranks, b->nodes, b->min_bytes);
  });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const Rule& low = *sorted[i - 1];
    const Rule& high = *sorted[i];
    if (what_it_does(low) != what_it_does(high) || low.max_bytes + 1 >= high.min_bytes) continue;
    warnings.push_back(
        {Diagnostic::Severity::warning, high.where,
         fmt::format("a hole from {} to {}: the rule at line {} below it does the same",
                     format_bytes(low.max_bytes + 1), format_bytes(high.min_bytes - 1),
                     low.where.line)});
  }
}

}  // namespace

Diagnostics lint(const Policy& policy) {
  Diagnostics warnings;
  for (const Rule& rule : policy.rules) lint_rule(rule, warnings);
  lint_holes(policy.rules, warnings);
  std::stable_sort(warnings.begin(), warnings.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return a.where.line < b.where.line;
  });
  return warnings;
}

}  // namespace vernier
