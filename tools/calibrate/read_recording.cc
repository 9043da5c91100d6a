// SPDX-License-Identifier: Apache-2.0
//
// measurements.jsonl, read back. Trusts nothing in it: every problem is one line that says where.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "tools/calibrate/recording.hpp"
#include "tools/common/json_input.hpp"
#include "tools/common/json_members.hpp"
#include "vernier/policy.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::size_t kMaxRecordingBytes = std::size_t{1} << 30;
constexpr JsonBounds kBounds{16, 65536};  // of a line

std::string optional_text(const Json& json, const char* name) {
  return json.contains(name) ? text(json, name) : std::string();
}

int integer(const Json& json, const char* name) {
  const double value = number(member(json, name), name);
  if (value != std::floor(value) || std::abs(value) > 1e9) {
    throw Malformed(fmt::format("\"{}\" is not a count", name));
  }
  return static_cast<int>(value);
}

template <typename Value>
Value known(const std::optional<Value>& value, const char* name, const std::string& found) {
  if (!value) throw Malformed(fmt::format("\"{}\" is \"{}\", which is not known", name, found));
  return *value;
}

template <typename Enum, std::size_t N>
Enum one_of(const std::array<Enum, N>& values, const Json& json, const char* name) {
  const std::string found = text(json, name);
  for (const Enum value : values) {
    if (name_of(value) == found) return value;
  }
  throw Malformed(fmt::format("\"{}\" is \"{}\", which is not known", name, found));
}

Phase phase_of(const Json& json) { return one_of(kPhases, json, "phase"); }
Mode mode_of(const Json& json) { return one_of(kModes, json, "mode"); }
Outcome outcome_of(const Json& json) {
  return one_of(
      std::array{Outcome::exact, Outcome::wrong, Outcome::hung, Outcome::crashed, Outcome::refused},
      json, "outcome");
}

Point point_of(const Json& json) {
  const std::string collective = text(json, "collective");
  const double nbytes = number(member(json, "bytes"), "bytes");
  if (nbytes < 1 || nbytes > 1e12) throw Malformed("\"bytes\" is not a size");
  return {known(find_collective(collective), "collective", collective),
          static_cast<std::uint64_t>(nbytes)};
}

Choice choice_of(const std::string& found, const char* name) {
  return known(parse_choice(found), name, found);
}

Configuration configuration_in(const Json& json) {
  const std::string found = text(json, "configuration");
  return known(parse_configuration(found), "configuration", found);
}

SurveyRecord survey_of(const Json& json) {
  SurveyRecord record{point_of(json), choice_of(text(json, "own"), "own"), {}};
  for (const auto& [cell, us] : member(json, "usable_us").items()) {
    record.usable_us.emplace_back(choice_of(cell, "usable_us"), number(us, "usable_us"));
  }
  return record;
}

Arm arm_of(const std::string& name, const Json& pairs) {
  if (!pairs.is_array()) throw Malformed(fmt::format("times of \"{}\" are not a list", name));
  Arm arm{name, {}};
  for (const Json& pair : pairs) {
    if (!pair.is_array() || pair.empty()) {
      throw Malformed(fmt::format("a pair of \"{}\" is not a list of times", name));
    }
    std::vector<float>& replays = arm.times_us.emplace_back();
    for (const Json& time : pair) {
      const double time_us = number(time, "us");
      if (!(time_us > 0)) throw Malformed(fmt::format("a time of \"{}\" is not above 0", name));
      replays.push_back(static_cast<float>(time_us));
    }
  }
  return arm;
}

SampleRecord samples_of(const Json& json) {
  SampleRecord record{integer(json, "launch"),
                      phase_of(json),
                      mode_of(json),
                      point_of(json),
                      integer(json, "operations"),
                      {}};
  record.policy = optional_text(json, "policy");
  for (const auto& [name, pairs] : member(json, "us").items()) {
    if (name != kNullArm && name != kPolicyArm) (void)known(parse_configuration(name), "us", name);
    record.arms.push_back(arm_of(name, pairs));
  }
  return record;
}

FloorRecord floor_of(const Json& json) {
  FloorRecord record{integer(json, "launch"), one_of(kFloorKinds, json, "floor")};
  record.not_measured = optional_text(json, "not_measured");
  if (!record.not_measured.empty()) return record;
  if (record.kind == FloorKind::windows) record.point = point_of(json);
  record.operations = integer(json, "operations");
  for (const auto& [name, pairs] : member(json, "us").items()) {
    record.arms.push_back(arm_of(name, pairs));
  }
  const Arm* const floor = find_arm(record.arms, name_of(record.kind));
  const Arm* const usual = find_arm(record.arms, "default");
  if (floor == nullptr || floor->times_us.empty()) {
    throw Malformed(fmt::format("\"us\" has no times of \"{}\"", name_of(record.kind)));
  }
  if (record.point && (usual == nullptr || usual->times_us.size() != floor->times_us.size())) {
    throw Malformed("\"us\" does not have as many pairs of \"default\" as of \"windows\"");
  }
  return record;
}

void add(Recording& recording, const Json& json);

void add_of_bundle(Recording& recording, const Json& json) {
  const std::string name = text(json, "bundle");
  const auto found =
      std::find_if(recording.bundles.begin(), recording.bundles.end(),
                   [&](const BundleRecording& bundle) { return bundle.name == name; });
  if (found == recording.bundles.end()) {
    throw Malformed(fmt::format("the header has no bundle \"{}\"", name));
  }
  const Json& seen = member(json, "seen");
  if (!seen.is_object()) throw Malformed("\"seen\" is not an object");
  const std::string kind = text(seen, "record");
  if (kind == "header" || kind == "bundle") {
    throw Malformed(fmt::format("record \"{}\" of a bundle", kind));
  }
  add(found->recording, seen);
}

void add(Recording& recording, const Json& json) {
  const std::string kind = text(json, "record");
  if (kind == "header") {
    if (integer(json, "schema") != kRecordingSchema) throw Malformed("only schema 1 is known");
    recording.header = json;
    recording.bundles = empty_bundles(json);
  } else if (kind == "bundle") {
    add_of_bundle(recording, json);
  } else if (kind == "rejected") {
    recording.rejections.push_back({text(json, "reason")});
  } else if (kind == "launch") {
    recording.launches.push_back({integer(json, "launch"), integer(json, "nodes"),
                                  integer(json, "comm_channels"), integer(json, "sm_mhz"),
                                  integer(json, "memory_mhz")});
    if (json.contains("used_mib")) {
      recording.launches.back().used_mib = number(json["used_mib"], "used_mib");
    }
  } else if (kind == "survey") {
    recording.surveys.push_back(survey_of(json));
  } else if (kind == "switch") {
    recording.switches.push_back({point_of(json), choice_of(text(json, "own"), "own")});
  } else if (kind == "check") {
    recording.checks.push_back({integer(json, "launch"), point_of(json), configuration_in(json),
                                outcome_of(json), optional_text(json, "detail"),
                                optional_text(json, "applied")});
  } else if (kind == "samples") {
    recording.samples.push_back(samples_of(json));
  } else if (kind == "floor") {
    recording.floors.push_back(floor_of(json));
  } else if (kind == "memory") {
    const std::string algorithm = text(json, "algorithm");
    recording.memory.push_back({integer(json, "launch"),
                                known(find_algorithm(algorithm), "algorithm", algorithm),
                                number(member(json, "added_mib"), "added_mib")});
  } else {
    throw Malformed(fmt::format("record \"{}\" is not known", kind));
  }
}

}  // namespace

ReadRecording parse_recording(const std::string& origin, std::string_view lines) {
  ReadRecording result;
  Recording recording;
  std::size_t start = 0;
  for (int line = 1; start < lines.size(); ++line) {
    const std::size_t end = lines.find('\n', start);
    if (end == std::string_view::npos) break;  // cut off while it was written
    const std::string_view document = lines.substr(start, end - start);
    try {
      const Json json = parse_json_bounded(document, kBounds);
      if (!json.is_object()) throw Malformed("not an object");
      if (recording.header.is_null() && text(json, "record") != "header") {
        throw Malformed("the first record is not the header");
      }
      add(recording, json);
    } catch (const std::exception& error) {
      result.problem = fmt::format("{}:{}: {}", origin, line, error.what());
      return result;
    }
    start = end + 1;
  }
  result.complete_bytes = start;
  if (recording.header.is_null()) {
    result.problem = fmt::format("{}: holds no measurements", origin);
  } else {
    result.recording = std::move(recording);
  }
  return result;
}

ReadRecording read_recording(const std::string& path) {
  ReadRecording failed;
  gzFile file = gzopen(path.c_str(), "rb");  // reads plain files too
  if (file == nullptr) {
    failed.problem = fmt::format("{}: cannot be opened", path);
    return failed;
  }
  std::string lines;
  std::array<char, 1 << 16> block{};
  int got = 0;
  while ((got = gzread(file, block.data(), block.size())) > 0 &&
         lines.size() <= kMaxRecordingBytes) {
    lines.append(block.data(), static_cast<std::size_t>(got));
  }
  gzclose(file);
  if (got != 0) {
    failed.problem = got < 0 ? fmt::format("{}: cannot be read", path)
                             : fmt::format("{}: more than 1 GiB", path);
    return failed;
  }
  return parse_recording(path, lines);
}

}  // namespace vernier::calibrate
