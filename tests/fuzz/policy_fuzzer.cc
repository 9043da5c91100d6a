// SPDX-License-Identifier: Apache-2.0
//
// Any text given as a policy: no crash, errors or a policy, and what is written reads back equal.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "vernier/policy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vernier;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)decode_inline(text);
  const ParsedPolicy parsed = parse_policy(text);
  if (parsed.policy.has_value() == !parsed.errors.empty()) std::abort();
  for (const Diagnostic& error : parsed.errors) {
    if (error.text.empty() || error.where.line < 0 || error.where.column < 0) std::abort();
  }
  if (!parsed.policy) return 0;

  (void)lint(*parsed.policy);
  if (!find_overlaps(parsed.policy->rules).empty()) std::abort();
  const std::string written = write_policy(*parsed.policy, WithEvidence::yes);
  const ParsedPolicy again = parse_policy(written);
  if (written.size() <= kMaxPolicyBytes) {
    if (!again.policy || digest(*again.policy) != digest(*parsed.policy)) std::abort();
  }
  for (const Rule& rule : parsed.policy->rules) {
    const DecisionTable table = compile(*parsed.policy, rule.ranks.value_or(4),
                                        rule.nodes.value_or(1), AllGatherChannels::keep);
    for (const std::uint64_t nbytes : {rule.min_bytes, rule.max_bytes}) {
      const Range* const range = table.find(static_cast<int>(rule.collective), nbytes);
      if (range == nullptr || &parsed.policy->rules[range->rule] != &rule) std::abort();
    }
  }
  return 0;
}
