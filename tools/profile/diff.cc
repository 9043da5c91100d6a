// SPDX-License-Identifier: Apache-2.0
//
// vernier profile diff: what two jobs sent, and how long it took, side by side.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "tools/common/output.hpp"
#include "tools/common/table.hpp"
#include "tools/profile/commands.hpp"

namespace vernier::profile {
namespace {

// One kind of call, whichever kernels run it.
using Kind =
    std::tuple<std::string, std::optional<std::uint64_t>, std::string, bool, int, int, bool>;

struct Side {
  Row row;  // what tells the kind; its numbers are of one of the rows
  std::uint64_t calls = 0;
  std::set<std::string> kernels;
  std::map<std::uint64_t, std::uint64_t> latency_ns;
};

std::map<Kind, Side> sides_of(const Traffic& traffic) {
  std::map<Kind, Side> sides;
  for (const Row& row : traffic.rows) {
    Side& side = sides[{row.operation, row.nbytes, row.data_type, row.bucket, row.ranks, row.nodes,
                        row.captured}];
    side.row = row;
    side.calls += std::max(row.calls.most, row.replayed.most);
    side.kernels.insert(kernel_text(row));
    for (const auto& [lower_ns, count] : row.latency_ns) side.latency_ns[lower_ns] += count;
  }
  return sides;
}

// The median, and between what it lies in 95 of 100 cases: by ranks of the sorted samples, and out
// to the edges of their buckets.
struct Median {
  double us = 0;
  double low_us = 0;
  double high_us = 0;
};

constexpr std::uint64_t kFewest = 20;  // samples, below which nothing is said

std::optional<Median> median_of(const std::map<std::uint64_t, std::uint64_t>& latency_ns) {
  const Latency latency(latency_ns.begin(), latency_ns.end());
  const auto samples = static_cast<double>(samples_of(latency));
  if (samples < static_cast<double>(kFewest)) return std::nullopt;
  const double spread = 0.98 / std::sqrt(samples);
  const double middle_of_bucket = 1 + 1.0 / 32;
  const auto at = [&](double share) {
    return static_cast<double>(percentile_ns(latency, share)) * 1e-3;
  };
  return Median{at(0.5), at(0.5 - spread) / middle_of_bucket,
                at(0.5 + spread) / middle_of_bucket * (1 + 1.0 / 16)};
}

struct Comparison {
  std::optional<Median> baseline;
  std::optional<Median> candidate;
  // Baseline over candidate: above 1 the candidate is faster.
  double ratio = 0;
  double ratio_low = 0;
  double ratio_high = 0;
  std::string verdict;
};

Comparison compare(const Side& baseline, const Side& candidate) {
  Comparison result;
  result.baseline = median_of(baseline.latency_ns);
  result.candidate = median_of(candidate.latency_ns);
  if (!result.baseline || !result.candidate) return result;
  result.ratio = result.baseline->us / result.candidate->us;
  result.ratio_low = result.baseline->low_us / result.candidate->high_us;
  result.ratio_high = result.baseline->high_us / result.candidate->low_us;
  result.verdict = result.ratio_low > 1 ? "faster" : result.ratio_high < 1 ? "slower" : "same";
  return result;
}

std::string median_text(const std::optional<Median>& median) {
  return median ? fmt::format("{:.1f}", median->us) : "";
}

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

Json or_null(const std::optional<Median>& median) {
  if (!median) return {};
  return {{"us", median->us}, {"low_us", median->low_us}, {"high_us", median->high_us}};
}

struct Line {
  Side baseline;
  Side candidate;
  Comparison comparison;
};

std::vector<Line> lines_of(const Traffic& baseline, const Traffic& candidate) {
  auto before = sides_of(baseline);
  auto after = sides_of(candidate);
  std::set<Kind> kinds;
  for (const auto& [kind, side] : before) kinds.insert(kind);
  for (const auto& [kind, side] : after) kinds.insert(kind);
  std::vector<Line> lines;
  for (const Kind& kind : kinds) {
    Line line{before[kind], after[kind], {}};
    line.comparison = compare(line.baseline, line.candidate);
    if (line.baseline.kernels.empty()) line.baseline.row = line.candidate.row;
    lines.push_back(std::move(line));
  }
  return lines;
}

void print_table(const std::vector<Line>& lines) {
  using enum Table::Align;
  Table table({{"collective", left},
               {"bytes", right},
               {"from", left},
               {"calls", right},
               {"calls", right},
               {"kernels", left},
               {"kernels", left},
               {"p50 us", right},
               {"p50 us", right},
               {"ratio", left},
               {"", left}});
  for (const Line& line : lines) {
    const Comparison& both = line.comparison;
    table.add(
        {line.baseline.row.operation, bytes_text(line.baseline.row),
         line.baseline.row.captured ? "graphs" : "eager", fmt::to_string(line.baseline.calls),
         fmt::to_string(line.candidate.calls), joined(line.baseline.kernels),
         line.baseline.kernels == line.candidate.kernels ? "=" : joined(line.candidate.kernels),
         median_text(both.baseline), median_text(both.candidate),
         both.verdict.empty()
             ? ""
             : fmt::format("{:.3f} [{:.3f}, {:.3f}]", both.ratio, both.ratio_low, both.ratio_high),
         both.verdict});
  }
  print_result("Of pairs of columns the first is the baseline.\n\n" + table.text() + "\n");
}

}  // namespace

ExitCode diff_profiles(const DiffOptions& options) {
  const auto baseline = load_job(options.baseline);
  const auto candidate = load_job(options.candidate);
  if (!baseline || !candidate) return ExitCode::could_not_look;
  const std::vector<Line> lines = lines_of(baseline->traffic, candidate->traffic);
  std::map<std::string, int> verdicts;
  Json rows = Json::array();
  for (const Line& line : lines) {
    const Comparison& both = line.comparison;
    ++verdicts[both.verdict];
    rows.push_back(
        {{"collective", line.baseline.row.operation},
         {"bytes", line.baseline.row.nbytes ? Json(*line.baseline.row.nbytes) : Json()},
         {"captured", line.baseline.row.captured},
         {"calls", {line.baseline.calls, line.candidate.calls}},
         {"kernels", {line.baseline.kernels, line.candidate.kernels}},
         {"p50", {or_null(both.baseline), or_null(both.candidate)}},
         {"ratio",
          both.verdict.empty() ? Json() : Json({both.ratio, both.ratio_low, both.ratio_high})},
         {"verdict", both.verdict.empty() ? Json() : Json(both.verdict)}});
  }
  if (options.json) {
    print_json({{"rows", rows}});
  } else {
    print_table(lines);
    print_result(fmt::format(
        "{} faster, {} slower, {} the same, {} with fewer than {} samples on a side. Intervals (95 "
        "%) are "
        "of these two runs: another capture of the same graph alone can differ by more, so repeat "
        "both.",
        verdicts["faster"], verdicts["slower"], verdicts["same"], verdicts[""], kFewest));
  }
  const bool whole = baseline->whole && candidate->whole;
  return verdicts["slower"] > 0 || !whole ? ExitCode::findings : ExitCode::fine;
}

}  // namespace vernier::profile
