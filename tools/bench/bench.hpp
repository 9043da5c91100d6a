// SPDX-License-Identifier: Apache-2.0
//
// vernier bench: NCCL's own choice against a policy, through the shipped plugin, and against
// environment bundles, in turns.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/calibrate/bundles/bundle.hpp"
#include "tools/calibrate/call_options.hpp"
#include "tools/calibrate/recording.hpp"
#include "tools/calibrate/statistics.hpp"
#include "tools/common/command.hpp"
#include "tools/common/output.hpp"

namespace vernier::bench {

struct Options : calibrate::CallOptions {
  std::string policy;  // file; empty: none, then there are bundles
  std::vector<calibrate::Bundle> bundles;
  std::string plugin;  // libnccl-tuner-vernier.so; empty: beside the executable
  calibrate::Mode mode = calibrate::Mode::graph;
  int launches = 4;
  int pairs = 8;
  std::string compare;  // what nccl-tests printed, text or JSON; of one collective
  std::string format = "text";
  bool quiet = false;
};

[[nodiscard]] ExitCode run_bench(const Options& options);

// What one arm took: microseconds of one call, slowest rank.
struct Times {
  double p50_us = 0;  // over captures
  double p99_us = 0;  // over replays
};

enum class Verdict { faster, same, regression };  // regression: the interval lies below 0.98
[[nodiscard]] std::string_view name_of(Verdict verdict);

struct Row {
  calibrate::Point point;
  std::uint64_t count = 0;  // elements of a rank's call, as NCCL's function takes them
  bool differs = false;     // the policy says something of this call, or the environment is another
  Times own;                // NCCL's own choice
  Times tuned;
  calibrate::RatioInterval ratio;  // own over tuned
  Verdict verdict = Verdict::same;
  double compared_us = 0;  // of --compare; 0: not there
};

// What is compared with NCCL's own choice without any bundle, at every point.
struct Section {
  std::string arm;       // "policy", "threads", "threads+policy"
  bool by_rules = true;  // the policy alone: where it has no rule, both run the same
  std::vector<Row> rows;
  std::string problem = {};  // why there are no rows: the bundle cannot be used
};

// Columns as nccl-tests has them, then p99, ratio and interval.
[[nodiscard]] std::string text_of(const Section& section, const Options& options, int ranks);
[[nodiscard]] std::string csv_of(const std::vector<Section>& sections, int ranks);
[[nodiscard]] Json json_of(const std::vector<Section>& sections, int ranks);

// Times of the two arms of one environment at one point.
struct Samples {
  double pilot_us = 0;
  // By launch. Reference: NCCL's own choice; candidate: the policy, none where none was run.
  std::vector<calibrate::LaunchPairs> launches;
  std::vector<double> replays_us[2];
};

// NCCL's own choice against the policy of the same launches, capture by capture.
void compare(Row& row, const Samples& samples);
// NCCL's own choice of `base` against an arm of other processes, launch by launch: each launch is
// one number, its median.
void compare(Row& row, const Samples& base, const Samples& other, int arm);

// Algorithm bandwidth in GB/s, as nccl-tests defines it: bytes as it counts them over time. And bus
// bandwidth, which makes ranks and collectives comparable.
struct Bandwidth {
  double algorithm;
  double bus;
};
[[nodiscard]] Bandwidth bandwidth(const calibrate::Point& point, int ranks, double us);

// Out-of-place times in us by size in bytes, as nccl-tests counts them (of allgather and
// reducescatter the total), from its text or its JSON. Throws std::runtime_error that says what is
// wrong.
[[nodiscard]] std::map<std::uint64_t, double> parse_nccl_tests(const std::string& text);

}  // namespace vernier::bench
