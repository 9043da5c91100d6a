// SPDX-License-Identifier: Apache-2.0
//
// vernier profile top: what is sent to NCCL right now.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

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

// Calls and replays of the busiest process so far.
std::map<std::vector<std::string>, std::uint64_t> counts_of(const Traffic& traffic) {
  std::map<std::vector<std::string>, std::uint64_t> counts;
  for (const Row& row : traffic.rows) counts[cells_of(row)] += row.calls.most + row.replayed.most;
  return counts;
}

}  // namespace

ExitCode show_top(const TopOptions& options) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  std::map<std::vector<std::string>, std::uint64_t> before;
  auto before_at = std::chrono::steady_clock::now();
  for (int round = 0; options.rounds == 0 || round <= options.rounds; ++round) {
    const auto loaded = load_job(options.directory);
    if (!loaded) return ExitCode::could_not_look;
    auto now = counts_of(loaded->traffic);
    const auto now_at = std::chrono::steady_clock::now();
    const double elapsed_s = std::chrono::duration<double>(now_at - before_at).count();
    if (round > 0) {
      std::vector<std::pair<double, std::vector<std::string>>> busy;
      for (const auto& [cells, count] : now) {
        const std::uint64_t fresh = count - std::min(count, before[cells]);
        if (fresh > 0) busy.emplace_back(static_cast<double>(fresh) / elapsed_s, cells);
      }
      std::sort(busy.rbegin(), busy.rend());
      if (busy.size() > kMaxLines) busy.resize(kMaxLines);
      using enum Table::Align;
      Table table({{"collective", left},
                   {"bytes", right},
                   {"type", left},
                   {"from", left},
                   {"kernel", left},
                   {"channels", right},
                   {"calls/s and process", right}});
      for (auto& [rate, cells] : busy) {
        cells.push_back(fmt::format("{:.1f}", rate));
        table.add(std::move(cells));
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
