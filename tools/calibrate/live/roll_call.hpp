// SPDX-License-Identifier: Apache-2.0
//
// Before NCCL is touched: rank 0 hears from every other task of the job, who it is and what it
// would measure with. NCCL cannot do this: ncclCommInitRank under NCCL_COMM_ID waits for ever for a
// rank that is missing and tells nobody which one it is, and ranks of different NCCL releases
// cannot talk through it about being different. docs/multi-node.md.
#pragma once

#include <map>
#include <string>

#include "tools/calibrate/call_options.hpp"
#include "tools/calibrate/live/strangers.hpp"
#include "tools/calibrate/machine_error.hpp"

namespace vernier::calibrate {

// The job cannot measure: ranks are missing, or differ.
class RollCallError : public MachineError {
 public:
  RollCallError(const std::string& text, Json details)
      : MachineError(text), details_(std::move(details)) {}
  // For --json.
  [[nodiscard]] const Json& details() const { return details_; }

 private:
  Json details_;
};

// What a task says of itself:
//   vernier_task 1  rank  ranks  host
//   run      what tells this start of the job from another; may be empty
//   machine  name and boot id of its host
//   node     what NCCL takes for a host: NCCL_HOSTID, else the machine
//   gpu      the bus id of its GPU
//   facts    object of text: what all ranks must have in common
//   warnings optional, list of text: why its times will not be good
//   problem  optional, instead of gpu and facts: why this task cannot measure
// `plugin`: as in --plugin.
[[nodiscard]] Json describe_task(const CallOptions& options, const std::string& plugin);

// Listens until all ranks but 0 of this run have said hello, at most `limit_s`. Fills `members` as
// they come, also where it throws: RollCallError where one does not appear or appears twice,
// MachineError where the port cannot be had.
void call_roll(const Rendezvous& at, const LaunchedTask& self, const std::string& own_host,
               double limit_s, std::map<int, Member>& members);

// RollCallError where `hellos` (by rank) tell of a problem, of facts that differ, or of one GPU for
// two ranks.
void require_agreement(const std::map<int, Json>& hellos);

// The GPU of a task among those that it sees: a launcher may show each task its own one only.
[[nodiscard]] int device_of(const LaunchedTask& task);

[[nodiscard]] std::string own_host_name();

}  // namespace vernier::calibrate
