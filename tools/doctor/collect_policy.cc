// SPDX-License-Identifier: Apache-2.0
//
// The policy that the tuner would be given, for what it demands of the environment.
#include <fmt/format.h>

#include "tools/doctor/collect.hpp"
#include "vernier/policy.hpp"

namespace vernier::doctor {
namespace {

// Its text, from the variable's value itself or from the file that it names.
Reading<std::string> policy_text(machine::MachineView& machine, const std::string& value) {
  if (!value.starts_with(kInlinePrefix)) return machine.text(value);
  auto text = decode_inline(value.substr(kInlinePrefix.size()));
  if (!text) return Reading<std::string>::unreadable("not base64, or too long");
  return Reading<std::string>::of(*std::move(text));
}

}  // namespace

bool Facts::policy_demands(const std::string& name, const std::string& value) const {
  if (!policy) return false;
  const auto demanded = policy->environment.find(name);
  return demanded != policy->environment.end() && demanded->second == value;
}

void collect_policy(machine::MachineView& machine, Facts& facts) {
  const auto setting = facts.environment.find("NCCL_VERNIER_POLICY");
  if (setting == facts.environment.end() || setting->second.value.empty()) return;
  const Reading<std::string> text = policy_text(machine, setting->second.value);
  if (text.absent()) return;  // a missing file is told as one
  if (text.is_unreadable()) {
    facts.policy_problem = text.why;
    return;
  }
  ParsedPolicy parsed = parse_policy(text.value);
  facts.policy = std::move(parsed.policy);
  if (facts.policy) return;
  const Diagnostic& first = parsed.errors.front();
  facts.policy_problem = fmt::format("line {}: {}", first.where.line, first.text);
}

}  // namespace vernier::doctor
