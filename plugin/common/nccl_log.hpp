// SPDX-License-Identifier: Apache-2.0
//
// The logger NCCL hands to a plugin. Used at communicator creation only, never per collective: a
// line costs NCCL a process-wide mutex and a write.
#pragma once

#include <string>
#include <string_view>

#include "vernier/abi/nccl_base.h"

namespace vernier {

class NcclLog {
 public:
  // A null logger is allowed: nothing is logged. `plugin` begins each line, after "VERNIER/"; a
  // literal.
  explicit NcclLog(ncclDebugLogger_t logger, const char* plugin = "Tuner")
      : logger_(logger), plugin_(plugin) {}

  // One line under NCCL's INIT subsystem, and TUNING.
  void info(std::string_view text) const;

  // One line that NCCL prints from NCCL_DEBUG=WARN on; at most once per process for a `cause`.
  // Thread-safe.
  void warn_once(std::string_view cause, std::string_view text) const;

 private:
  ncclDebugLogger_t logger_;
  const char* plugin_;
};

}  // namespace vernier
