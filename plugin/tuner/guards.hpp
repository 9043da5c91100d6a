// SPDX-License-Identifier: Apache-2.0
//
// Whether rules may apply, as far as one rank can tell by itself.
#pragma once

#include <memory>
#include <string>

#include "plugin/common/nccl_log.hpp"
#include "plugin/common/settings.hpp"
#include "plugin/tuner/communicator_facts.hpp"
#include "vernier/decision_table.hpp"
#include "vernier/reason.hpp"

namespace vernier {

class LoadedPolicy;

struct Judgement {
  Reason reason = Reason::no_policy;  // `active`, or why rules do not apply
  std::string detail;                 // for people; may be empty
  // The rules to apply when active, to report on when observing; null when neither is to be done.
  std::shared_ptr<const DecisionTable> table;
  std::shared_ptr<LoadedPolicy> policy;  // null when none was read
};

// Reads the policy that `setting` (of NCCL_VERNIER_POLICY) names and judges its guards; warns about
// what the user should change. `meets`: the other ranks will learn what comes of it.
[[nodiscard]] Judgement judge_alone(const std::string& setting, Mode mode, bool meets,
                                    const CommunicatorFacts& facts, const NcclLog& log);

// vLLM promises bitwise equal results then; a change of algorithm or channels would break that.
[[nodiscard]] bool batch_invariant();

}  // namespace vernier
