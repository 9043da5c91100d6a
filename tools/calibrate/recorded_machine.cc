// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/recorded_machine.hpp"

#include <algorithm>
#include <stdexcept>

#include "tools/calibrate/statistics.hpp"

namespace vernier::calibrate {
namespace {

// The null arm is NCCL's own choice, measured once more.
std::string series_name(const std::string& arm) {
  return arm == kNullArm ? std::string("default") : arm;
}

}  // namespace

RecordedMachine::RecordedMachine(const Recording& recording, std::uint64_t seed, Truth truth)
    : recording_(recording), random_(seed), truth_(truth) {
  std::map<Key, std::size_t> captures;
  for (const SampleRecord& record : recording.samples) {
    for (const Arm& arm : record.arms) {
      const Key key{record.point, record.mode, series_name(arm.name)};
      for (const std::vector<float>& replays : arm.times_us) {
        // What is best is asked in graphs only.
        if (record.mode != Mode::graph || captures[key]++ % 2 == 0) {
          series_[key].drawn_from[record.launch].push_back(replays);
        } else {
          series_[key].kept_back_us.push_back(capture_us(replays));
        }
      }
    }
    if (record.phase == Phase::validate &&
        std::find(judging_launches_.begin(), judging_launches_.end(), record.launch) ==
            judging_launches_.end()) {
      judging_launches_.push_back(record.launch);
    }
  }
  if (judging_launches_.empty()) {
    throw std::runtime_error("the recording has no judging launch: nothing to draw from");
  }
  for (const MemoryRecord& record : recording.memory) {
    double& most = added_mib_[record.algorithm];
    most = std::max(most, record.added_mib);
  }
}

LaunchRecord RecordedMachine::start_launch(int launch, bool) {
  launch_ = recording_.launches.front();
  launch_.launch = launch;
  std::uniform_int_distribution<std::size_t> any(0, judging_launches_.size() - 1);
  default_launch_ = judging_launches_[any(random_)];
  candidate_launch_ = default_launch_;
  while (truth_ == Truth::null && judging_launches_.size() > 1 &&
         candidate_launch_ == default_launch_) {
    candidate_launch_ = judging_launches_[any(random_)];
  }
  taken_mib_.clear();
  return launch_;
}

SurveyRecord RecordedMachine::survey(const Point& point) {
  if (const SurveyRecord* const known = recording_.find_survey(point)) return *known;
  // Between recorded sizes: as below, unless NCCL's own choice is known to change in between.
  const SurveyRecord* below = nullptr;
  for (const SurveyRecord& survey : recording_.surveys) {
    if (survey.point.collective != point.collective || survey.point > point) continue;
    if (below == nullptr || below->point < survey.point) below = &survey;
  }
  if (below == nullptr) throw std::runtime_error("nothing recorded for " + describe(point));
  SurveyRecord survey = *below;
  for (const SwitchRecord& change : recording_.switches) {
    if (below->point < change.point && change.point <= point) survey.own = change.own;
  }
  survey.point = point;
  return survey;
}

CheckRecord RecordedMachine::check(const Point& point, const Configuration& configuration) {
  if (configuration.choice) {
    const Algorithm algorithm = configuration.choice->algorithm;
    taken_mib_[algorithm] = added_mib_[algorithm];
  }
  if (const CheckRecord* const known = recording_.find_check(point, configuration)) return *known;
  return {launch_.launch, point, configuration, Outcome::exact, {}, {}};
}

const RecordedMachine::Series* RecordedMachine::find(const Point& point, Mode mode,
                                                     const std::string& name) const {
  const auto found = series_.find({point, mode, name});
  return found == series_.end() || found->second.drawn_from.empty() ? nullptr : &found->second;
}

bool RecordedMachine::knows(const Point& point, const Configuration& configuration) const {
  return find(point, Mode::graph, format_configuration(configuration)) != nullptr;
}

std::vector<float> RecordedMachine::draw(const Series& series, int wanted_launch, double which) {
  auto launch = series.drawn_from.find(wanted_launch);
  if (launch == series.drawn_from.end()) {
    std::uniform_int_distribution<std::size_t> any(0, series.drawn_from.size() - 1);
    launch = std::next(series.drawn_from.begin(), static_cast<std::ptrdiff_t>(any(random_)));
  }
  const std::vector<std::vector<float>>& captures = launch->second;
  return captures[static_cast<std::size_t>(which * static_cast<double>(captures.size()))];
}

Answer RecordedMachine::measure(const Request& request) {
  Answer answer;
  // Arms of a pair are of one moment, and were when they were recorded.
  std::uniform_real_distribution<double> any;
  std::vector<double> moments(static_cast<std::size_t>(request.pairs));
  for (double& moment : moments) moment = any(random_);
  for (std::size_t i = 0; i < request.arms.size(); ++i) {
    const bool is_default = request.arms[i].is_default();
    const std::string name =
        truth_ == Truth::null ? "default" : format_configuration(request.arms[i]);
    const Series* series = find(request.point, request.mode, name);
    // Eager times were taken of what was judged only; elsewhere the default stands in: no verdict.
    if (series == nullptr) series = find(request.point, request.mode, "default");
    if (series == nullptr) series = find(request.point, Mode::graph, "default");
    if (series == nullptr) {
      throw std::runtime_error("nothing recorded for " + describe(request.point));
    }
    auto& pairs = answer.times_us.emplace_back();
    // NCCL's own choice once more is measured once more; so is whatever is nothing else.
    const bool again = i > 0 && (is_default || truth_ == Truth::null);
    for (const double moment : moments) {
      pairs.push_back(draw(*series, is_default ? default_launch_ : candidate_launch_,
                           again ? any(random_) : moment));
    }
  }
  return answer;
}

double RecordedMachine::used_mib() {
  double used_mib = 0;
  for (const auto& [algorithm, mib] : taken_mib_) used_mib += mib;
  return used_mib;
}

std::size_t RecordedMachine::kept_back(const Point& point,
                                       const Configuration& configuration) const {
  const auto found = series_.find({point, Mode::graph, format_configuration(configuration)});
  return found == series_.end() ? 0 : found->second.kept_back_us.size();
}

double RecordedMachine::true_us(const Point& point, const Configuration& configuration) const {
  const auto found = series_.find({point, Mode::graph, format_configuration(configuration)});
  if (found == series_.end() || found->second.kept_back_us.empty()) return 0;
  return median(found->second.kept_back_us);
}

double RecordedMachine::drawn_us(const Point& point, const Configuration& configuration) const {
  std::vector<double> all_us;
  if (const Series* const series = find(point, Mode::graph, format_configuration(configuration))) {
    for (const auto& [launch, captures] : series->drawn_from) {
      for (const std::vector<float>& replays : captures) all_us.push_back(capture_us(replays));
    }
  }
  return all_us.empty() ? 0 : median(std::move(all_us));
}

}  // namespace vernier::calibrate
