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
               {"calls", right},
               {"a graph", right},
               {"replays", right},
               {"kernel", left},
               {"channels", right},
               {"policy asked for", left},
               {"and", left}});
  for (const Row& row : traffic.rows) {
    table.add({row.operation, bytes_text(row), row.data_type, shape_text(row),
               row.captured ? "graphs" : "eager", range_text(row.calls),
               row.calls_per_graph == 0 ? "" : fmt::format("{:.3g}", row.calls_per_graph),
               row.replayed.most == 0 ? "" : range_text(row.replayed), kernel_text(row),
               row.channels == 0 ? "" : fmt::to_string(row.channels), row.requested, row.reason});
  }
  return table.text();
}

// busbw at the median, in GB/s: what nccl-tests calls it. Nothing where the ranks are not known.
std::string busbw_text(const Row& row, std::uint64_t median_ns) {
  if (!row.nbytes || row.bucket || row.ranks < 2 || median_ns == 0) return "";
  const double ranks = row.ranks;
  const double factor = row.operation == "allreduce" ? 2 * (ranks - 1) / ranks
                        : row.operation == "allgather" || row.operation == "reducescatter"
                            ? (ranks - 1) / ranks
                            : 1;
  return fmt::format("{:.1f}",
                     static_cast<double>(*row.nbytes) * factor / static_cast<double>(median_ns));
}

// Of the rows that were timed; empty where none was.
std::string latency_table_text(const Traffic& traffic) {
  using enum Table::Align;
  Table table({{"collective", left},
               {"bytes", right},
               {"from", left},
               {"kernel", left},
               {"channels", right},
               {"samples", right},
               {"p50 us", right},
               {"p90", right},
               {"p99", right},
               {"p99.9", right},
               {"max", right},
               {"busbw GB/s", right},
               {"transfer", right},
               {"wait", right},
               {"share", right},
               {"after a pause", right},
               {"p50", right}});
  bool any = false;
  for (const Row& row : traffic.rows) {
    if (row.latency_ns.empty() && row.after_gap_ns.empty()) continue;
    any = true;
    const auto at = [&row](double share) {
      return row.latency_ns.empty() ? "" : microseconds(percentile_ns(row.latency_ns, share));
    };
    const std::uint64_t paused = samples_of(row.after_gap_ns);
    table.add({row.operation, bytes_text(row), row.captured ? "graphs" : "eager", kernel_text(row),
               row.channels == 0 ? "" : fmt::to_string(row.channels),
               fmt::to_string(samples_of(row.latency_ns)), at(0.5), at(0.9), at(0.99), at(0.999),
               at(1), busbw_text(row, percentile_ns(row.latency_ns, 0.5)),
               row.transfer_ns == 0 ? "" : microseconds(row.transfer_ns),
               row.transfer_ns == 0 ? "" : microseconds(row.wait_ns),
               row.time_share == 0 ? "" : fmt::format("{:.1f} %", 100 * row.time_share),
               paused == 0 ? "" : fmt::to_string(paused),
               paused == 0 ? "" : microseconds(percentile_ns(row.after_gap_ns, 0.5))});
  }
  return any ? table.text() : "";
}

// One sentence.
std::string verdict(const Traffic& traffic) {
  const std::uint64_t told = traffic.calls - traffic.untold_calls;
  if (told == 0) return "Nothing was sent to NCCL.";
  const double share = static_cast<double>(traffic.touchable_calls) / static_cast<double>(told);
  return fmt::format(
      "A policy could choose the kernel of {:.1f} % of {} calls of all ranks; the rest are "
      "point-to-point, or ran without a kernel of NCCL's choice (one rank, symmetric memory, copy "
      "engine).",
      100 * share, told);
}

Json to_json(const Range& range) { return Json::array({range.least, range.most}); }

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

template <typename Number>
Json or_null(Number number) {
  return number == 0 ? Json() : Json(number);
}

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
                    {"calls_per_process", to_json(row.calls)},
                    {"replays_per_process", to_json(row.replayed)},
                    {"processes", row.processes},
                    {"samples", samples_of(row.latency_ns)},
                    {"p50_ns", percentile_ns(row.latency_ns, 0.5)},
                    {"p90_ns", percentile_ns(row.latency_ns, 0.9)},
                    {"p99_ns", percentile_ns(row.latency_ns, 0.99)},
                    {"p99_9_ns", percentile_ns(row.latency_ns, 0.999)},
                    {"samples_after_pause", samples_of(row.after_gap_ns)},
                    {"calls_per_graph", or_null(row.calls_per_graph)},
                    {"estimated_transfer_ns", or_null(row.transfer_ns)},
                    {"estimated_wait_ns", row.transfer_ns == 0 ? Json() : Json(row.wait_ns)},
                    {"time_share", or_null(row.time_share)},
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
          {"untold_calls", loaded.traffic.untold_calls},
          {"dropped", loaded.traffic.dropped},
          {"problems", loaded.job.problems}};
}

void print_lost_samples(const Job& job) {
  std::uint64_t unsampled = 0;
  std::uint64_t mixed = 0;
  std::uint64_t torn = 0;
  std::uint64_t kernels = 0;
  for (const Profile& profile : job.profiles) {
    unsampled += profile.unsampled;
    mixed += profile.mixed_samples;
    torn += profile.torn_samples;
    kernels += profile.untimed_kernels;
  }
  if (unsampled + mixed + torn + kernels == 0) return;
  print_result(fmt::format(
      "Not timed, for want of room: {} launches; of several calls at once: {}; overtaken by a "
      "replay: {} readings; without sound times: {} kernels.",
      unsampled, mixed, torn, kernels));
}

// Some GPUs' timers stand still for a microsecond at a time.
void print_coarse_timer(const Job& job) {
  constexpr std::uint64_t kFineNs = 100;
  std::uint64_t tick_ns = 0;
  for (const Profile& profile : job.profiles) tick_ns = std::max(tick_ns, profile.timer_tick_ns);
  if (tick_ns <= kFineNs) return;
  print_result(fmt::format("The GPU's timer advances by {} us: single times are no finer.",
                           microseconds(tick_ns)));
}

std::string head(const LoadedJob& loaded) {
  std::set<std::string> hosts;
  std::set<std::string> releases;
  std::set<std::string> modes;
  for (const Profile& profile : loaded.job.profiles) {
    hosts.insert(profile.host);
    modes.insert(profile.mode);
    releases.insert(profile.nccl.empty() ? "of unknown version" : profile.nccl);
  }
  std::string text =
      fmt::format("processes: {}, hosts: {}, NCCL", loaded.job.profiles.size(), hosts.size());
  for (const std::string& release : releases) text += " " + printable(release);
  text += "; mode";
  for (const std::string& mode : modes) text += " " + printable(mode);
  return text;
}

}  // namespace

std::string microseconds(std::uint64_t time_ns) {
  return fmt::format("{:.1f}", static_cast<double>(time_ns) * 1e-3);
}

std::string kernel_text(const Row& row) {
  if (row.algorithm.empty()) return "-";
  if (row.protocol.empty()) return row.algorithm == "copy_engine" ? "copy engine" : row.algorithm;
  return row.algorithm + "/" + row.protocol;
}

std::string bytes_text(const Row& row) {
  return row.nbytes ? format_bytes(*row.nbytes) + (row.bucket ? ".." : "") : "?";
}

std::optional<LoadedJob> load_job(const std::string& directory, WithRaw raw) {
  try {
    LoadedJob loaded{read_job(directory, raw), {}, true};
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
  if (const std::string latencies = latency_table_text(loaded->traffic); !latencies.empty()) {
    print_result(
        "GPU time in us of what was timed, waiting for slower ranks included; after a pause a "
        "launch waits longest.\n"
        "transfer and wait are estimates, of operations of graphs that were timed on all ranks: "
        "the least median of a rank,\n"
        "and what the slowest rank's has more. share is of the time of rows whose executions are "
        "known.\n\n" +
        latencies + "\n");
  }
  if (loaded->traffic.untold_calls > 0) {
    print_result(
        fmt::format("Left out: broadcasts of which NCCL 2.29 and later tells no kernel: {}.",
                    loaded->traffic.untold_calls));
  }
  print_coarse_timer(loaded->job);
  print_lost_samples(loaded->job);
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
