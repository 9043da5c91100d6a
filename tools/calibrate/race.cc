// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/race.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/statistics.hpp"

namespace vernier::calibrate {
namespace {

constexpr double kWorthARace = 0.97;  // a few captures of one launch miss by that much
constexpr double kAsGoodAsBest = 0.985;
// A way that costs a slow host 2 % gets no rule (fit.cc), and of ways that are about as fast there
// is one with fewer channels. What it costs beyond this counts three times.
constexpr double kCheapForHosts = 0.985;
constexpr double kHostWeight = 3;
constexpr std::size_t kAllCaptures = std::numeric_limits<std::size_t>::max();

struct Rated {
  double ratio;
  Configuration configuration;
  double score = ratio;
};

bool better(const Rated& a, const Rated& b) { return a.score > b.score; }

// Of each pair of one record, NCCL's own choice over `name`; empty where it is not there.
std::vector<double> pair_ratios(const SampleRecord& record, const std::string& name) {
  LaunchPairs pairs;
  add_pairs(record, name, pairs);
  std::vector<double> ratios;
  for (std::size_t i = 0; i < pairs.reference_us.size(); ++i) {
    ratios.push_back(pairs.reference_us[i] / pairs.candidate_us[i]);
  }
  return ratios;
}

std::vector<Rated> rate(const SampleRecord& record) {
  std::vector<Rated> rated;
  for (const Arm& arm : record.arms) {
    const std::optional<Configuration> configuration = parse_configuration(arm.name);
    if (!configuration || configuration->is_default()) continue;
    std::vector<double> ratios = pair_ratios(record, arm.name);
    if (!ratios.empty()) rated.push_back({median(std::move(ratios)), *configuration});
  }
  return rated;
}

// Of the first `captures` captures in launch 0; 0 where there are none.
double screen_ratio(const Recording& recording, const Point& point,
                    const Configuration& configuration, std::size_t captures) {
  const std::string name = format_configuration(configuration);
  std::vector<double> ratios;
  for (const SampleRecord& record : recording.samples) {
    if (record.point != point || record.phase != Phase::screen) continue;
    const std::vector<double> more = pair_ratios(record, name);
    ratios.insert(ratios.end(), more.begin(), more.end());
  }
  ratios.resize(std::min(ratios.size(), captures));
  return ratios.empty() ? 0 : median(std::move(ratios));
}

const SampleRecord* find_race(const Recording& recording, const Point& point, int round) {
  for (const SampleRecord& record : recording.samples) {
    if (record.point == point && record.phase == Phase::shortlist && record.mode == Mode::graph &&
        record.launch == kFirstRaceLaunch + round) {
      return &record;
    }
  }
  return nullptr;
}

// Roughly what host_bound in fit.cc will say, from what races saw; 1 where they saw nothing.
double host_ratio(const Recording& recording, const Point& point,
                  const Configuration& configuration, int rounds) {
  const std::string name = format_configuration(configuration);
  std::vector<double> more_us;
  std::vector<double> own_us;
  for (const SampleRecord& record : recording.samples) {
    if (record.phase != Phase::shortlist || record.launch >= kFirstRaceLaunch + rounds ||
        record.point.collective != point.collective) {
      continue;
    }
    LaunchPairs pairs;
    add_pairs(record, name, pairs);
    if (record.mode == Mode::graph && record.point == point) {
      own_us.insert(own_us.end(), pairs.reference_us.begin(), pairs.reference_us.end());
    }
    const auto [low, high] = std::minmax(record.point.nbytes, point.nbytes);
    if (record.mode != Mode::host || high > kBesideFactor * low) continue;
    for (std::size_t i = 0; i < pairs.candidate_us.size(); ++i) {
      more_us.push_back(pairs.candidate_us[i] - pairs.reference_us[i]);
    }
  }
  if (more_us.empty() || own_us.empty()) return 1;
  return host_bound_ratio(median(std::move(own_us)), median(std::move(more_us)));
}

// Those of the last race before `round`, by the geometric mean of all their races; the best first.
std::vector<Rated> standings(const Recording& recording, const Point& point, int round) {
  std::vector<Rated> last;
  for (int before = 0; before < round; ++before) {
    const SampleRecord* const race = find_race(recording, point, before);
    if (race == nullptr) break;
    std::vector<Rated> now = rate(*race);
    for (Rated& one : now) {
      const auto earlier = std::find_if(last.begin(), last.end(), [&](const Rated& old) {
        return old.configuration == one.configuration;
      });
      if (earlier == last.end()) continue;
      one.ratio =
          std::exp((before * std::log(earlier->ratio) + std::log(one.ratio)) / (before + 1));
    }
    last = std::move(now);
  }
  for (Rated& one : last) {
    const double host = host_ratio(recording, point, one.configuration, round);
    one.score = one.ratio * std::exp(-kHostWeight * std::max(0.0, kCheapForHosts - host));
  }
  std::stable_sort(last.begin(), last.end(), better);
  return last;
}

// In launch 0, when it was checked or while it was timed.
bool failed(const Recording& recording, const CheckRecord& check) {
  return std::any_of(recording.checks.begin(), recording.checks.end(), [&](const CheckRecord& c) {
    return c.launch == kScreenLaunch && c.point == check.point &&
           c.configuration == check.configuration && c.outcome != Outcome::exact;
  });
}

std::vector<Rated> screened(const Recording& recording, const Point& point) {
  std::vector<Rated> rated;
  for (const CheckRecord& check : recording.checks) {
    if (check.point != point || check.launch != kScreenLaunch) continue;
    if (check.configuration.is_default() || failed(recording, check)) continue;
    rated.push_back(
        {screen_ratio(recording, point, check.configuration, kAllCaptures), check.configuration});
  }
  std::stable_sort(rated.begin(), rated.end(), better);
  return rated;
}

}  // namespace

double first_ratio(const Recording& recording, const Point& point,
                   const Configuration& configuration) {
  return screen_ratio(recording, point, configuration, 1);
}

std::vector<Configuration> contenders(const Recording& recording, const Point& point, int round) {
  std::vector<Configuration> result;
  for (const Rated& one :
       round == 0 ? screened(recording, point) : standings(recording, point, round)) {
    if (one.ratio > kWorthARace && result.size() < kRaceWidths[static_cast<std::size_t>(round)]) {
      result.push_back(one.configuration);
    }
  }
  return result;
}

std::optional<Configuration> winner(const Recording& recording, const Point& point,
                                    const std::optional<Configuration>& below) {
  std::vector<Rated> last = standings(recording, point, kRaces);
  std::erase_if(last, [](const Rated& one) { return one.ratio <= 1.0; });
  if (last.empty()) return std::nullopt;
  for (const Rated& one : last) {
    if (below && one.configuration == *below && one.score >= last.front().score * kAsGoodAsBest) {
      return one.configuration;
    }
  }
  return last.front().configuration;
}

}  // namespace vernier::calibrate
