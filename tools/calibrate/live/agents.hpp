// SPDX-License-Identifier: Apache-2.0
//
// The other tasks of a launcher, as rank 0's task sees them. Each starts and kills its rank as it
// is told here; what ranks measure goes through NCCL and never through this. One TCP connection to
// each, from the roll call to the end of the run. What is said, JSON lines:
//
//   to an agent    {"wait": true}     all are there and agree
//                  {"start": {...}}   a rank, with this setup and environment
//                  {"stop": true}     kill it
//                  {"end": true}      the run is over
//                  {"refused": text}  not of this job
//   from an agent  {"ended": "was killed by signal 9 (Killed)"}   exactly once for each start
//
// A connection that closes ends the run on both sides. Not for several threads.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/calibrate/live/rank_processes.hpp"
#include "tools/calibrate/live/roll_call.hpp"

namespace vernier::calibrate {

class Agents {
 public:
  ~Agents() { end(); }

  // Calls the roll. RollCallError, MachineError; whoever is there then waits for end().
  void gather(const CallOptions& options, const std::string& plugin);

  [[nodiscard]] bool gathered() const { return !hellos_.empty(); }
  [[nodiscard]] int ranks() const { return static_cast<int>(hellos_.size()); }
  [[nodiscard]] int nodes() const;  // as NCCL will count hosts
  [[nodiscard]] int hosts() const;  // without NCCL_HOSTID
  [[nodiscard]] int ranks_on_own_host() const;
  [[nodiscard]] int own_device() const { return own_device_; }
  // Where NCCL's control communicator meets: for NCCL_COMM_ID.
  [[nodiscard]] const std::string& address() const { return address_; }
  // "rank 3 on node7: GPU 3 ... is in use": what will disturb the measuring.
  [[nodiscard]] std::vector<std::string> warnings() const;

  // All ranks but 0. MachineError where an agent is gone.
  void start(const LaunchSetup& setup);
  // "rank 3 on node7 was killed by ...", of the first that was seen; MachineError where an agent is
  // gone.
  [[nodiscard]] std::optional<std::string> find_ended();
  // Returns when all have ended, or are gone; the next start tells.
  void stop();

  // Rank 0 has said all: they may leave.
  void end();

 private:
  struct Agent {
    LineSocket line;
    std::string name;  // "rank 3 on node7"
    bool runs = false;
    bool gone = false;
  };
  void receive(Agent& agent);
  [[noreturn]] static void throw_gone(const Agent& agent);

  std::map<int, Json> hellos_;     // by rank, 0 included
  std::map<int, Member> members_;  // until they are agents
  std::map<int, Agent> agents_;
  int own_device_ = 0;
  std::string address_;
  std::optional<std::string> ended_;
};

}  // namespace vernier::calibrate
