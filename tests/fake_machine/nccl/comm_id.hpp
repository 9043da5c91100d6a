// SPDX-License-Identifier: Apache-2.0
//
// NCCL_COMM_ID=HOST:PORT as NCCL takes it: rank 0 listens there, every other rank connects, and who
// is missing is waited for, for ever.
#pragma once

#include <string>

#include "tests/fake_machine/nccl/unique_id.hpp"

namespace vernier::fake_machine {

// What the variable says; empty where it is not set.
[[nodiscard]] std::string comm_id_address();

// Rank 0's `own` on every rank. Throws std::system_error.
[[nodiscard]] UniqueId meet_at(const std::string& address, int ranks, int rank,
                               const UniqueId& own);

}  // namespace vernier::fake_machine
