// SPDX-License-Identifier: Apache-2.0
//
// vernier bench: NCCL's own choice against a policy, through the shipped plugin, in turns.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/calibrate/call_options.hpp"
#include "tools/calibrate/recording.hpp"
#include "tools/calibrate/statistics.hpp"
#include "tools/common/command.hpp"
#include "tools/common/output.hpp"

namespace vernier::bench {

struct Options : calibrate::CallOptions {
  std::string policy;  // file
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
  bool has_rule = false;    // the policy says something of this call
  Times own;                // NCCL's own choice
  Times tuned;
  calibrate::RatioInterval ratio;  // own over tuned
  Verdict verdict = Verdict::same;
  double compared_us = 0;  // of --compare; 0: not there
};

// Columns as nccl-tests has them, then p99, ratio and interval.
[[nodiscard]] std::string text_of(const std::vector<Row>& rows, const Options& options, int ranks);
[[nodiscard]] std::string csv_of(const std::vector<Row>& rows, int ranks);
[[nodiscard]] Json json_of(const std::vector<Row>& rows, int ranks);

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
