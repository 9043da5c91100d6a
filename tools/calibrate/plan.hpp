// SPDX-License-Identifier: Apache-2.0
//
// What is to be measured, and how often.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/calibrate/channels.hpp"
#include "tools/calibrate/recording.hpp"

namespace vernier::calibrate {

inline constexpr int kScreenLaunch = 0;     // every configuration, a few captures each
inline constexpr int kFirstRaceLaunch = 1;  // the best few, more captures each
// How many run in each race.
inline constexpr std::array<std::size_t, 3> kRaceWidths{8, 4, 2};
inline constexpr int kRaces = static_cast<int>(kRaceWidths.size());
inline constexpr int kFirstJudgingLaunch = kFirstRaceLaunch + kRaces;
inline constexpr int kFirstLook = 4;  // judging launches before any of their questions is settled

// A call of more is not measured.
inline constexpr std::uint64_t kLargestBytes = std::uint64_t{1} << 30;

struct Plan {
  std::vector<Point> points;  // by collective, then size; what was asked for
  int ranks = 0;
  std::uint32_t element_bytes = 0;
  int judging_launches = 8;
  int screen_pairs = 4;
  int pairs = 8;            // of each later launch
  double budget_s = 0;      // no judging launch begins later; 0: whenever
  bool exhaustive = false;  // no search: every candidate is judged, at these points alone
};

// Fresh captures of each way in a race.
[[nodiscard]] inline int race_pairs(const Plan& plan) { return (plan.pairs + 1) / 2; }

// Eager blocks of each way in a judging launch: there only a loss matters.
[[nodiscard]] inline int eager_pairs(const Plan& plan) { return (plan.pairs + 1) / 2; }

// Sizes as --sizes takes them: "1KiB..16MiB" (powers of two), "4KiB,5760,64KiB", or a mixture.
// Throws std::invalid_argument that says what is allowed.
[[nodiscard]] std::vector<std::uint64_t> parse_sizes(const std::string& text);

// Every collective at every size, rounded down to whole elements on each rank; sizes below one
// element are left out.
[[nodiscard]] std::vector<Point> make_points(const std::vector<Collective>& collectives,
                                             const std::vector<std::uint64_t>& sizes, int ranks,
                                             std::uint32_t element_bytes);

// The ways to run a call that are worth measuring: cells that NCCL can run, with channel requests
// that differ in effect. NCCL's own choice without a request is not among them: it is the default.
[[nodiscard]] std::vector<Configuration> candidates(const SurveyRecord& survey,
                                                    const ChannelFacts& facts);

// Bytes halfway between two sizes: where a rule that holds at both has to hold too.
[[nodiscard]] Point between(const Point& low, const Point& high, int ranks,
                            std::uint32_t element_bytes);

// Seconds that one measuring of `arms` arms takes, given the time of one operation.
[[nodiscard]] double expected_s(Mode mode, std::size_t arms, int pairs, double operation_us);

inline constexpr double kStartLaunchS = 2;  // processes, contexts, communicators: as seen on H200s
inline constexpr double kScreenPointS = 0.5;

// Seconds that a whole calibration takes, before anything is known of the machine.
[[nodiscard]] double rough_s(const Plan& plan);

// How one capture or eager block is timed: enough operations to time, few where one takes long;
// more replays of one capture where they are short, because there they scatter most (over TCP by 25
// % at 2 KiB, by 6 % at 256 KiB).
struct Effort {
  int operations;
  int replays;  // 1 but for graphs
};
[[nodiscard]] Effort effort_for(Mode mode, double operation_us);

// Of screening, where most ways take many times as long as NCCL's own choice.
[[nodiscard]] Effort glance_for(double operation_us);

}  // namespace vernier::calibrate
