// SPDX-License-Identifier: Apache-2.0
//
// From measurements to a policy: a pure function, so that a policy can be fitted again, elsewhere
// and later. Only the launches that judge count; what proposed a configuration never judges it.
#pragma once

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/calibrate/recording.hpp"
#include "tools/calibrate/statistics.hpp"
#include "vernier/policy.hpp"

namespace vernier::calibrate {

// design.md: a regression is a whole 95 % interval below this.
inline constexpr double kRegression = 0.98;
// A gain below this is not worth a rule, however certain it is.
inline constexpr double kSmallestGain = 1.02;
// Nor is one whose 99 % interval begins below this; with 1.0, 1.04 % of null data would win on the
// worst recording.
inline constexpr double kSmallestLow = 1.01;

// What a call costs the host hardly depends on its bytes: points that far away tell it, too.
inline constexpr std::uint64_t kBesideFactor = 2;

enum class Standing {
  win,        // faster in graphs, and not slower in eager mode: a rule may rest on it
  tie,        // nothing can be said, or too little to matter
  loss,       // slower in graphs (regression)
  eager_loss  // faster in graphs, but slower in eager mode
};

struct JudgedArm {
  Configuration configuration;
  RatioInterval graph;
  RatioInterval eager;
  RatioInterval host_bound;  // eager, for a client whose host is as slow as the default's GPU
  double tuned_us;           // median over launches and captures, in graphs
  Standing standing;
  // By launch, of one call: the median, over its pairs, of default time less candidate time.
  std::map<int, double> graph_saved_us = {};
  std::map<int, double> eager_saved_us = {};
};

struct JudgedPoint {
  Point point;
  bool halfway;        // not a size that was asked for: between two that were
  Choice own;          // NCCL's own choice
  double default_us;   // in graphs
  RatioInterval null;  // NCCL's own choice against itself, in graphs
  std::vector<JudgedArm> arms;
};

// The null run of a whole calibration: what its noise looks like.
struct NullRun {
  int points = 0;
  double lowest = 1;  // ratio of a point
  double highest = 1;
  int false_wins = 0;  // points where NCCL's own choice would have won against itself
};

// The finished policy through the shipped plugin (confirm.hpp).
struct ConfirmedPoint {
  Point point;
  RatioInterval graph;  // what decides
  double first_look;    // the ratio before anything was looked at again because it was low
};

struct Fit {
  Policy policy;
  std::vector<JudgedPoint> points;  // by collective, then size
  NullRun null;
  double added_mib = 0;               // what the rules' algorithms add to a communicator
  std::vector<std::string> left_out;  // algorithms that --max-extra-mib kept out, with why
  std::vector<ConfirmedPoint> confirmed;
  std::vector<std::string> refuted;  // rules that lost there and were taken out, with what was seen
  bool other_confirmed = false;  // only other policies were confirmed: of this one nothing is known
};

struct FitOptions {
  std::string name;          // of the policy
  double max_extra_mib = 0;  // rules may add that much GPU memory to a communicator
  bool confirmed = true;     // by what was seen of this policy; false: as it is to be confirmed
};

// `recording` needs a header as calibrate writes it. Throws std::runtime_error where it holds no
// judging launch.
[[nodiscard]] Fit fit(const Recording& recording, const FitOptions& options);

// What the launches that judge say, up to `last_launch`, by collective, then size.
[[nodiscard]] std::vector<JudgedPoint> judge_points(
    const Recording& recording, int last_launch = std::numeric_limits<int>::max());

// A win is settled before the last launch where its 99 % interval begins above this. More than a
// rule asks for in the end: who looks often finds luck (with 1.03 up to 1.0 % of picks on null data
// win, with this 0.64 %: calibrate_false_wins_test.cc).
inline constexpr double kBeyondDoubt = 1.05;

// Whether, after kFirstLook launches or more, the rest of `planned` ones is not worth its time: it
// cannot gain enough, it is not going to be certain of a gain even if it does somewhat better than
// so far, or it gains beyond doubt.
[[nodiscard]] bool is_settled(const JudgedArm& arm, int planned);

// nullptr: it was not judged.
[[nodiscard]] const JudgedPoint* find_point(const std::vector<JudgedPoint>& points,
                                            const Point& point);

// The arm of a point that ran this configuration; nullptr: none did.
[[nodiscard]] const JudgedArm* find_arm(const JudgedPoint& judged,
                                        const Configuration& configuration);

[[nodiscard]] Configuration configuration_of(const Rule& rule);

// Whether a calibrated rule, which states its ranks, holds at a point.
[[nodiscard]] bool covers(const Rule& rule, const Point& point);

// What an eager call keeps of its speed where the host takes as long as the GPU does with NCCL's
// own choice, and pays `more_us` for another one.
[[nodiscard]] double host_bound_ratio(double gpu_us, double more_us);

// What was not measured decides nothing.
[[nodiscard]] Standing stand(const RatioInterval& graph, const RatioInterval& eager = {},
                             const RatioInterval& host_bound = {});

// Rules from judged points: a rule covers a range where its configuration won at both ends and did
// not lose halfway between calibrated sizes.
[[nodiscard]] std::vector<Rule> make_rules(const std::vector<JudgedPoint>& points,
                                           const std::vector<SwitchRecord>& switches, int ranks,
                                           int nodes);

}  // namespace vernier::calibrate
