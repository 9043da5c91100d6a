// SPDX-License-Identifier: Apache-2.0
#include "tools/policy/report.hpp"

#include "tools/common/output.hpp"
#include "tools/policy/json.hpp"

namespace vernier {

void report_errors(const std::string& origin, const Diagnostics& errors, bool json) {
  if (json) {
    print_json({{"file", origin}, {"ok", false}, {"diagnostics", to_json(errors)}});
    return;
  }
  for (const Diagnostic& error : errors) print_talk(to_string(error, origin));
}

void report_error(const std::string& origin, std::string problem, bool json) {
  report_errors(origin, {{Diagnostic::Severity::error, {}, std::move(problem)}}, json);
}

}  // namespace vernier
