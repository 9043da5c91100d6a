// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/recorded_machine.hpp"

#include <algorithm>
#include <stdexcept>

#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/statistics.hpp"

namespace vernier::calibrate {

bool is_kept_back(const SampleRecord& record, std::size_t pair) {
  return record.mode == Mode::graph &&
         (pair / 2 + static_cast<std::size_t>(record.launch)) % 2 == 1;
}

RecordedMachine::RecordedMachine(const Recording& recording, std::uint64_t seed, Truth truth)
    : recording_(recording), random_(seed), truth_(truth) {
  for (const SampleRecord& record : recording.samples) {
    for (const Arm& arm : record.arms) {
      // On null data all have to draw from the same.
      const bool is_default = truth == Truth::null && arm.name == kNullArm;
      Series& series = series_[{record.point, record.mode, is_default ? "default" : arm.name}];
      for (std::size_t i = 0; i < arm.times_us.size(); ++i) {
        if (!is_kept_back(record, i)) series[record.launch].push_back(arm.times_us[i]);
      }
    }
    if (record.phase == Phase::validate &&
        std::find(judging_launches_.begin(), judging_launches_.end(), record.launch) ==
            judging_launches_.end()) {
      judging_launches_.push_back(record.launch);
    }
  }
  for (auto& [key, series] : series_) {
    const auto& [point, mode, name] = key;
    if (name == "default") {
      for (const auto& [launch, captures] : series) {
        std::vector<double> all_us;
        for (const std::vector<float>& replays : captures) all_us.push_back(capture_us(replays));
        own_us_[{point, mode, launch}] = median(std::move(all_us));
      }
    }
    // What was judged draws from that: of screening and races there are few captures each.
    const auto judged = series.lower_bound(kFirstJudgingLaunch);
    if (judged != series.end()) series.erase(series.begin(), judged);
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
  return found == series_.end() || found->second.empty() ? nullptr : &found->second;
}

bool RecordedMachine::knows(const Point& point, const Configuration& configuration) const {
  return find(point, Mode::graph, format_configuration(configuration)) != nullptr;
}

int RecordedMachine::launch_of(const Series& series, int wanted_launch) {
  if (series.contains(wanted_launch)) return wanted_launch;
  std::uniform_int_distribution<std::size_t> any(0, series.size() - 1);
  return std::next(series.begin(), static_cast<std::ptrdiff_t>(any(random_)))->first;
}

Answer RecordedMachine::measure(const Request& request) {
  Answer answer;
  // Arms of a pair are of one moment, and were when they were recorded.
  std::uniform_real_distribution<double> any;
  std::vector<double> moments(static_cast<std::size_t>(request.pairs));
  for (double& moment : moments) moment = any(random_);
  // Eager times were taken of what was judged only; elsewhere those of graphs stand in.
  const Series* own = find(request.point, request.mode, "default");
  if (own == nullptr) own = find(request.point, Mode::graph, "default");
  if (own == nullptr) throw std::runtime_error("nothing recorded for " + describe(request.point));
  const int default_launch = launch_of(*own, default_launch_);
  for (std::size_t i = 0; i < request.arms.size(); ++i) {
    const bool is_default = request.arms[i].is_default();
    std::string name = format_configuration(request.arms[i]);
    if (is_default && i > 0) name = kNullArm;
    if (truth_ == Truth::null) name = "default";
    const Series* series = find(request.point, request.mode, name);
    if (series == nullptr) series = own;  // no verdict
    auto& pairs = answer.times_us.emplace_back();
    // NCCL's own choice once more is measured once more; so is whatever is nothing else.
    const bool again = i > 0 && (is_default || truth_ == Truth::null);
    const bool is_null = truth_ == Truth::null && !is_default;
    const int launch = launch_of(*series, is_null ? candidate_launch_ : default_launch);
    // Launches differ by more than ways do: what was not timed in this one is as much faster than
    // NCCL's own choice as it was in another.
    double factor = 1;
    if (launch != default_launch && !is_null) {
      const auto here = own_us_.find({request.point, request.mode, default_launch});
      const auto there = own_us_.find({request.point, request.mode, launch});
      if (here != own_us_.end() && there != own_us_.end()) factor = here->second / there->second;
    }
    const auto& captures = series->at(launch);
    for (const double moment : moments) {
      const double which = again ? any(random_) : moment;
      pairs.push_back(
          captures[static_cast<std::size_t>(which * static_cast<double>(captures.size()))]);
      for (float& us : pairs.back()) us *= static_cast<float>(factor);
    }
  }
  return answer;
}

double RecordedMachine::used_mib() {
  double used_mib = 0;
  for (const auto& [algorithm, mib] : taken_mib_) used_mib += mib;
  return used_mib;
}

}  // namespace vernier::calibrate
