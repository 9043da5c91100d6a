// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

std::uint64_t size_argument(const std::string& text) {
  const std::optional<std::uint64_t> nbytes = parse_bytes(text);
  if (!nbytes || *nbytes == 0 || *nbytes > kLargestBytes) {
    throw std::invalid_argument(fmt::format(
        "\"{}\" is not a size: allowed are 1 to 1GiB, such as 5760 or 64KiB, and ranges such as "
        "1KiB..16MiB",
        text));
  }
  return *nbytes;
}

void add_range(std::vector<std::uint64_t>& sizes, std::uint64_t first, std::uint64_t last) {
  if (first > last) throw std::invalid_argument("a range of sizes begins with the smaller one");
  for (std::uint64_t size = first; size <= last; size *= 2) sizes.push_back(size);
  if (sizes.back() != last) sizes.push_back(last);
}

}  // namespace

std::vector<std::uint64_t> parse_sizes(const std::string& text) {
  std::vector<std::uint64_t> sizes;
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    const std::string item = text.substr(start, comma - start);
    const std::size_t dots = item.find("..");
    if (dots == std::string::npos) {
      sizes.push_back(size_argument(item));
    } else {
      add_range(sizes, size_argument(item.substr(0, dots)), size_argument(item.substr(dots + 2)));
    }
    start = comma + 1;
  }
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

std::vector<Point> make_points(const std::vector<Collective>& collectives,
                               const std::vector<std::uint64_t>& sizes, int ranks,
                               std::uint32_t element_bytes) {
  std::vector<Point> points;
  for (const Collective collective : collectives) {
    for (const std::uint64_t size : sizes) {
      const Point point{collective, whole_bytes(collective, size, ranks, element_bytes)};
      if (point.nbytes > 0) points.push_back(point);
    }
  }
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

std::vector<Configuration> candidates(const SurveyRecord& survey, const ChannelFacts& facts) {
  std::vector<Configuration> result;
  for (const auto& [choice, predicted_us] : survey.usable_us) {
    if (!is_possible(survey.point.collective, choice)) continue;
    for (const int request : channel_requests(survey.point, choice, facts)) {
      if (request == 0 && choice == survey.own) continue;
      result.push_back({choice, request});
    }
  }
  return result;
}

Point between(const Point& low, const Point& high, int ranks, std::uint32_t element_bytes) {
  return {low.collective,
          whole_bytes(low.collective, (low.nbytes + high.nbytes) / 2, ranks, element_bytes)};
}

double expected_s(Mode mode, std::size_t arms, int pairs, double operation_us) {
  // Capturing and instantiating: measured at 2 to 6 ms on H200s.
  const double setup_us = mode == Mode::graph ? 4000.0 : 100.0;
  const Effort effort = effort_for(mode, operation_us);
  const int runs = mode == Mode::graph ? 1 + effort.replays : 1;
  return static_cast<double>(arms) * pairs * (setup_us + runs * effort.operations * operation_us) *
         1e-6;
}

double rough_s(const Plan& plan) {
  constexpr double kGuessedUs = 20;
  // The default, the null run, and a pick or what is left of all.
  const std::size_t arms = plan.exhaustive ? 10 : 3;
  const auto points = static_cast<double>(plan.points.size());
  // Most questions are settled by the first look.
  const int judging =
      plan.exhaustive ? plan.judging_launches : std::min(kFirstLook, plan.judging_launches);
  const int launches = kFirstJudgingLaunch + judging;
  double point_s = 0;
  for (const Mode mode : kModes) {
    point_s +=
        expected_s(mode, arms, mode == Mode::graph ? plan.pairs : eager_pairs(plan), kGuessedUs);
  }
  return launches * kStartLaunchS + points * (kScreenPointS + judging * point_s);
}

Effort effort_for(Mode mode, double operation_us) {
  if (mode != Mode::graph) {
    return {static_cast<int>(std::clamp(4000.0 / operation_us, 5.0, 50.0)), 1};
  }
  const int operations = static_cast<int>(std::clamp(2500.0 / operation_us, 3.0, 20.0));
  return {operations, static_cast<int>(std::clamp(6000.0 / (operations * operation_us), 3.0, 7.0))};
}

Effort glance_for(double operation_us) {
  const Effort effort = effort_for(Mode::graph, operation_us);
  return {std::max(3, effort.operations / 4), std::min(4, effort.replays)};
}

}  // namespace vernier::calibrate
