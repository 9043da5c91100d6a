// SPDX-License-Identifier: Apache-2.0
//
// NCCL_ALGO and NCCL_PROTO: which cells of the table they leave.
#pragma once

#include <array>
#include <optional>

#include "tests/contract/nccl_like/release_facts.hpp"

namespace vernier::contract {

struct EnvSelection {
  static constexpr int kFunctions = 5;  // Broadcast, Reduce, AllGather, ReduceScatter, AllReduce
  static constexpr int kAlgorithms = 7;
  static constexpr int kProtocols = 3;
  bool is_set = false;
  std::array<std::array<bool, kAlgorithms>, kFunctions> algorithms;
  std::array<std::array<bool, kProtocols>, kFunctions> protocols;

  // Rows and columns that no release has yet are never disabled.
  [[nodiscard]] bool allows(int func, int algorithm, int protocol) const;
};

// nullopt where the release refuses the text (2.24+: unknown names), which fails the communicator.
[[nodiscard]] std::optional<EnvSelection> read_env_selection(EnvGrammar grammar);

}  // namespace vernier::contract
