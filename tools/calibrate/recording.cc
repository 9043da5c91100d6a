// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/recording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tools/calibrate/bundles/bundle.hpp"
#include "tools/common/json_members.hpp"
#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::array<std::string_view, kPhases.size()> kPhaseNames = {
    "pilot", "screen", "shortlist", "validate", "confirm", "alone", "decide"};
constexpr std::array<std::string_view, 3> kModeNames = {"graph", "eager", "host"};
constexpr std::array<std::string_view, 5> kOutcomeNames = {"exact", "wrong", "hung", "crashed",
                                                           "refused"};

Json point_json(std::string_view record, const Point& point) {
  return {{"record", record}, {"collective", name_of(point.collective)}, {"bytes", point.nbytes}};
}

Json times_json(const std::vector<Arm>& arms) {
  Json json = Json::object();
  for (const Arm& arm : arms) {
    Json& times = json[arm.name] = Json::array();
    for (const std::vector<float>& pair : arm.times_us) {
      Json& replays = times.emplace_back(Json::array());
      for (const float time_us : pair) replays.push_back(rounded(time_us));
    }
  }
  return json;
}

}  // namespace

double rounded(double value) { return std::round(value * 100) / 100; }

std::string_view name_of(Phase phase) { return kPhaseNames[static_cast<std::size_t>(phase)]; }
std::string_view name_of(Mode mode) { return kModeNames[static_cast<std::size_t>(mode)]; }
std::string_view name_of(Outcome outcome) {
  return kOutcomeNames[static_cast<std::size_t>(outcome)];
}

std::string_view name_of(FloorKind kind) {
  return kind == FloorKind::wire ? kWireArm : kWindowsArm;
}

const Arm* find_arm(const SampleRecord& record, std::string_view name) {
  return find_arm(record.arms, name);
}

const Arm* find_arm(const std::vector<Arm>& arms, std::string_view name) {
  const auto found =
      std::find_if(arms.begin(), arms.end(), [&](const Arm& arm) { return arm.name == name; });
  return found == arms.end() ? nullptr : &*found;
}

const SurveyRecord* Recording::find_survey(const Point& point) const {
  const auto found = std::find_if(surveys.begin(), surveys.end(),
                                  [&](const SurveyRecord& s) { return s.point == point; });
  return found == surveys.end() ? nullptr : &*found;
}

const LaunchRecord* Recording::find_launch(int launch) const {
  const auto found = std::find_if(launches.begin(), launches.end(),
                                  [&](const LaunchRecord& l) { return l.launch == launch; });
  return found == launches.end() ? nullptr : &*found;
}

const CheckRecord* Recording::find_check(const Point& point,
                                         const Configuration& configuration) const {
  const auto found = std::find_if(checks.begin(), checks.end(), [&](const CheckRecord& c) {
    return c.point == point && c.configuration == configuration;
  });
  return found == checks.end() ? nullptr : &*found;
}

Json to_json(const LaunchRecord& record) {
  Json json{{"record", "launch"},      {"launch", record.launch},
            {"nodes", record.nodes},   {"comm_channels", record.comm_channels},
            {"sm_mhz", record.sm_mhz}, {"memory_mhz", record.memory_mhz}};
  if (record.used_mib) json["used_mib"] = rounded(*record.used_mib);
  return json;
}

Json to_json(const SurveyRecord& record) {
  Json json = point_json("survey", record.point);
  json["own"] = format_choice(record.own);
  json["usable_us"] = Json::object();
  for (const auto& [choice, us] : record.usable_us) {
    json["usable_us"][format_choice(choice)] = rounded(us);
  }
  return json;
}

Json to_json(const SwitchRecord& record) {
  Json json = point_json("switch", record.point);
  json["own"] = format_choice(record.own);
  return json;
}

Json to_json(const CheckRecord& record) {
  Json json = point_json("check", record.point);
  json["launch"] = record.launch;
  json["configuration"] = format_configuration(record.configuration);
  json["outcome"] = name_of(record.outcome);
  if (!record.detail.empty()) json["detail"] = record.detail;
  if (!record.applied.empty()) json["applied"] = record.applied;
  return json;
}

Json to_json(const SampleRecord& record) {
  Json json = point_json("samples", record.point);
  json["launch"] = record.launch;
  json["phase"] = name_of(record.phase);
  json["mode"] = name_of(record.mode);
  json["operations"] = record.operations;
  if (!record.policy.empty()) json["policy"] = record.policy;
  json["us"] = times_json(record.arms);
  return json;
}

Json to_json(const MemoryRecord& record) {
  return {{"record", "memory"},
          {"launch", record.launch},
          {"algorithm", name_of(record.algorithm)},
          {"added_mib", rounded(record.added_mib)}};
}

Json to_json(const FloorRecord& record) {
  Json json{{"record", "floor"}, {"floor", name_of(record.kind)}, {"launch", record.launch}};
  if (!record.not_measured.empty()) {
    json["not_measured"] = record.not_measured;
    return json;
  }
  if (record.point) {
    json["collective"] = name_of(record.point->collective);
    json["bytes"] = record.point->nbytes;
  }
  json["operations"] = record.operations;
  json["us"] = times_json(record.arms);
  return json;
}

Json to_json(const RejectionRecord& record) {
  return {{"record", "rejected"}, {"reason", record.reason}};
}

std::vector<BundleRecording> empty_bundles(const Json& header) {
  std::vector<BundleRecording> all;
  const auto bundles = header.find("bundles");
  if (bundles == header.end()) return all;
  if (!bundles->is_object()) throw Malformed("\"bundles\" is not an object");
  for (const auto& [name, json] : bundles->items()) {
    const Bundle bundle = bundle_of(json);
    BundleRecording& one = all.emplace_back();
    one.name = name;
    one.recording.header = header;
    one.recording.header.erase("bundles");
    one.recording.header["bundle"] = json;
    for (const auto& [variable, value] : bundle.variables) {
      one.recording.header["set_environment"][variable] = value;
    }
  }
  return all;
}

std::string line_of_bundle(const std::string& name, const std::string& line) {
  return fmt::format(R"({{"record":"bundle","bundle":{},"seen":{}}})", Json(name).dump(), line);
}

}  // namespace vernier::calibrate
