// SPDX-License-Identifier: Apache-2.0
//
// What the commands of `vernier profile` do: one file per command, named after it.
#pragma once

#include <string>

#include "tools/common/command.hpp"
#include "tools/profile/traffic.hpp"

namespace vernier::profile {

struct SummaryOptions {
  std::string directory;
  bool json = false;
};
[[nodiscard]] ExitCode print_summary(const SummaryOptions& options);

struct ExportOptions {
  std::string directory;
  std::string format = "csv";  // or jsonl, chrome, prometheus
  std::string out = "-";
};
[[nodiscard]] ExitCode export_profile(const ExportOptions& options);

struct DiffOptions {
  std::string baseline;
  std::string candidate;
  bool json = false;
};
[[nodiscard]] ExitCode diff_profiles(const DiffOptions& options);

struct SuggestOptions {
  std::string directory;
};
[[nodiscard]] ExitCode suggest_sizes(const SuggestOptions& options);

struct TopOptions {
  std::string directory;
  double interval_s = 2;
  int rounds = 0;  // 0: until interrupted
};
[[nodiscard]] ExitCode show_top(const TopOptions& options);

// The job and what it sent; what could not be read is on stderr. nullopt, with the reason on
// stderr, where there is no job.
struct LoadedJob {
  Job job;
  Traffic traffic;
  bool whole;  // nothing was missing
};
[[nodiscard]] std::optional<LoadedJob> load_job(const std::string& directory,
                                                WithRaw raw = WithRaw::no);

// "ring/ll", "copy engine", or "-".
[[nodiscard]] std::string kernel_text(const Row& row);
// "12.5"
[[nodiscard]] std::string microseconds(std::uint64_t time_ns);
// "64KiB", "64KiB.." for a bucket, or "?".
[[nodiscard]] std::string bytes_text(const Row& row);

}  // namespace vernier::profile
