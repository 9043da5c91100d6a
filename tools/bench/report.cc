// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>

#include "tools/bench/bench.hpp"
#include "tools/common/table.hpp"
#include "vernier/policy.hpp"

namespace vernier::bench {
namespace {

std::string us(double value) { return value > 0 ? fmt::format("{:.2f}", value) : ""; }

std::string interval(const calibrate::RatioInterval& ratio) {
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", ratio.ratio, ratio.low95, ratio.high95);
}

// Of rows with a rule.
std::string closing_line(const Section& section) {
  if (!section.problem.empty()) {
    return fmt::format("Bundle {} cannot be used: {}", section.arm, section.problem);
  }
  const std::vector<Row>& rows = section.rows;
  double log_sum = 0;
  int ruled = 0;
  int regressions = 0;
  for (const Row& row : rows) {
    if (row.verdict == Verdict::regression) ++regressions;
    if (!row.differs) continue;
    ++ruled;
    log_sum += std::log(row.ratio.ratio);
  }
  if (ruled == 0) return fmt::format("The policy says nothing of these {} calls.", rows.size());
  if (!section.by_rules) {
    return fmt::format(
        "{} is {:.3f} times as fast as NCCL's own choice without it (geometric mean); {} of {} "
        "sizes regress.",
        section.arm, std::exp(log_sum / ruled), regressions, rows.size());
  }
  return fmt::format(
      "At the {} sizes with a rule the policy is {:.3f} times as fast (geometric mean); {} of {} "
      "sizes regress.",
      ruled, std::exp(log_sum / ruled), regressions, rows.size());
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::faster: return "faster";
    case Verdict::same: return "same";
    case Verdict::regression: return "REGRESSION";
  }
  return "";
}

Bandwidth bandwidth(const calibrate::Point& point, int ranks, double us) {
  if (us <= 0) return {};
  const double algorithm = static_cast<double>(point.nbytes) / us * 1e-3;
  const double others = static_cast<double>(ranks - 1) / ranks;
  switch (point.collective) {
    case Collective::allreduce: return {algorithm, algorithm * 2 * others};
    case Collective::allgather:
    case Collective::reducescatter: return {algorithm, algorithm * others};
    case Collective::broadcast:
    case Collective::reduce: return {algorithm, algorithm};
  }
  return {};
}

std::string text_of(const Section& section, const Options& options, int ranks) {
  using enum Table::Align;
  if (!section.problem.empty()) return closing_line(section);
  const std::vector<Row>& rows = section.rows;
  const bool compares = !options.compare.empty();
  Table table({{"collective", left},
               {"size B", right},
               {"count", right},
               {"time us", right},
               {"algbw GB/s", right},
               {"busbw", right},
               {"p99 us", right},
               {section.arm + ": time us", right},
               {"algbw", right},
               {"busbw", right},
               {"p99 us", right},
               {"times as fast", left},
               {"", left},
               {compares ? "nccl-tests us" : "", right}});
  for (const Row& row : rows) {
    const Bandwidth own = bandwidth(row.point, ranks, row.own.p50_us);
    const Bandwidth tuned = bandwidth(row.point, ranks, row.tuned.p50_us);
    table.add({std::string(vernier::name_of(row.point.collective)),
               fmt::to_string(row.point.nbytes), fmt::to_string(row.count), us(row.own.p50_us),
               us(own.algorithm), us(own.bus), us(row.own.p99_us), us(row.tuned.p50_us),
               us(tuned.algorithm), us(tuned.bus), us(row.tuned.p99_us), interval(row.ratio),
               row.differs ? std::string(name_of(row.verdict)) : "no rule", us(row.compared_us)});
  }
  return table.text() + "\n\n" + closing_line(section);
}

std::string csv_of(const std::vector<Section>& sections, int ranks) {
  std::string text =
      "collective,bytes,count,rule,time_us,algbw_gbps,busbw_gbps,p99_us,policy_time_us,"
      "policy_algbw_gbps,policy_busbw_gbps,policy_p99_us,ratio,ratio_low,ratio_high,verdict,"
      "nccl_tests_us,arm\n";
  for (const Section& section : sections) {
    for (const Row& row : section.rows) {
      const Bandwidth own = bandwidth(row.point, ranks, row.own.p50_us);
      const Bandwidth tuned = bandwidth(row.point, ranks, row.tuned.p50_us);
      text += fmt::format(
          "{},{},{},{},{:.3f},{:.4f},{:.4f},{:.3f},{:.3f},{:.4f},{:.4f},{:.3f},{:.4f},{:.4f},"
          "{:.4f},{},{},{}\n",
          vernier::name_of(row.point.collective), row.point.nbytes, row.count, row.differs,
          row.own.p50_us, own.algorithm, own.bus, row.own.p99_us, row.tuned.p50_us, tuned.algorithm,
          tuned.bus, row.tuned.p99_us, row.ratio.ratio, row.ratio.low95, row.ratio.high95,
          name_of(row.verdict), us(row.compared_us), section.arm);
    }
  }
  return text;
}

namespace {

Json rows_json(const std::vector<Row>& rows, int ranks) {
  Json all = Json::array();
  for (const Row& row : rows) {
    const auto arm = [&](const Times& times) {
      const Bandwidth width = bandwidth(row.point, ranks, times.p50_us);
      return Json{{"p50_us", times.p50_us},
                  {"p99_us", times.p99_us},
                  {"algbw_gbps", width.algorithm},
                  {"busbw_gbps", width.bus}};
    };
    all.push_back({{"collective", vernier::name_of(row.point.collective)},
                   {"bytes", row.point.nbytes},
                   {"count", row.count},
                   {"rule", row.differs},
                   {"default", arm(row.own)},
                   {"policy", arm(row.tuned)},
                   {"ratio", row.ratio.ratio},
                   {"ratio_low", row.ratio.low95},
                   {"ratio_high", row.ratio.high95},
                   {"launches", row.ratio.launches},
                   {"verdict", name_of(row.verdict)},
                   {"nccl_tests_us", row.compared_us > 0 ? Json(row.compared_us) : Json()}});
  }
  return all;
}

}  // namespace

Json json_of(const std::vector<Section>& sections, int ranks) {
  Json document{{"vernier_bench", 1}, {"ranks", ranks}};
  for (const Section& section : sections) {
    Json json{{"rows", rows_json(section.rows, ranks)}, {"summary", closing_line(section)}};
    if (section.by_rules) {
      document.update(json);
      continue;
    }
    json["problem"] = section.problem.empty() ? Json() : Json(section.problem);
    document["bundles"][section.arm] = std::move(json);
  }
  return document;
}

}  // namespace vernier::bench
