// SPDX-License-Identifier: Apache-2.0
//
// Which communicators need a meeting of their ranks (plugin/agreement), with what ballot, and what
// came of it in words.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "plugin/agreement/meeting.hpp"
#include "plugin/tuner/guards.hpp"

namespace vernier {

// Why ranks cannot meet; empty where they can.
[[nodiscard]] std::string_view why_no_meeting(const CommunicatorFacts& facts);

// Ready to be attended. `mode`: NCCL_VERNIER_MODE. Throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<Meeting> prepare_meeting(const Judgement& alone,
                                                       const std::string& mode,
                                                       const CommunicatorFacts& facts,
                                                       const NcclLog& log);

// Why a meeting did not let this rank's rules apply. `setting`: NCCL_VERNIER_POLICY.
[[nodiscard]] std::string explain_verdict(const Meeting& meeting, Verdict verdict,
                                          std::size_t nranks, std::string_view setting);

// What to do where a file cannot be trusted to be the same on all ranks.
[[nodiscard]] std::string advise_inline(std::string_view setting);

// To be told of each verdict: a process that waited in vain and met nobody is probably in a
// container of its own. It would wait for each communicator again: until it meets somebody, only a
// tenth of the time.
void remember(const Meeting& meeting, Verdict verdict);

}  // namespace vernier
