// SPDX-License-Identifier: Apache-2.0
//
// Whether rules apply to a new communicator, decided once, before its first collective.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "plugin/agreement/meeting.hpp"
#include "plugin/common/nccl_log.hpp"
#include "vernier/decision_table.hpp"
#include "vernier/reason.hpp"

namespace vernier {

class LoadedPolicy;

// What a tuner can know about a communicator.
struct CommunicatorFacts {
  int tuner_abi;  // 2 to 6
  std::size_t nranks;
  std::size_t nnodes;
  std::optional<int> nccl_version;       // 22809 is 2.28.9
  std::optional<std::uint64_t> comm_id;  // v5 and later
};

struct Activation {
  Reason reason = Reason::no_policy;  // `active`, or why rules do not apply
  std::string detail;                 // for people; may be empty
  // The rules to apply when active, to report on when observing; null when neither is to be done.
  std::shared_ptr<const DecisionTable> table;
  std::shared_ptr<LoadedPolicy> policy;  // null when none was read
  std::unique_ptr<Meeting> meeting;      // where the other ranks have to agree
  std::string setting;                   // NCCL_VERNIER_POLICY and NCCL_VERNIER_MODE, as read once
  std::string mode;
  Verdict verdict = Verdict::none;  // of the meeting

  [[nodiscard]] bool active() const { return reason == Reason::active; }

  // Attends the meeting, if there is one: from here on `active` is what all ranks obey. Whatever
  // can fail has to be done before.
  void settle() noexcept;
};

// Reads environment and policy, judges the guards, warns about what the user should change, and
// prepares the meeting. `reason` is what this rank would do by itself. Throws std::bad_alloc only.
// Thread-safe.
[[nodiscard]] Activation activate(const CommunicatorFacts& facts, const NcclLog& log);

// After settle(): the warning of a meeting that failed, and the one INFO line of a communicator.
// Throws std::bad_alloc.
void report(Activation& activation, const CommunicatorFacts& facts, const NcclLog& log);

}  // namespace vernier
