// SPDX-License-Identifier: Apache-2.0
//
// vernier workload: what a model makes an engine send, and who carries it.
#include "tools/workload/print_workload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "tools/common/json_members.hpp"
#include "tools/common/table.hpp"
#include "tools/workload/routes.hpp"
#include "tools/workload/traffic_format.hpp"
#include "vernier/policy.hpp"

namespace vernier::workload {
namespace {

// Steps that follow each other, and make the same calls but for their sizes.
struct Range {
  Call first;
  std::uint64_t last_nbytes;
  std::uint64_t first_tokens, last_tokens;
  std::size_t last_step;
};

bool same_kind(const Call& a, const Call& b) {
  return a.label == b.label && a.collective == b.collective && a.calls == b.calls &&
         a.captured == b.captured && a.backend == b.backend;
}

std::vector<Range> ranges_of(const Workload& workload) {
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < workload.steps.size(); ++i) {
    const Step& step = workload.steps[i];
    for (const Call& call : step.calls) {
      const auto before = std::find_if(ranges.begin(), ranges.end(), [&](const Range& range) {
        return range.last_step + 1 == i && same_kind(range.first, call);
      });
      if (before == ranges.end()) {
        ranges.push_back({call, call.nbytes, step.tokens, step.tokens, i});
      } else {
        before->last_nbytes = call.nbytes;
        before->last_tokens = step.tokens;
        before->last_step = i;
      }
    }
  }
  return ranges;
}

std::string span(const std::string& first, const std::string& last) {
  return first == last ? first : first + ".." + last;
}

std::string table_text(const std::vector<Range>& ranges, bool nccl) {
  using enum Table::Align;
  std::vector<Table::Column> columns{{"what", left}, {"collective", left},    {"ranks", right},
                                     {"from", left}, {"calls a step", right}, {"tokens", left},
                                     {"bytes", left}};
  if (!nccl) columns.push_back({"goes to", left});
  Table table(columns);
  for (const Range& range : ranges) {
    const Call& call = range.first;
    if (call.reaches_nccl() != nccl) continue;
    std::vector<std::string> row{
        call.label,
        std::string(name_of(call.collective)),
        fmt::to_string(call.ranks),
        call.captured ? "graphs" : "eager",
        fmt::to_string(call.calls),
        span(fmt::to_string(range.first_tokens), fmt::to_string(range.last_tokens)),
        span(format_bytes(call.nbytes), format_bytes(range.last_nbytes))};
    if (!nccl) row.push_back(call.backend);
    table.add(std::move(row));
  }
  return table.text();
}

// Where the limits of those backends are from.
void print_sources(const std::set<std::string>& backends) {
  std::set<std::string> lines;
  for (const Route& route : route_table()) {
    if (backends.contains(std::string(route.backend))) {
      lines.insert(fmt::format("  {}: {}", route.backend, route.source));
    }
  }
  for (const std::string& line : lines) print_result(line);
}

void print_text(const Workload& workload) {
  const std::vector<Range> ranges = ranges_of(workload);
  std::set<std::string> backends;
  for (const Range& range : ranges) backends.insert(range.first.backend);
  print_result(workload.source);
  for (const std::string& sentence : workload.assumed) print_result("Assumed: " + sentence + ".");
  if (backends.contains(std::string(kNccl))) {
    print_result("\nReaches NCCL:\n\n" + table_text(ranges, true));
  }
  backends.erase(std::string(kNccl));
  if (!backends.empty()) {
    print_result("\nDoes not reach NCCL, as far as is known:\n\n" + table_text(ranges, false) +
                 "\n");
    print_sources(backends);
  }
  print_result("\n" + verdict(workload));
}

}  // namespace

ExitCode print_workload(const PrintOptions& options) {
  try {
    const Workload workload =
        make_workload(read_model_file(options.model_config), options.deployment);
    if (options.json) {
      print_json(to_json(workload));
    } else {
      print_text(workload);
    }
    return ExitCode::fine;
  } catch (const Malformed& problem) {
    print_talk(std::string("vernier workload: error: ") + problem.what());
    return ExitCode::could_not_look;
  }
}

}  // namespace vernier::workload
