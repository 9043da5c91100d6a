// SPDX-License-Identifier: Apache-2.0
//
// vernier policy export: a policy for NCCL's example tuner, or for an environment variable.
#include <fmt/format.h>

#include <algorithm>

#include "policy/nccl_csv.hpp"
#include "tools/common/output.hpp"
#include "tools/common/output_file.hpp"
#include "tools/policy/commands.hpp"
#include "tools/policy/policy_file.hpp"
#include "tools/policy/report.hpp"
#include "tools/policy/rule_text.hpp"

namespace vernier {
namespace {

// What a reader of the CSV would do that the policy does not.
std::vector<std::string> lost_in_csv(const Policy& policy) {
  std::vector<std::string> lost;
  if (policy.gpu) lost.push_back("[match] gpu: the rows hold on every GPU");
  if (policy.nccl) lost.push_back("[match] nccl: the rows hold for every NCCL");
  if (!policy.environment.empty()) {
    lost.push_back("[environment]: the rows hold whatever is set");
  }
  const auto add = [&](std::string_view what, auto concerned, std::string_view consequence) {
    const auto count = std::count_if(policy.rules.begin(), policy.rules.end(), concerned);
    if (count == 0) return;
    lost.push_back(fmt::format("{} of {}{}", what, count_of(count, "rule"), consequence));
  };
  add(
      "instead_of", [](const Rule& rule) { return rule.instead_of.has_value(); },
      ": the rows hold whatever NCCL's own choice is");
  add(
      "alignment", [](const Rule& rule) { return rule.alignment.has_value(); },
      ": the rows hold for parts of any size");
  add(
      "NCCL's number of channels", [](const Rule& rule) { return !rule.channels; },
      ": NCCL's example tuner sets 1 channel for -1");
  add(
      "evidence", [](const Rule& rule) { return rule.evidence.has_value(); }, "");
  lost.push_back("NCCL's number of channels where no row matches: NCCL's example tuner sets 1");
  return lost;
}

// Absent when the policy is too large for the format.
std::optional<std::string> convert(const Policy& policy, const std::string& format) {
  if (format == "csv") return export_nccl_csv(policy);
  auto line = encode_inline(policy);
  if (line) *line += '\n';
  return line;
}

void report(const ExportOptions& options, const PolicyFile& file, const std::string& text) {
  const Policy& policy = *file.parsed.policy;
  const auto lost = options.format == "csv" ? lost_in_csv(policy) : std::vector<std::string>();
  if (!options.json) {
    for (const std::string& one : lost) {
      print_talk(fmt::format("{}: not carried: {}", file.origin, one));
    }
    return;
  }
  Json document = {{"file", file.origin},
                   {"ok", true},
                   {"format", options.format},
                   {"digest", digest(policy)},
                   {"lost", lost}};
  if (options.output == "-") {
    document["text"] = text;
  } else {
    document["output"] = options.output;
  }
  print_json(document);
}

}  // namespace

ExitCode export_policy(const ExportOptions& options) {
  const PolicyFile file = need_policy_file(options.file, options.json);
  if (!file.parsed.policy) return ExitCode::could_not_look;
  const auto text = convert(*file.parsed.policy, options.format);
  if (!text) {
    report_error(
        file.origin,
        fmt::format("too large for an inline: value; allowed: {} bytes of base64", kMaxInlineBytes),
        options.json);
    return ExitCode::findings;
  }
  if (!options.json || options.output != "-") {
    const std::string problem = write_output(options.output, *text);
    if (!problem.empty()) {
      report_error(options.output, problem, options.json);
      return ExitCode::could_not_look;
    }
  }
  report(options, file, *text);
  return ExitCode::fine;
}

}  // namespace vernier
