// SPDX-License-Identifier: Apache-2.0
//
// Whether rules apply to a new communicator, decided once, before its first collective.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

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
  std::optional<int> nccl_version;  // 22809 is 2.28.9
};

struct Activation {
  Reason reason = Reason::no_policy;  // `active`, or why rules do not apply
  std::string detail;                 // for people; may be empty
  // The rules to apply when active, to report on when observing; null when neither is to be done.
  std::shared_ptr<const DecisionTable> table;
  std::shared_ptr<LoadedPolicy> policy;  // null when none was read

  [[nodiscard]] bool active() const { return reason == Reason::active; }
};

// Reads environment and policy, judges the guards, and warns about what the user should change.
// Throws std::bad_alloc only. Thread-safe.
[[nodiscard]] Activation activate(const CommunicatorFacts& facts, const NcclLog& log);

// The one INFO line of a communicator.
[[nodiscard]] std::string describe(const Activation& activation, const CommunicatorFacts& facts);

}  // namespace vernier
