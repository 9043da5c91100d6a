// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/calibrate/bundles/bundle.hpp"
#include "tools/calibrate/call_options.hpp"
#include "tools/common/command.hpp"
#include "tools/workload/deployment.hpp"

namespace vernier::calibrate {

struct Options : CallOptions {
  std::string out = "vernier-calibration";  // folder
  std::string name;                         // of the policy; empty: made from machine and shape
  std::string model_config;         // instead of sizes and collectives: what this model sends
  workload::Deployment deployment;  // of that model; machine and nodes are seen
  std::string from_profile;         // or what this file or job did
  int launches = 8;
  int pairs = 8;
  double max_extra_mib = 256;
  // Environment bundles: "none", "shipped" or a file, and those of the command line. Empty: those
  // of the recording, where there is one, and none else.
  std::string env_bundles;
  std::vector<Bundle> bundles;
  bool offer_conditional = false;
  int search_bundles = 3;  // how many get a policy of their own at most
  double hang_limit_s = 30;
  double budget_s = 0;
  bool exhaustive = false;
  std::string plugin;  // libnccl-tuner-vernier.so; empty: beside the executable
  bool dry_run = false;
  bool restart = false;
  bool json = false;
  bool quiet = false;
  std::string replay;      // recording that stands in for the machine
  std::string refit;       // recording to fit again
  std::uint64_t seed = 1;  // of a replay
};

[[nodiscard]] ExitCode calibrate(const Options& options);
[[nodiscard]] ExitCode refit(const Options& options);
[[nodiscard]] ExitCode replay(const Options& options);

}  // namespace vernier::calibrate
