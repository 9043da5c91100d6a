// SPDX-License-Identifier: Apache-2.0
//
// One group on its way through a communicator.
#pragma once

#include <cstddef>
#include <string_view>

#include "tests/contract/nccl_like/communicator.hpp"

struct NcclLikeComm::Pending {
  const NcclLikeCall& call;
  vernier::contract::Operation operation;
  int algorithms;
  int protocols;
  bool allgatherv;  // asked as AllGather; runs ring whatever the table says

  [[nodiscard]] std::size_t cells() const {
    return static_cast<std::size_t>(algorithms) * static_cast<std::size_t>(protocols);
  }
};

namespace vernier::contract {

// Both put `text` into the outcome, where nothing stands yet. NCCL itself notices a failure, and
// nothing of a damage.
void fail(NcclLikeOutcome& outcome, ncclResult_t result, std::string_view text);
void damage(NcclLikeOutcome& outcome, NcclLikeDamage kind, std::string_view text);

}  // namespace vernier::contract
