// SPDX-License-Identifier: Apache-2.0
//
// The processes of one launch, one per GPU: started, spoken to through rank 0, and killed when they
// hang or one of them ends. All on this host, or, under a launcher, rank 0 here and each other one
// by the agent in its task. Nothing here loads CUDA or NCCL.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/calibrate/live/rank_process.hpp"
#include "tools/calibrate/live/wire.hpp"

namespace vernier::calibrate {

class Agents;

struct LaunchSetup {
  int ranks;
  std::string nccl;
  std::string data_type;
  std::uint64_t max_bytes = 0;
  bool confirms = false;                                    // RankSetup
  std::string log_dir;                                      // stderr of rank N goes to rankN.log
  std::map<std::string, std::string> environment;           // for all ranks
  std::vector<std::map<std::string, std::string>> of_rank;  // more, by rank
  std::vector<std::string> unset;                           // variables they do not inherit
};

class RankProcesses {
 public:
  // Starts them. Throws MachineError when a process cannot be made. `agents`, which outlive this,
  // start all but rank 0; null: there are none.
  RankProcesses(const LaunchSetup& setup, Agents* agents);
  ~RankProcesses();
  RankProcesses(const RankProcesses&) = delete;
  RankProcesses& operator=(const RankProcesses&) = delete;

  enum class End { none, hung, ended };  // ended: a rank crashed or gave up

  // Waits for what rank 0 says first.
  [[nodiscard]] std::optional<Hello> hello(double limit_s);

  // One command and its answer; nullopt when there was none within `limit_s` or a rank ended. Then
  // all of them are dead, and `end` says which it was. MachineError where a task of the launcher is
  // gone: that is nobody's configuration's fault.
  struct Answer {
    Reply reply;
    std::vector<float> numbers;
  };
  [[nodiscard]] std::optional<Answer> ask(const Command& command, double limit_s);

  [[nodiscard]] End end() const { return end_; }
  [[nodiscard]] bool alive() const { return !here_.empty(); }
  // How the first rank that ended did so: "rank 1 was killed by signal 6 (Aborted)".
  [[nodiscard]] const std::string& end_text() const { return end_text_; }

 private:
  [[nodiscard]] bool receive(void* data, std::size_t nbytes, double deadline_s);
  void start(const LaunchSetup& setup, int rank, RankFiles files);
  void wait_for_end();
  bool one_ended();
  void kill_all();

  std::vector<RankProcess> here_;  // by rank; empty once they are dead
  Agents* agents_;
  int command_fd_ = -1;
  int reply_fd_ = -1;
  End end_ = End::none;
  std::string end_text_;
};

}  // namespace vernier::calibrate
