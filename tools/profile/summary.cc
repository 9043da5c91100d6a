// SPDX-License-Identifier: Apache-2.0
//
// vernier profile summary: what a job sent to NCCL, and what a policy could do about it.
#include <fmt/format.h>

#include <set>

#include "tools/common/json_members.hpp"
#include "tools/common/output.hpp"
#include "tools/common/table.hpp"
#include "tools/profile/commands.hpp"
#include "vernier/policy.hpp"

namespace vernier::profile {
namespace {

std::string range_text(const Range& range) {
  return range.least == range.most ? fmt::to_string(range.most)
                                   : fmt::format("{}..{}", range.least, range.most);
}

std::string shape_text(const Row& row) {
  return row.ranks == 0 ? "?" : fmt::format("{}x{}", row.nodes, row.ranks / std::max(row.nodes, 1));
}

std::string table_text(const Traffic& traffic) {
  using enum Table::Align;
  Table table({{"collective", left},
               {"bytes", right},
               {"type", left},
               {"nodes x ranks", left},
               {"from", left},
               {"calls/rank", right},
               {"replays/rank", right},
               {"kernel", left},
               {"channels", right},
               {"policy asked for", left},
               {"and", left}});
  for (const Row& row : traffic.rows) {
    table.add({row.operation, bytes_text(row), row.data_type, shape_text(row),
               row.captured ? "graphs" : "eager", range_text(row.calls),
               row.replayed.most == 0 ? "" : range_text(row.replayed), kernel_text(row),
               row.channels == 0 ? "" : fmt::to_string(row.channels), row.requested, row.reason});
  }
  return table.text();
}

// One sentence.
std::string verdict(const Traffic& traffic) {
  if (traffic.calls == 0) return "Nothing was sent to NCCL.";
  const double share =
      static_cast<double>(traffic.touchable_calls) / static_cast<double>(traffic.calls);
  return fmt::format(
      "A policy could choose the kernel of {:.1f} % of {} calls of all ranks; the rest are "
      "point-to-point, or ran without a kernel of NCCL's choice (one rank, symmetric memory, copy "
      "engine).",
      100 * share, traffic.calls);
}

Json to_json(const Range& range) { return Json::array({range.least, range.most}); }

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json to_json(const LoadedJob& loaded) {
  Json rows = Json::array();
  for (const Row& row : loaded.traffic.rows) {
    rows.push_back({{"collective", row.operation},
                    {"bytes", row.nbytes ? Json(*row.nbytes) : Json()},
                    {"bucket", row.bucket},
                    {"data_type", row.data_type},
                    {"ranks", row.ranks},
                    {"nodes", row.nodes},
                    {"captured", row.captured},
                    {"calls_per_rank", to_json(row.calls)},
                    {"replays_per_rank", to_json(row.replayed)},
                    {"processes", row.seen_by},
                    {"algorithm", or_null(row.algorithm)},
                    {"protocol", or_null(row.protocol)},
                    {"channels", row.channels},
                    {"requested", or_null(row.requested)},
                    {"reason", or_null(row.reason)}});
  }
  return {{"processes", loaded.job.profiles.size()},
          {"rows", rows},
          {"warm_up_calls", loaded.traffic.warm_up_calls},
          {"calls", loaded.traffic.calls},
          {"touchable_calls", loaded.traffic.touchable_calls},
          {"dropped", loaded.traffic.dropped},
          {"problems", loaded.job.problems}};
}

std::string head(const LoadedJob& loaded) {
  std::set<std::string> hosts;
  std::set<std::string> releases;
  for (const Profile& profile : loaded.job.profiles) {
    hosts.insert(profile.host);
    releases.insert(profile.nccl.empty() ? "of unknown version" : profile.nccl);
  }
  std::string text =
      fmt::format("processes: {}, hosts: {}, NCCL", loaded.job.profiles.size(), hosts.size());
  for (const std::string& release : releases) text += " " + release;
  return text;
}

}  // namespace

std::string kernel_text(const Row& row) {
  if (row.algorithm.empty()) return "-";
  if (row.protocol.empty()) return row.algorithm == "copy_engine" ? "copy engine" : row.algorithm;
  return row.algorithm + "/" + row.protocol;
}

std::string bytes_text(const Row& row) {
  return row.nbytes ? format_bytes(*row.nbytes) + (row.bucket ? ".." : "") : "?";
}

std::optional<LoadedJob> load_job(const std::string& directory) {
  try {
    LoadedJob loaded{read_job(directory), {}, true};
    loaded.traffic = gather_traffic(loaded.job, directory, loaded.job.problems);
    for (const std::string& problem : loaded.job.problems) {
      print_talk("vernier profile: " + printable(problem) + "; the rest is used");
    }
    loaded.whole = loaded.job.problems.empty();
    return loaded;
  } catch (const Malformed& problem) {
    print_talk(std::string("vernier profile: error: ") + printable(problem.what()));
    return std::nullopt;
  }
}

ExitCode print_summary(const SummaryOptions& options) {
  const auto loaded = load_job(options.directory);
  if (!loaded) return ExitCode::could_not_look;
  const ExitCode code = loaded->whole ? ExitCode::fine : ExitCode::findings;
  if (options.json) {
    print_json(to_json(*loaded));
    return code;
  }
  print_result(head(*loaded));
  if (!loaded->traffic.rows.empty()) print_result("\n" + table_text(loaded->traffic) + "\n");
  if (loaded->traffic.warm_up_calls > 0) {
    print_result(fmt::format("Left out: allreduces of one element, as warm-up: {}.",
                             loaded->traffic.warm_up_calls));
  }
  if (loaded->traffic.dropped > 0) {
    print_result(fmt::format("Not counted, for want of room: {} events.", loaded->traffic.dropped));
  }
  print_result(verdict(loaded->traffic));
  return code;
}

}  // namespace vernier::profile
