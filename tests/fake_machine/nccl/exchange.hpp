// SPDX-License-Identifier: Apache-2.0
//
// Moves and reduces the data of one collective between the processes.
#pragma once

#include "tests/fake_machine/nccl/call.hpp"
#include "tests/fake_machine/nccl/meeting.hpp"

namespace vernier::fake_machine {

[[nodiscard]] Extent extent_of(const Call& call, int ranks);

// Whether this rank has an output.
[[nodiscard]] bool receives(const Call& call, int rank);

// Every rank calls it with its own buffers. Ranks that disagree about what runs, and how, wait for
// ever, as they do in NCCL when they are lucky; stderr says so.
void exchange(Meeting& meeting, const Call& call, const Decision& decision);

// A slot's bytes at most; every rank of the communicator sends and receives as many.
void exchange(Meeting& meeting, const Exchange& parts);

}  // namespace vernier::fake_machine
