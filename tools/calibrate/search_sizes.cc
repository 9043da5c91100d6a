// SPDX-License-Identifier: Apache-2.0
//
// At which sizes a search judges what, and where NCCL's own choice changes between them: those that
// were asked for, halfway between them, and then ever nearer to the limits of what wins.
#include <algorithm>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/race.hpp"
#include "tools/calibrate/search.hpp"

namespace vernier::calibrate {
namespace {

constexpr double kSharp = 1.1;  // a limit between sizes nearer than this is not looked for

bool wins(const JudgedArm& arm) { return arm.standing == Standing::win; }

bool one_wins_at_both(const JudgedPoint& a, const JudgedPoint& b) {
  return std::any_of(a.arms.begin(), a.arms.end(), [&](const JudgedArm& arm) {
    const JudgedArm* const there = find_arm(b, arm.configuration);
    return wins(arm) && there != nullptr && wins(*there);
  });
}

}  // namespace

std::vector<Search::Judged> Search::everything() {
  std::vector<Judged> all;
  for (const Point& point : plan_.points) all.push_back({point, promising(point)});
  find_switches(kScreenLaunch, all);
  return all;
}

std::vector<Search::Judged> Search::choose() {
  std::vector<Judged> at_points;
  for (const Point& point : plan_.points) {
    std::optional<Configuration> below;
    if (!at_points.empty() && !at_points.back().picks.empty() &&
        at_points.back().point.collective == point.collective) {
      below = at_points.back().picks[0];
    }
    at_points.push_back({point, {}});
    if (const auto pick = winner(journal_.recording(), point, below)) {
      at_points.back().picks = {*pick};
    }
  }

  std::vector<Judged> all;
  for (std::size_t i = 0; i < at_points.size(); ++i) {
    all.push_back(at_points[i]);
    if (i + 1 == at_points.size()) break;
    const Judged& low = at_points[i];
    const Judged& high = at_points[i + 1];
    if (low.point.collective != high.point.collective) continue;
    if (auto middle = halfway(low, high)) all.push_back(std::move(*middle));
  }
  find_switches(kScreenLaunch, all);
  return all;
}

// What either end would have, between them; nothing where there is none, or no size.
std::optional<Search::Judged> Search::halfway(const Judged& low, const Judged& high) const {
  Judged middle{between(low.point, high.point, plan_.ranks, plan_.element_bytes), low.picks};
  for (const Configuration& pick : high.picks) {
    if (std::find(middle.picks.begin(), middle.picks.end(), pick) == middle.picks.end()) {
      middle.picks.push_back(pick);
    }
  }
  std::erase_if(middle.picks,
                [&](const Configuration& pick) { return !machine_.knows(middle.point, pick); });
  const bool inside = low.point < middle.point && middle.point < high.point;
  if (!inside || middle.picks.empty()) return std::nullopt;
  return middle;
}

// Wins, and what may still become one.
Search::Judged Search::worth_halving(const JudgedPoint& judged) const {
  Judged result{judged.point, {}};
  for (const JudgedArm& arm : judged.arms) {
    const bool open = arm.standing == Standing::tie && !is_settled(arm, plan_.judging_launches);
    if (wins(arm) || open) result.picks.push_back(arm.configuration);
  }
  return result;
}

// Bisection of the limits of rules: halfway again between a win, as `launch` left it, and its
// neighbour where nothing of it wins. For the launches after that.
std::vector<Search::Judged> Search::edges(int launch) {
  std::vector<Judged> all;
  const std::vector<JudgedPoint> seen = judge_points(journal_.recording(), launch);
  for (std::size_t i = 0; i + 1 < seen.size(); ++i) {
    const JudgedPoint& a = seen[i];
    const JudgedPoint& b = seen[i + 1];
    if (a.point.collective != b.point.collective || one_wins_at_both(a, b)) continue;
    if (static_cast<double>(b.point.nbytes) < kSharp * static_cast<double>(a.point.nbytes))
      continue;
    if (std::none_of(a.arms.begin(), a.arms.end(), wins) &&
        std::none_of(b.arms.begin(), b.arms.end(), wins)) {
      continue;
    }
    const Judged low = worth_halving(a);
    const Judged high = worth_halving(b);
    auto middle = halfway(low, high);
    if (!middle) continue;
    find_switches(launch + 1, {low, *middle, high});
    all.push_back(std::move(*middle));
  }
  return all;
}

// Where NCCL's own choice changes between two judged points, to the byte: a rule names what it is
// instead of.
void Search::find_switches(int launch, const std::vector<Judged>& judged) {
  for (std::size_t i = 0; i + 1 < judged.size(); ++i) {
    const auto& [point, picks] = judged[i];
    const auto& [next, next_picks] = judged[i + 1];
    if (point.collective != next.collective || (picks.empty() && next_picks.empty())) continue;
    Point low = point;
    Choice own = surveyed(point, launch).own;
    const Choice next_own = surveyed(next, launch).own;
    for (const SwitchRecord& known : journal_.recording().switches) {
      if (known.point.collective != point.collective || known.point <= low || next < known.point) {
        continue;
      }
      low = known.point;
      own = known.own;
    }
    while (own != next_own) {
      if (running_launch_ < 0) need_launch(launch);
      Point high = next;
      Choice at_high = next_own;
      while (true) {
        const Point middle = between(low, high, plan_.ranks, plan_.element_bytes);
        if (middle <= low || middle >= high) break;
        const Choice seen = machine_.survey(middle).own;
        if (seen == own) {
          low = middle;
        } else {
          high = middle;
          at_high = seen;
        }
      }
      journal_.add(SwitchRecord{high, at_high});
      low = high;
      own = at_high;
    }
  }
}

}  // namespace vernier::calibrate
