// SPDX-License-Identifier: Apache-2.0
//
// The tuner that a measuring process brings along: the executable exports ncclTunerPlugin_v3 to v6
// itself, and NCCL_TUNER_PLUGIN=STATIC_PLUGIN makes NCCL find them (2.22 to 2.26, and from 2.27.5).
// So one communicator runs every configuration, without being created again.
#pragma once

#include <vector>

#include "tools/calibrate/configuration.hpp"

namespace vernier::calibrate {

// Whether NCCL knows STATIC_PLUGIN and gives a tuner a cost table.
[[nodiscard]] bool has_static_plugin(int nccl_version);

// What NCCL asked, and predicted, in the last call of a measured communicator.
struct SeenCall {
  int algorithms = 0;
  int protocols = 0;
  std::vector<float> costs_us;  // [algorithms][protocols], before anything was changed
  bool usable = true;           // whether the forced cell could run
  long calls = 0;               // since the process began
};

// All of these are for the one thread that calls NCCL.
void force(const Configuration& configuration);  // in the calls from now on
[[nodiscard]] const SeenCall& last_call();
// Communicators created from now on are for control traffic: left alone.
void create_for_control(bool control);
// As told at the creation of the last measured communicator; 0: no tuner was asked.
[[nodiscard]] int seen_nodes();

}  // namespace vernier::calibrate
