// SPDX-License-Identifier: Apache-2.0
//
// vernier policy check: errors and warnings of policies.
#include <fmt/format.h>

#include <algorithm>

#include "tools/common/output.hpp"
#include "tools/policy/commands.hpp"
#include "tools/policy/json.hpp"
#include "tools/policy/policy_file.hpp"
#include "tools/policy/rule_text.hpp"

namespace vernier {
namespace {

void report(const PolicyFile& file, const Diagnostics& diagnostics) {
  for (const Diagnostic& one : diagnostics) print_result(to_string(one, file.origin));
  if (!file.parsed.policy) {
    print_result(fmt::format("{}: {}", file.origin, count_of(std::ssize(diagnostics), "error")));
    return;
  }
  print_result(fmt::format("{}: {}, digest {}, 0 errors, {}", file.origin,
                           count_of(std::ssize(file.parsed.policy->rules), "rule"),
                           digest(*file.parsed.policy),
                           count_of(std::ssize(diagnostics), "warning")));
}

void report_json(const PolicyFile& file, const Diagnostics& diagnostics, bool ok) {
  const auto& policy = file.parsed.policy;
  print_json({{"file", file.origin},
              {"ok", ok},
              {"rules", policy ? Json(policy->rules.size()) : Json()},
              {"digest", policy ? Json(digest(*policy)) : Json()},
              {"diagnostics", to_json(diagnostics)}});
}

ExitCode check_one(const std::string& argument, const CheckOptions& options) {
  const PolicyFile file = read_policy_file(argument);
  const auto& policy = file.parsed.policy;
  const Diagnostics diagnostics = policy ? lint(*policy) : file.parsed.errors;
  const bool ok = policy && (diagnostics.empty() || !options.strict);
  if (options.json) {
    report_json(file, diagnostics, ok);
  } else if (file.readable) {
    report(file, diagnostics);
  } else {
    print_talk(to_string(diagnostics.front(), file.origin));
  }
  if (!file.readable) return ExitCode::could_not_look;
  return ok ? ExitCode::fine : ExitCode::findings;
}

}  // namespace

ExitCode check_policies(const CheckOptions& options) {
  ExitCode worst = ExitCode::fine;
  for (const std::string& file : options.files) worst = std::max(worst, check_one(file, options));
  return worst;
}

}  // namespace vernier
