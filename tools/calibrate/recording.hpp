// SPDX-License-Identifier: Apache-2.0
//
// measurements.jsonl: everything a calibration saw, one JSON document a line, in the order in which
// it was seen. docs/measurements-format.md is the format; this is its model. A policy is a pure
// function of it (fit.hpp), it can stand in for the machine (recorded_machine.hpp), and an
// interrupted calibration goes on from it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/calibrate/configuration.hpp"
#include "tools/common/output.hpp"

namespace vernier::calibrate {

inline constexpr int kRecordingSchema = 1;

// Launches count from 0. The first ones look for candidates, the others judge them, the last ones
// run the finished policy through the plugin. `alone` and `decide` compare environment bundles with
// no bundle, in launches of their own numbers (bundles/trial.hpp).
enum class Phase { pilot, screen, shortlist, validate, confirm, alone, decide };
inline constexpr std::array kPhases{Phase::pilot,    Phase::screen,  Phase::shortlist,
                                    Phase::validate, Phase::confirm, Phase::alone,
                                    Phase::decide};
// graph and eager: time on the GPU. host: what an eager call keeps the calling thread.
enum class Mode { graph, eager, host };
inline constexpr std::array kModes{Mode::graph, Mode::eager, Mode::host};

// Fresh processes with a fresh communicator; after a hang or a restart of the command, others go on
// under the same number.
struct LaunchRecord {
  int launch;
  int nodes;          // as NCCL counts them
  int comm_channels;  // comm->nChannels; 32 where NCCL's log does not say
  int sm_mhz;         // clocks of the first GPU when all ranks ran; 0: not known
  int memory_mhz;
  // Of launches of Phase::alone: GPU memory in use after NCCL's own choices at all points, the
  // largest of all ranks.
  std::optional<double> used_mib = {};
};

// What NCCL says of a call before it is run.
struct SurveyRecord {
  Point point;
  Choice own;                                        // NCCL's own choice
  std::vector<std::pair<Choice, double>> usable_us;  // cells it can run, with predicted times
};

// NCCL's own choice is `own` from this size on, up to the next surveyed size.
struct SwitchRecord {
  Point point;
  Choice own;
};

// Whether every element on every rank was what it had to be, in one eager call.
enum class Outcome { exact, wrong, hung, crashed, refused };
struct CheckRecord {
  int launch;
  Point point;
  Configuration configuration;
  Outcome outcome;
  std::string detail;   // what was seen; empty for `exact`
  std::string applied;  // what NCCL's log says it ran, "ring/ll/4"; empty where it does not say
};

// A way of running a call and its times: microseconds per operation, slowest rank.
struct Arm {
  std::string name;                          // a configuration, kNullArm or kPolicyArm
  std::vector<std::vector<float>> times_us;  // [pair][replay]; one number a pair but for graphs
};
inline constexpr std::string_view kNullArm = "null";  // NCCL's own choice once more
// The finished policy (Phase::confirm, Phase::decide).
inline constexpr std::string_view kPolicyArm = "policy";

// Pair i of all arms was measured in one round, in fresh captures.
struct SampleRecord {
  int launch;
  Phase phase;
  Mode mode;
  Point point;
  int operations;  // in one capture or block of eager calls
  std::vector<Arm> arms;
  std::string policy = {};  // digest of what kPolicyArm ran
};

// GPU memory that first uses of an algorithm took in a communicator that had run NCCL's own
// choices; the largest of all ranks.
struct MemoryRecord {
  int launch;
  Algorithm algorithm;
  double added_mib;
};

// What no tuning reaches, seen in launches that judge (floors.hpp). wire: 8 bytes to the next rank
// and 8 from the one before. windows: NCCL's own choice with both buffers in symmetric windows.
enum class FloorKind { wire, windows };
inline constexpr std::array kFloorKinds{FloorKind::wire, FloorKind::windows};
struct FloorRecord {
  int launch;
  FloorKind kind;
  std::optional<Point> point = {};  // of windows that were measured
  int operations = 0;               // in one capture
  // Of the wire kWireArm; of windows "default", which is without them, and kWindowsArm.
  std::vector<Arm> arms = {};
  std::string not_measured = {};  // why there are no times; then no later launch tries again
};
inline constexpr std::string_view kWireArm = "wire";
inline constexpr std::string_view kWindowsArm = "windows";

// Of a bundle: NCCL does not start under it, or cannot run what is to be measured.
struct RejectionRecord {
  std::string reason;
};

// Numbers are kept to hundredths: below every timer that was read. Rounded before they are used, so
// that a policy made from the file is the one that was made while measuring.
[[nodiscard]] double rounded(double value);

struct BundleRecording;

struct Recording {
  Json header;  // machine, NCCL, environment, plan, command
  std::vector<LaunchRecord> launches;
  std::vector<SurveyRecord> surveys;
  std::vector<SwitchRecord> switches;
  std::vector<CheckRecord> checks;
  std::vector<SampleRecord> samples;
  std::vector<MemoryRecord> memory;
  std::vector<FloorRecord> floors;
  std::vector<RejectionRecord> rejections;
  std::vector<BundleRecording> bundles;  // in the header's order

  [[nodiscard]] const SurveyRecord* find_survey(const Point& point) const;
  [[nodiscard]] const LaunchRecord* find_launch(int launch) const;
  // Of the first launch that has it.
  [[nodiscard]] const CheckRecord* find_check(const Point& point,
                                              const Configuration& configuration) const;
};

// What was seen under an environment bundle: records as of a calibration of its own, whose header
// has the bundle's variables as part of its environment.
struct BundleRecording {
  std::string name;
  Recording recording;
};

// For each bundle of the header a recording that holds nothing yet. Throws Malformed.
[[nodiscard]] std::vector<BundleRecording> empty_bundles(const Json& header);

// A line that another recording of this bundle would be kept as, as it is in the file.
[[nodiscard]] std::string line_of_bundle(const std::string& name, const std::string& line);

// nullptr: it was not measured there.
[[nodiscard]] const Arm* find_arm(const SampleRecord& record, std::string_view name);
[[nodiscard]] const Arm* find_arm(const std::vector<Arm>& arms, std::string_view name);

[[nodiscard]] Json to_json(const LaunchRecord& record);
[[nodiscard]] Json to_json(const SurveyRecord& record);
[[nodiscard]] Json to_json(const SwitchRecord& record);
[[nodiscard]] Json to_json(const CheckRecord& record);
[[nodiscard]] Json to_json(const SampleRecord& record);
[[nodiscard]] Json to_json(const MemoryRecord& record);
[[nodiscard]] Json to_json(const FloorRecord& record);
[[nodiscard]] Json to_json(const RejectionRecord& record);

struct ReadRecording {
  std::optional<Recording> recording;
  std::string problem;             // why there is none: "FILE:LINE: what"
  std::size_t complete_bytes = 0;  // without a last line that was cut off
};

// From JSON Lines text. A last line without its end is left out.
[[nodiscard]] ReadRecording parse_recording(const std::string& origin, std::string_view text);

// From a file, gzip or not.
[[nodiscard]] ReadRecording read_recording(const std::string& path);

[[nodiscard]] std::string_view name_of(Phase phase);
[[nodiscard]] std::string_view name_of(Mode mode);
[[nodiscard]] std::string_view name_of(Outcome outcome);
[[nodiscard]] std::string_view name_of(FloorKind kind);

}  // namespace vernier::calibrate
