// SPDX-License-Identifier: Apache-2.0
//
// Words on the command line. Each function throws std::invalid_argument with what was found, what
// is allowed and the nearest valid word.
#pragma once

#include <string>

#include "vernier/policy.hpp"

namespace vernier {

[[nodiscard]] Collective collective_argument(const std::string& text);
[[nodiscard]] std::uint64_t bytes_argument(const std::string& text);
[[nodiscard]] Choice choice_argument(const std::string& text);
[[nodiscard]] int nccl_argument(const std::string& text);

// `choice` has to be one that NCCL has for `collective`.
void require_possible(Collective collective, Choice choice);

// A communicator has a rank on each of its nodes.
void require_nodes(int ranks, int nodes);

// A policy with this name has to read back.
void require_name(const std::string& name);

}  // namespace vernier
