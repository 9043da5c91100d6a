// SPDX-License-Identifier: Apache-2.0
//
// vernier policy import: the CSV of NCCL's example tuner to a policy.
#include <fmt/format.h>

#include "policy/nccl_csv.hpp"
#include "tools/common/input.hpp"
#include "tools/common/output.hpp"
#include "tools/common/output_file.hpp"
#include "tools/policy/commands.hpp"
#include "tools/policy/json.hpp"
#include "tools/policy/report.hpp"
#include "tools/policy/rule_text.hpp"

namespace vernier {
namespace {

std::vector<int> lines_not_converted(const Diagnostics& findings) {
  std::vector<int> lines;
  for (const Diagnostic& one : findings) {
    const bool error = one.severity == Diagnostic::Severity::error;
    if (error && (lines.empty() || lines.back() != one.where.line)) lines.push_back(one.where.line);
  }
  return lines;
}

// A reader of the policy has to see that it is not the whole CSV.
std::string policy_text(const Policy& policy, const std::vector<int>& missing) {
  std::string text = "# Converted from a CSV of NCCL's example tuner.\n";
  if (!missing.empty()) {
    text += "# Lines of it that could NOT be converted (vernier policy import says why):\n";
    for (const int line : missing) text += fmt::format("#   line {}\n", line);
  }
  return text + write_policy(policy, WithEvidence::yes);
}

void print_as_json(const ImportOptions& options, const Input& input, const Policy& policy,
                   const Diagnostics& findings, const std::string& text) {
  Json document = {{"file", input.origin},
                   {"ok", lines_not_converted(findings).empty()},
                   {"rules", policy.rules.size()},
                   {"digest", digest(policy)},
                   {"not_converted", lines_not_converted(findings)},
                   {"diagnostics", to_json(findings)}};
  if (options.output == "-") {
    document["policy"] = text;
  } else {
    document["output"] = options.output;
  }
  print_json(document);
}

}  // namespace

ExitCode import_csv(const ImportOptions& options) {
  Input input = read_input(options.file, kMaxPolicyBytes);
  if (input.text.size() > kMaxPolicyBytes) {
    input.problem = fmt::format("more than the {} bytes that are allowed", kMaxPolicyBytes);
  }
  if (!input.problem.empty()) {
    report_error(input.origin, input.problem, options.json);
    return ExitCode::could_not_look;
  }

  CsvImport csv = import_nccl_csv(input.text);
  const std::vector<int> missing = lines_not_converted(csv.findings);
  Policy policy;
  policy.name = options.name;
  policy.rules = std::move(csv.rules);
  const std::string text = policy_text(policy, missing);
  if (!options.json || options.output != "-") {
    const std::string problem = write_output(options.output, text);
    if (!problem.empty()) {
      report_error(options.output, problem, options.json);
      return ExitCode::could_not_look;
    }
  }
  if (options.json) {
    print_as_json(options, input, policy, csv.findings, text);
  } else {
    for (const Diagnostic& one : csv.findings) print_talk(to_string(one, input.origin));
    print_talk(fmt::format("{}: {}, {} not converted", input.origin,
                           count_of(std::ssize(policy.rules), "rule"),
                           count_of(std::ssize(missing), "row")));
  }
  return missing.empty() ? ExitCode::fine : ExitCode::findings;
}

}  // namespace vernier
