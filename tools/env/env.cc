// SPDX-License-Identifier: Apache-2.0
#include "tools/env/env.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "tools/common/output.hpp"
#include "tools/policy/policy_file.hpp"
#include "tools/policy/report.hpp"

namespace vernier {
namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

// For a POSIX shell; bare where that is safe, so that it survives an unquoted $(...) too.
std::string quoted(const std::string& text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-+=.,:/@%").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return text;
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

std::string text_for_sh(const Variables& variables) {
  std::string text;
  for (const auto& [name, value] : variables) {
    text += fmt::format("{}export {}={}", text.empty() ? "" : "\n", name, quoted(value));
  }
  return text;
}

// `path`: of the policy file; empty when it is inline.
std::string text_for_docker(const Variables& variables, const std::string& path) {
  std::string text;
  if (!path.empty())
    text = fmt::format("--ipc=host -v {} ", quoted(fmt::format("{0}:{0}:ro", path)));
  for (const auto& [name, value] : variables) {
    text += fmt::format("-e {} ", quoted(fmt::format("{}={}", name, value)));
  }
  text.pop_back();
  return text;
}

}  // namespace

ExitCode print_env(const EnvOptions& options) {
  const PolicyFile file = need_policy_file(options.policy, options.json);
  if (!file.parsed.policy) return ExitCode::could_not_look;
  const Policy& policy = *file.parsed.policy;
  std::string path;
  std::string value;
  const bool has_path = options.policy != "-" && !options.policy.starts_with(kInlinePrefix);
  if (options.inline_policy || !has_path) {
    const auto encoded = encode_inline(policy);
    if (!encoded) {
      report_error(file.origin,
                   fmt::format("too large for an inline: value; allowed: {} bytes of base64",
                               kMaxInlineBytes),
                   options.json);
      return ExitCode::findings;
    }
    value = *encoded;
  } else {
    path = std::filesystem::absolute(options.policy).lexically_normal().string();
    value = path;
  }
  Variables variables{{"NCCL_TUNER_PLUGIN", options.plugin}, {"NCCL_VERNIER_POLICY", value}};
  variables.insert(variables.end(), policy.environment.begin(), policy.environment.end());
  if (options.json) {
    Json document{{"file", file.origin}, {"ok", true}, {"digest", digest(policy)}};
    for (const auto& [name, text] : variables) document["variables"][name] = text;
    print_json(document);
  } else {
    print_result(options.format == "sh" ? text_for_sh(variables)
                                        : text_for_docker(variables, path));
  }
  return ExitCode::fine;
}

}  // namespace vernier
