// SPDX-License-Identifier: Apache-2.0
//
// vernier profile top: what is sent to NCCL right now.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>
#include <tuple>

#include "tools/common/output.hpp"
#include "tools/common/table.hpp"
#include "tools/profile/commands.hpp"

namespace vernier::profile {
namespace {

constexpr std::size_t kMaxLines = 30;

// What tells rows apart, as it is shown.
std::vector<std::string> cells_of(const Row& row) {
  return {row.operation,    bytes_text(row),
          row.data_type,    row.captured ? "graphs" : "eager",
          kernel_text(row), row.channels == 0 ? "" : fmt::to_string(row.channels)};
}

struct Seen {
  std::uint64_t ran = 0;                         // calls and replays of the busiest process so far
  std::map<std::uint64_t, std::uint64_t> times;  // samples by bucket, as in Latency
};

std::map<std::vector<std::string>, Seen> seen_of(const Traffic& traffic) {
  std::map<std::vector<std::string>, Seen> all;
  for (const Row& row : traffic.rows) {
    Seen& seen = all[cells_of(row)];
    seen.ran += row.calls.most + row.replayed.most;
    for (const Latency* const latency : {&row.latency_ns, &row.after_gap_ns}) {
      for (const auto& [lower_ns, samples] : *latency) seen.times[lower_ns] += samples;
    }
  }
  return all;
}

struct Busy {
  double rate = 0;  // a second and process
  Latency times;    // of what was timed meanwhile
  std::vector<std::string> cells;
};

Busy difference(const Seen& now, const Seen& before, double elapsed_s,
                const std::vector<std::string>& cells) {
  Busy busy{static_cast<double>(now.ran - std::min(now.ran, before.ran)) / elapsed_s, {}, cells};
  for (const auto& [lower_ns, samples] : now.times) {
    const auto older = before.times.find(lower_ns);
    const std::uint64_t known = older == before.times.end() ? 0 : older->second;
    if (samples > known) busy.times.emplace_back(lower_ns, samples - known);
  }
  return busy;
}

}  // namespace

ExitCode show_top(const TopOptions& options) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  std::map<std::vector<std::string>, Seen> before;
  auto before_at = std::chrono::steady_clock::now();
  for (int round = 0; options.rounds == 0 || round <= options.rounds; ++round) {
    const auto loaded = load_job(options.directory);
    if (!loaded) return ExitCode::could_not_look;
    auto now = seen_of(loaded->traffic);
    const auto now_at = std::chrono::steady_clock::now();
    const double elapsed_s = std::chrono::duration<double>(now_at - before_at).count();
    if (round > 0) {
      std::vector<Busy> busy;
      for (const auto& [cells, seen] : now) {
        busy.push_back(difference(seen, before[cells], elapsed_s, cells));
        if (busy.back().rate == 0 && busy.back().times.empty()) busy.pop_back();
      }
      std::sort(busy.begin(), busy.end(), [](const Busy& one, const Busy& other) {
        return std::tie(other.rate, one.cells) < std::tie(one.rate, other.cells);
      });
      if (busy.size() > kMaxLines) busy.resize(kMaxLines);
      using enum Table::Align;
      Table table({{"collective", left},
                   {"bytes", right},
                   {"type", left},
                   {"from", left},
                   {"kernel", left},
                   {"channels", right},
                   {"calls/s and process", right},
                   {"p50 us", right},
                   {"p99", right}});
      for (Busy& one : busy) {
        // Replays inside one node are not told: times without calls.
        one.cells.push_back(one.rate == 0 ? "" : fmt::format("{:.1f}", one.rate));
        for (const double share : {0.5, 0.99}) {
          one.cells.push_back(one.times.empty() ? ""
                                                : microseconds(percentile_ns(one.times, share)));
        }
        table.add(std::move(one.cells));
      }
      print_result((terminal ? "\x1b[H\x1b[2J" : "") +
                   (busy.empty() ? std::string("nothing was sent to NCCL") : table.text()) + "\n");
      (void)flush_results();
    }
    before = std::move(now);
    before_at = now_at;
    if (options.rounds == 0 || round < options.rounds) {
      std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
    }
  }
  return ExitCode::fine;
}

}  // namespace vernier::profile
