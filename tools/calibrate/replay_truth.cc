// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/replay_truth.hpp"

#include <algorithm>
#include <utility>

#include "tools/calibrate/recorded_machine.hpp"

namespace vernier::calibrate {
namespace {

constexpr int kFewestPairs = 8;  // kept back; the best of fewer is luck

RatioInterval over_launches(const std::map<int, LaunchPairs>& launches) {
  std::vector<LaunchPairs> all;
  for (const auto& [launch, pairs] : launches) all.push_back(pairs);
  return ratio_interval(all);
}

}  // namespace

ReplayTruth::ReplayTruth(const Recording& recording) : judged_(judge_points(recording)) {
  struct Halves {
    std::map<int, LaunchPairs> drawn_from, kept_back;  // by launch
  };
  std::map<std::pair<Point, std::string>, Halves> all;
  for (const SampleRecord& record : recording.samples) {
    // Captures of the screening are single ones.
    if (record.mode != Mode::graph) continue;
    if (record.phase != Phase::shortlist && record.phase != Phase::validate) continue;
    for (const Arm& arm : record.arms) {
      LaunchPairs pairs;
      add_pairs(record, arm.name, pairs);
      Halves& halves = all[{record.point, arm.name}];
      for (std::size_t i = 0; i < pairs.candidate_us.size(); ++i) {
        LaunchPairs& half =
            (is_kept_back(record, i) ? halves.kept_back : halves.drawn_from)[record.launch];
        half.reference_us.push_back(pairs.reference_us[i]);
        half.candidate_us.push_back(pairs.candidate_us[i]);
      }
    }
  }
  for (const auto& [key, halves] : all) {
    ratios_[key.first][key.second] = {over_launches(halves.drawn_from),
                                      over_launches(halves.kept_back)};
  }
}

const ReplayTruth::Ratios* ReplayTruth::find(const Point& point, const std::string& arm) const {
  const auto at = ratios_.find(point);
  if (at == ratios_.end()) return nullptr;
  const auto found = at->second.find(arm);
  return found == at->second.end() ? nullptr : &found->second;
}

double ReplayTruth::ratio(const Point& point, const Configuration& configuration) const {
  const Ratios* const found = find(point, format_configuration(configuration));
  return found == nullptr ? 1 : found->kept_back.ratio;
}

bool ReplayTruth::is_slower(const Point& point, const Configuration& configuration) const {
  const Ratios* const found = find(point, format_configuration(configuration));
  return found != nullptr && found->kept_back.launches > 0 && found->kept_back.high95 < kRegression;
}

double ReplayTruth::null_ratio(const Point& point) const {
  const Ratios* const found = find(point, std::string(kNullArm));
  return found == nullptr ? 1 : found->kept_back.ratio;
}

bool ReplayTruth::loses_eager(const Point& point, const Configuration& configuration) const {
  const JudgedPoint* const judged = find_point(judged_, point);
  const JudgedArm* const arm = judged == nullptr ? nullptr : find_arm(*judged, configuration);
  const auto loses = [](const RatioInterval& one) {
    return one.launches > 0 && one.ratio < kRegression;
  };
  return arm != nullptr &&
         (arm->standing == Standing::eager_loss || loses(arm->eager) || loses(arm->host_bound));
}

Configuration ReplayTruth::best(const Point& point) const {
  Configuration best = kDefault;
  const auto arms = ratios_.find(point);
  if (arms == ratios_.end()) return best;
  double best_ratio = 1;
  for (const auto& [name, ratios] : arms->second) {
    const auto configuration = parse_configuration(name);
    if (!configuration || ratios.kept_back.pairs < kFewestPairs) continue;
    if (loses_eager(point, *configuration)) continue;
    if (ratios.drawn_from.ratio <= best_ratio) continue;
    best = *configuration;
    best_ratio = ratios.drawn_from.ratio;
  }
  return best;
}

}  // namespace vernier::calibrate
