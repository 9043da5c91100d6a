// SPDX-License-Identifier: Apache-2.0
#include "tools/policy/policy_file.hpp"

#include <fmt/format.h>

#include "tools/common/input.hpp"
#include "tools/policy/report.hpp"

namespace vernier {
namespace {

ParsedPolicy fail(std::string text) {
  return {std::nullopt, {{Diagnostic::Severity::error, {}, std::move(text)}}};
}

}  // namespace

PolicyFile read_policy_file(const std::string& argument) {
  if (argument.starts_with(kInlinePrefix)) {
    const auto text = decode_inline(std::string_view(argument).substr(kInlinePrefix.size()));
    if (text) return {"inline", true, parse_policy(*text)};
    return {"inline", true,
            fail(fmt::format("what follows \"inline:\" is not base64 of at most {} bytes",
                             kMaxInlineBytes))};
  }
  Input input = read_input(argument, kMaxPolicyBytes);
  if (!input.problem.empty()) return {input.origin, false, fail(std::move(input.problem))};
  return {input.origin, true, parse_policy(input.text)};
}

PolicyFile need_policy_file(const std::string& argument, bool json) {
  PolicyFile file = read_policy_file(argument);
  if (!file.parsed.policy) report_errors(file.origin, file.parsed.errors, json);
  return file;
}

}  // namespace vernier
