// SPDX-License-Identifier: Apache-2.0
//
// What a calibration reads in NCCL's own log (NCCL_DEBUG=INFO, subsystems INIT and TUNING).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/calibrate/configuration.hpp"

namespace vernier::calibrate {

// comm->nChannels, from the last "N coll channels" line (2.19+).
[[nodiscard]] std::optional<int> find_comm_channels(std::string_view log);

// What the selection lines say NCCL ran for the last measured call, with the number of channels:
// "ring/ll/4" (2.24 to 2.30). The last line of all is that of the control traffic which told the
// ranks' verdicts. nullopt where there are no such lines of that form for this collective.
[[nodiscard]] std::optional<Configuration> find_applied(std::string_view log,
                                                        Collective collective);

// A log file that grows.
class GrowingLog {
 public:
  explicit GrowingLog(std::string path) : path_(std::move(path)) {}
  // What was written since the last call.
  [[nodiscard]] std::string read_new();

 private:
  std::string path_;
  long position_ = 0;
};

}  // namespace vernier::calibrate
