// SPDX-License-Identifier: Apache-2.0
//
// Why a rule applied to a call, or did not. The same codes appear in the plugin's log, in `vernier
// policy explain` and in every later report, so that they can be searched for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vernier {

enum class Reason : std::uint8_t {
  // One call.
  applied,          // the rule's cell is now the cheapest
  no_match,         // no rule for this collective and size
  unaligned,        // the part of a rank is no multiple of the rule's alignment
  cell_unusable,    // NCCL marked the rule's cell unusable
  default_differs,  // NCCL's own choice is not the rule's instead_of
  fp8_protected,    // NCCL keeps ring away from FP8 on more than 8 ranks
  zero_cost,        // the best cell costs 0, nothing can be below it
  // One communicator.
  active,           // rules apply
  one_rank,         // NCCL never asks
  no_policy,        // NCCL_VERNIER_POLICY is not set
  bad_policy,       // it cannot be read, or has errors
  no_rules,         // no rule is for this number of ranks and nodes
  mode,             // NCCL_VERNIER_MODE is off or observe, or has no such value
  batch_invariant,  // VLLM_BATCH_INVARIANT=1
  old_nccl,         // tuner v2 (NCCL 2.21) has no cost table
  wrong_nccl,       // [match] nccl does not contain this NCCL
  unknown_nccl,     // [match] nccl is stated, and the version cannot be found (static NCCL)
  wrong_gpu,        // [match] gpu is stated, and this is another
  environment,      // an [environment] variable is not set as stated
  no_agreement,     // nothing tells this rank that all ranks decide alike
};

inline constexpr std::array<std::string_view, 20> kReasonNames = {
    "applied",       "no-match",     "unaligned", "cell-unusable",   "default-differs",
    "fp8-protected", "zero-cost",    "active",    "one-rank",        "no-policy",
    "bad-policy",    "no-rules",     "mode",      "batch-invariant", "old-nccl",
    "wrong-nccl",    "unknown-nccl", "wrong-gpu", "environment",     "no-agreement"};

constexpr std::string_view name_of(Reason reason) {
  return kReasonNames[static_cast<std::size_t>(reason)];
}

}  // namespace vernier
