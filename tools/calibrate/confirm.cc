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
constexpr double kDoubtfulBelow = 1.0;

using Launches = std::map<int, LaunchPairs>;  // by number

std::map<Point, Launches> launches_of(const Recording& recording, const std::string& digest) {
  std::map<Point, Launches> all;
  for (const SampleRecord& record : recording.samples) {
    if (record.phase != Phase::confirm || record.policy != digest) continue;
    add_pairs(record, kPolicyArm, all[record.point][record.launch]);
  }
  return all;
}

RatioInterval interval(Launches::const_iterator from, Launches::const_iterator to) {
  std::vector<LaunchPairs> pairs;
  for (auto at = from; at != to; ++at) pairs.push_back(at->second);
  return ratio_interval(pairs);
}

}  // namespace

std::vector<Point> held_out_points(const Policy& policy, const std::vector<JudgedPoint>& judged,
                                   int ranks, std::uint32_t element_bytes) {
  std::vector<Point> points;
  const auto is_new = [&](const Point& point) {
    return find_point(judged, point) == nullptr &&
           std::find(points.begin(), points.end(), point) == points.end();
  };
  for (const Rule& rule : policy.rules) {
    const double low = std::log(static_cast<double>(std::max<std::uint64_t>(rule.min_bytes, 1)));
    const double high = std::log(static_cast<double>(rule.max_bytes));
    const auto unit_bytes =
        static_cast<std::uint32_t>(rule.alignment.value_or(static_cast<int>(element_bytes)));
    const std::size_t before = points.size();
    for (const double share : {0.3, 0.7}) {
      const auto nbytes = static_cast<std::uint64_t>(std::exp(low + share * (high - low)));
      const Point point{rule.collective, whole_bytes(rule.collective, nbytes, ranks, unit_bytes)};
      if (covers(rule, point) && is_new(point)) points.push_back(point);
    }
    if (points.size() > before) continue;
    Point first{rule.collective, whole_bytes(rule.collective, rule.min_bytes, ranks, unit_bytes)};
    if (first.nbytes < rule.min_bytes) {
      const std::uint64_t next =
          rule.min_bytes + std::uint64_t{unit_bytes} * static_cast<unsigned>(ranks);
      first.nbytes = whole_bytes(rule.collective, next, ranks, unit_bytes);
    }
    if (covers(rule, first)) points.push_back(first);
  }
  return points;
}

std::vector<Point> doubtful_points(const Recording& recording, const std::string& digest) {
  std::vector<Point> points;
  for (const auto& [point, launches] : launches_of(recording, digest)) {
    if (launches.size() < kConfirmLaunches) continue;
    const auto looked = std::next(launches.begin(), kConfirmLaunches);
    if (interval(launches.begin(), looked).ratio < kDoubtfulBelow) points.push_back(point);
  }
  return points;
}

std::vector<ConfirmedPoint> confirmed_points(const Recording& recording,
                                             const std::string& digest) {
  std::vector<ConfirmedPoint> points;
  for (const auto& [point, launches] : launches_of(recording, digest)) {
    if (launches.size() < kConfirmLaunches) continue;
    const auto looked = std::next(launches.begin(), kConfirmLaunches);
    const bool again = launches.size() >= kConfirmLaunches + kSecondLookLaunches;
    const RatioInterval first_look = interval(launches.begin(), looked);
    points.push_back(
        {point, again ? interval(looked, launches.end()) : first_look, first_look.ratio});
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
