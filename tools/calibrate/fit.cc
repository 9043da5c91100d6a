// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>

#include "tools/calibrate/confirm.hpp"
#include "tools/calibrate/plan.hpp"

namespace vernier::calibrate {
namespace {

// All times of launches that judge, of one point.
struct Times {
  // [mode][arm][launch]; the default is the reference of each. What was measured in one record is
  // paired; a launch may have several.
  std::map<Mode, std::map<std::string, std::map<int, LaunchPairs>>> pairs;
};

std::map<Point, Times> judging_times(const Recording& recording, int last_launch) {
  std::map<Point, Times> all;
  for (const SampleRecord& record : recording.samples) {
    if (record.phase != Phase::validate || record.launch > last_launch) continue;
    Times& times = all[record.point];
    for (const Arm& arm : record.arms) {
      add_pairs(record, arm.name, times.pairs[record.mode][arm.name][record.launch]);
    }
  }
  return all;
}

// By launch.
std::map<int, LaunchPairs> pairs_of(const Times& times, Mode mode, const std::string& name) {
  const auto arms = times.pairs.find(mode);
  if (arms == times.pairs.end()) return {};
  const auto arm = arms->second.find(name);
  return arm == arms->second.end() ? std::map<int, LaunchPairs>() : arm->second;
}

RatioInterval interval(const Times& times, Mode mode, const std::string& name) {
  std::vector<LaunchPairs> launches;
  for (auto& [launch, pairs] : pairs_of(times, mode, name)) launches.push_back(std::move(pairs));
  return ratio_interval(launches);
}

// By launch.
std::map<int, double> saved_us(const Times& times, Mode mode, const std::string& name) {
  std::map<int, double> saved;
  for (const auto& [launch, pairs] : pairs_of(times, mode, name)) {
    std::vector<double> differences;
    for (std::size_t i = 0; i < pairs.reference_us.size() && i < pairs.candidate_us.size(); ++i) {
      differences.push_back(pairs.reference_us[i] - pairs.candidate_us[i]);
    }
    if (!differences.empty()) saved[launch] = median(std::move(differences));
  }
  return saved;
}

// What a candidate costs the host more than NCCL's own choice, in microseconds, in all blocks.
// False where there is none.
bool add_more_us(const Times& times, const std::string& name, std::vector<double>& more_us) {
  const std::size_t before = more_us.size();
  for (const auto& [launch, host] : pairs_of(times, Mode::host, name)) {
    for (std::size_t i = 0; i < host.candidate_us.size(); ++i) {
      more_us.push_back(host.candidate_us[i] - host.reference_us[i]);
    }
  }
  return more_us.size() > before;
}

// Points below and above another one at which NCCL's own choice is the same, the nearest first.
struct Beside {
  std::vector<const Times*> below, above;
};

// More channels cost the host more. Here that hides behind the GPU; a client with a slower host
// pays it. It pays most, in proportion, where its host takes just as long as the GPU did. What a
// call costs the host hardly depends on its bytes, and blocks scatter by more than what is looked
// for: those of the nearest points that ran this configuration count as well. The interval is that
// of the median, by order.
RatioInterval host_bound(const Times& times, const Beside& beside, const std::string& name) {
  std::vector<double> default_us;
  const std::map<int, LaunchPairs> eager = pairs_of(times, Mode::eager, name);
  for (const auto& [launch, pairs] : eager) {
    default_us.insert(default_us.end(), pairs.reference_us.begin(), pairs.reference_us.end());
  }
  std::vector<double> more_us;
  if (default_us.empty() || !add_more_us(times, name, more_us)) return {};
  for (const auto* const side : {&beside.below, &beside.above}) {
    (void)std::any_of(side->begin(), side->end(),
                      [&](const Times* other) { return add_more_us(*other, name, more_us); });
  }

  const double gpu_us = median(std::move(default_us));
  const auto ratio = [&](double us) { return host_bound_ratio(gpu_us, us); };
  std::sort(more_us.begin(), more_us.end());
  const auto n = static_cast<double>(more_us.size());
  const auto outside = static_cast<std::size_t>(std::max(0.0, (n - 1.96 * std::sqrt(n)) / 2));
  RatioInterval bound;
  bound.ratio = ratio(median(more_us));
  bound.low95 = ratio(more_us[more_us.size() - 1 - outside]);
  bound.high95 = ratio(more_us[outside]);
  bound.launches = static_cast<int>(eager.size());
  bound.pairs = static_cast<int>(more_us.size());
  return bound;
}

// In graphs.
double median_us(const Times& times, const std::string& name) {
  std::vector<double> all;
  for (const auto& [launch, pairs] : pairs_of(times, Mode::graph, name)) {
    all.insert(all.end(), pairs.candidate_us.begin(), pairs.candidate_us.end());
  }
  return all.empty() ? 0 : median(std::move(all));
}

bool failed_a_check(const Recording& recording, int last_launch, const Point& point,
                    const Configuration& configuration) {
  return std::any_of(recording.checks.begin(), recording.checks.end(), [&](const CheckRecord& c) {
    return c.point == point && c.configuration == configuration && c.outcome != Outcome::exact &&
           c.launch <= last_launch;
  });
}

JudgedPoint judge(const Recording& recording, int last_launch, const SurveyRecord& survey,
                  const Times& times, const Beside& beside) {
  // Sizes that were asked for have been screened.
  const bool halfway = std::none_of(
      recording.checks.begin(), recording.checks.end(),
      [&](const CheckRecord& c) { return c.point == survey.point && c.launch == kScreenLaunch; });
  JudgedPoint judged{survey.point,
                     halfway,
                     survey.own,
                     median_us(times, "default"),
                     interval(times, Mode::graph, std::string(kNullArm)),
                     {}};
  const auto arms = times.pairs.find(Mode::graph);
  if (arms == times.pairs.end()) return judged;
  for (const auto& [name, launches] : arms->second) {
    const std::optional<Configuration> configuration = parse_configuration(name);
    if (!configuration || configuration->is_default()) continue;
    JudgedArm arm{*configuration,
                  interval(times, Mode::graph, name),
                  interval(times, Mode::eager, name),
                  host_bound(times, beside, name),
                  median_us(times, name),
                  Standing::tie,
                  saved_us(times, Mode::graph, name),
                  saved_us(times, Mode::eager, name)};
    arm.standing = stand(arm.graph, arm.eager, arm.host_bound);
    // It ran before, and failed later: whatever it gains, it is not to be trusted.
    if (failed_a_check(recording, last_launch, survey.point, *configuration))
      arm.standing = Standing::loss;
    judged.arms.push_back(arm);
  }
  return judged;
}

NullRun summarize_null(const std::vector<JudgedPoint>& points) {
  NullRun run;
  for (const JudgedPoint& judged : points) {
    if (judged.null.launches == 0) continue;
    run.lowest = run.points == 0 ? judged.null.ratio : std::min(run.lowest, judged.null.ratio);
    run.highest = run.points == 0 ? judged.null.ratio : std::max(run.highest, judged.null.ratio);
    if (stand(judged.null) == Standing::win) ++run.false_wins;
    ++run.points;
  }
  return run;
}

// What first uses of each algorithm added, at most.
std::map<Algorithm, double> added_mib(const Recording& recording) {
  std::map<Algorithm, double> added;
  for (const MemoryRecord& record : recording.memory) {
    double& most = added[record.algorithm];
    most = std::max(most, record.added_mib);
  }
  return added;
}

// Leaves out algorithms, the costliest first, until the rest fits.
void keep_memory_bound(Fit& fit, std::map<Algorithm, double> added, double max_extra_mib) {
  while (true) {
    std::set<Algorithm> used;
    for (const Rule& rule : fit.policy.rules) used.insert(rule.choice.algorithm);
    fit.added_mib = 0;
    Algorithm costliest = Algorithm::ring;
    for (const Algorithm algorithm : used) {
      fit.added_mib += added[algorithm];
      if (added[algorithm] > added[costliest] || !used.contains(costliest)) costliest = algorithm;
    }
    if (fit.added_mib <= max_extra_mib) return;
    fit.left_out.push_back(fmt::format("rules with {}: they add {:.0f} MiB of GPU memory",
                                       name_of(costliest), added[costliest]));
    std::erase_if(fit.policy.rules,
                  [&](const Rule& rule) { return rule.choice.algorithm == costliest; });
  }
}

std::string header_text(const Json& header, const char* section, const char* key) {
  const auto part = header.find(section);
  if (part == header.end() || !part->is_object()) return {};
  const auto value = part->find(key);
  return value != part->end() && value->is_string() ? value->get<std::string>() : std::string();
}

int header_int(const Json& header, const char* section, const char* key) {
  const auto part = header.find(section);
  if (part == header.end() || !part->is_object()) return 0;
  const auto value = part->find(key);
  return value != part->end() && value->is_number_integer() ? value->get<int>() : 0;
}

void describe_machine(Policy& policy, const Json& header, const Fit& fit, int launches) {
  const std::string gpu = header_text(header, "machine", "gpu");
  if (!gpu.empty()) policy.gpu = gpu;
  const std::string nccl = header_text(header, "nccl", "version");
  if (const std::optional<int> code = parse_nccl_version(nccl)) {
    const int major = *code / 10000;
    const int minor = *code / 100 % 100;
    policy.nccl =
        NcclVersionRange::parse(fmt::format(">={}.{},<{}.{}", major, minor, major, minor + 1));
  }
  if (const auto set = header.find("set_environment"); set != header.end() && set->is_object()) {
    for (const auto& [name, value] : set->items()) {
      if (value.is_string()) policy.environment[name] = value.get<std::string>();
    }
  }
  auto& facts = policy.measured_on;
  for (const char* const key : {"gpu", "driver", "links", "p2p", "nvls"}) {
    const std::string value = header_text(header, "machine", key);
    if (!value.empty()) facts.emplace_back(key, value);
  }
  if (!nccl.empty()) facts.emplace_back("nccl", nccl);
  const int emulated = header_int(header, "plan", "emulate_nodes");
  if (emulated > 1) facts.emplace_back("emulated_nodes", std::int64_t{emulated});
  for (const char* const key : {"dtype", "sizes"}) {
    const std::string value = header_text(header, "plan", key);
    if (!value.empty()) facts.emplace_back(key, value);
  }
  for (const char* const key : {"name", "safe"}) {
    const std::string value = header_text(header, "bundle", key);
    if (!value.empty()) facts.emplace_back(fmt::format("bundle_{}", key), value);
  }
  facts.emplace_back("launches", std::int64_t{launches});
  facts.emplace_back("null_run", fmt::format("{:.3f} to {:.3f} over {} points", fit.null.lowest,
                                             fit.null.highest, fit.null.points));
  for (const char* const key : {"started", "vernier"}) {
    if (const auto value = header.find(key); value != header.end() && value->is_string()) {
      facts.emplace_back(key, value->get<std::string>());
    }
  }
}

}  // namespace

const JudgedPoint* find_point(const std::vector<JudgedPoint>& points, const Point& point) {
  const auto found = std::find_if(points.begin(), points.end(),
                                  [&](const JudgedPoint& one) { return one.point == point; });
  return found == points.end() ? nullptr : &*found;
}

double host_bound_ratio(double gpu_us, double more_us) {
  return gpu_us / (gpu_us + std::max(0.0, more_us));
}

const JudgedArm* find_arm(const JudgedPoint& judged, const Configuration& configuration) {
  const auto found = std::find_if(judged.arms.begin(), judged.arms.end(), [&](const JudgedArm& a) {
    return a.configuration == configuration;
  });
  return found == judged.arms.end() ? nullptr : &*found;
}

std::vector<JudgedPoint> judge_points(const Recording& recording, int last_launch) {
  std::vector<JudgedPoint> points;
  std::map<Point, Times> all = judging_times(recording, last_launch);
  // Where all that was to be judged failed before it was timed: no rule reaches over such a point.
  for (const CheckRecord& check : recording.checks) {
    if (check.outcome != Outcome::exact && check.launch <= last_launch) all[check.point];
  }
  for (auto at = all.begin(); at != all.end(); ++at) {
    const SurveyRecord* const survey = recording.find_survey(at->first);
    if (survey == nullptr) continue;
    Beside beside;
    const auto is_beside = [&](const Point& other) {
      const SurveyRecord* const its = recording.find_survey(other);
      const auto [low, high] = std::minmax(other.nbytes, survey->point.nbytes);
      return its != nullptr && other.collective == survey->point.collective &&
             its->own == survey->own && high <= kBesideFactor * low;
    };
    for (auto other = at; other != all.begin() && is_beside(std::prev(other)->first); --other) {
      beside.below.push_back(&std::prev(other)->second);
    }
    for (auto other = std::next(at); other != all.end() && is_beside(other->first); ++other) {
      beside.above.push_back(&other->second);
    }
    points.push_back(judge(recording, last_launch, *survey, at->second, beside));
  }
  return points;
}

bool is_settled(const JudgedArm& arm, int planned) {
  if (arm.graph.launches < std::min(kFirstLook, planned)) return false;
  constexpr double kT99 = 3.5;  // of 8 launches; of 12 a little less
  switch (arm.standing) {
    case Standing::win: return arm.graph.low99 > kBeyondDoubt;
    case Standing::tie: {
      const double final_error =
          arm.graph.error * std::sqrt(static_cast<double>(arm.graph.launches) / planned);
      return arm.graph.high99 < kSmallestGain ||
             std::log(arm.graph.ratio) + arm.graph.error < kT99 * final_error;
    }
    case Standing::loss:
    case Standing::eager_loss: return true;
  }
  return true;
}

Configuration configuration_of(const Rule& rule) {
  return {rule.choice, rule.channels.value_or(0)};
}

bool covers(const Rule& rule, const Point& point) {
  return rule.collective == point.collective && rule.matches_bytes(point.nbytes) &&
         rule.is_aligned(point.nbytes, rule.ranks.value_or(1));
}

Standing stand(const RatioInterval& graph, const RatioInterval& eager,
               const RatioInterval& host_bound) {
  if (graph.launches < 2) return Standing::tie;
  if (graph.high95 < kRegression) return Standing::loss;
  // 99 %, not 95: a calibration makes dozens of these decisions, and each has to be right.
  if (graph.low99 <= kSmallestLow || graph.ratio < kSmallestGain) {
    return Standing::tie;
  }
  // One of them beyond doubt, or both as they look: they are measured apart.
  const auto is_loss = [](const RatioInterval& one, double ratio) {
    return one.launches >= 2 && ratio < kRegression;
  };
  if (is_loss(eager, eager.high95) || is_loss(host_bound, host_bound.high95) ||
      (is_loss(eager, eager.ratio) && is_loss(host_bound, host_bound.ratio))) {
    return Standing::eager_loss;
  }
  return Standing::win;
}

Fit fit(const Recording& recording, const FitOptions& options) {
  Fit result;
  std::set<int> launches;
  for (const SampleRecord& record : recording.samples) {
    if (record.phase == Phase::validate) launches.insert(record.launch);
  }
  if (launches.empty()) throw std::runtime_error("no launch judged anything yet: nothing to fit");
  const LaunchRecord* const shape = recording.find_launch(*launches.begin());
  if (shape == nullptr) throw std::runtime_error("the judging launch has no launch record");
  const int ranks = header_int(recording.header, "plan", "ranks");
  if (ranks < 2) throw std::runtime_error("the header does not say how many ranks there were");

  result.points = judge_points(recording);
  result.null = summarize_null(result.points);
  result.policy.name = options.name;
  result.policy.rules = make_rules(result.points, recording.switches, ranks, shape->nodes);
  keep_memory_bound(result, added_mib(recording), options.max_extra_mib);
  describe_machine(result.policy, recording.header, result, static_cast<int>(launches.size()));
  if (options.confirmed) {
    result.confirmed = confirmed_points(recording, digest(result.policy));
    result.other_confirmed =
        result.confirmed.empty() && !result.policy.rules.empty() &&
        std::any_of(recording.samples.begin(), recording.samples.end(),
                    [](const SampleRecord& one) { return one.phase == Phase::confirm; });
    result.refuted = take_out_losers(result.policy.rules, result.confirmed);
    keep_memory_bound(result, added_mib(recording), options.max_extra_mib);  // of those left
  }
  return result;
}

}  // namespace vernier::calibrate
