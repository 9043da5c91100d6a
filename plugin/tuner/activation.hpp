// SPDX-License-Identifier: Apache-2.0
//
// Whether rules apply to a new communicator, decided once, before its first collective.
#pragma once

#include <memory>
#include <string>

#include "plugin/agreement/meeting.hpp"
#include "plugin/tuner/guards.hpp"

namespace vernier {

struct Activation : Judgement {
  std::unique_ptr<Meeting> meeting;  // where the other ranks have to agree
  std::string setting;               // NCCL_VERNIER_POLICY and NCCL_VERNIER_MODE, as read once
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
