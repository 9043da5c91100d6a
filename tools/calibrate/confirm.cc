// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/confirm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

constexpr double kLosesBelow = 0.99;

bool covers(const Rule& rule, const Point& point) {
  return rule.collective == point.collective && rule.min_bytes <= point.nbytes &&
         point.nbytes <= rule.max_bytes;
}

}  // namespace

std::vector<Point> held_out_points(const Policy& policy, const std::vector<JudgedPoint>& judged,
                                   int ranks, std::uint32_t element_bytes) {
  std::vector<Point> points;
  const auto is_new = [&](const Point& point) {
    return std::none_of(judged.begin(), judged.end(),
                        [&](const JudgedPoint& j) { return j.point == point; }) &&
           std::find(points.begin(), points.end(), point) == points.end();
  };
  for (const Rule& rule : policy.rules) {
    const double low = std::log(static_cast<double>(std::max<std::uint64_t>(rule.min_bytes, 1)));
    const double high = std::log(static_cast<double>(rule.max_bytes));
    const std::size_t before = points.size();
    for (const double share : {0.3, 0.7}) {
      const auto nbytes = static_cast<std::uint64_t>(std::exp(low + share * (high - low)));
      const Point point{rule.collective,
                        whole_bytes(rule.collective, nbytes, ranks, element_bytes)};
      if (covers(rule, point) && is_new(point)) points.push_back(point);
    }
    if (points.size() > before) continue;
    const Point first{rule.collective,
                      whole_bytes(rule.collective, rule.min_bytes, ranks, element_bytes)};
    if (covers(rule, first)) points.push_back(first);
  }
  return points;
}

std::vector<ConfirmedPoint> confirmed_points(const Recording& recording,
                                             const std::string& digest) {
  std::map<Point, std::map<int, LaunchPairs>> all;
  for (const SampleRecord& record : recording.samples) {
    if (record.phase != Phase::confirm || record.policy != digest) continue;
    add_pairs(record, kPolicyArm, all[record.point][record.launch]);
  }
  std::vector<ConfirmedPoint> points;
  for (const auto& [point, launches] : all) {
    std::vector<LaunchPairs> pairs;
    if (launches.size() < static_cast<std::size_t>(kConfirmLaunches)) continue;
    for (const auto& [launch, of_launch] : launches) pairs.push_back(of_launch);
    points.push_back({point, ratio_interval(pairs)});
  }
  return points;
}

std::vector<std::string> take_out_losers(std::vector<Rule>& rules,
                                         const std::vector<ConfirmedPoint>& points) {
  std::vector<std::string> lines;
  std::erase_if(rules, [&](const Rule& rule) {
    for (const ConfirmedPoint& one : points) {
      if (!covers(rule, one.point)) continue;
      if (one.graph.ratio >= kLosesBelow && one.graph.high95 >= 1) continue;
      lines.push_back(
          fmt::format("{} {} to {} with {}: through the plugin {:.3f} times as fast at {}",
                      name_of(rule.collective), format_bytes(rule.min_bytes),
                      format_bytes(rule.max_bytes), format_configuration(configuration_of(rule)),
                      one.graph.ratio, format_bytes(one.point.nbytes)));
      return true;
    }
    return false;
  });
  return lines;
}

}  // namespace vernier::calibrate
