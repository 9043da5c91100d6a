// SPDX-License-Identifier: Apache-2.0
//
// One process that measures, run_rank() of rank.hpp, started from this executable. It dies with the
// thread that started it. Nothing here loads CUDA or NCCL.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/calibrate/live/rank.hpp"

namespace vernier::calibrate {

// How its environment differs from this process's: `unset` first.
struct EnvironmentChange {
  std::map<std::string, std::string> set;
  std::vector<std::string> unset;
};

// What it inherits; -1: nothing. `log` becomes its stdout and stderr.
struct RankFiles {
  int command = -1;
  int reply = -1;
  int unique_id = -1;
  int log = -1;
};

class RankProcess {
 public:
  // MachineError where no process can be made.
  RankProcess(const RankSetup& setup, const EnvironmentChange& environment, const RankFiles& files);
  RankProcess(RankProcess&& other) noexcept : pid_(other.pid_) { other.pid_ = -1; }
  RankProcess& operator=(RankProcess&&) = delete;
  ~RankProcess();  // kills it

  // "ended with status 1", "was killed by signal 6 (Aborted)"; nullopt while it runs.
  [[nodiscard]] std::optional<std::string> how_it_ended() const;

  void kill() const;  // does not wait for its end

 private:
  pid_t pid_ = -1;
};

}  // namespace vernier::calibrate
