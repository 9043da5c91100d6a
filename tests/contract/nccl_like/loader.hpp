// SPDX-License-Identifier: Apache-2.0
//
// Finds, opens, counts and closes the tuner plugin as each release does. Not modelled: a tuner in
// the net plugin's library, which NCCL_TUNER_PLUGIN takes precedence over.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/contract/nccl_like/api.h"
#include "tests/contract/nccl_like/release_facts.hpp"

namespace vernier::contract {

// The newest symbol the release knows and the library has. `symbol` is an ncclTuner_v<abi>_t.
struct LoadedTuner {
  int abi = 0;
  const void* symbol = nullptr;
};

// What dlopen is given for NCCL_TUNER_PLUGIN=name, in order; an empty string means the executable
// itself. `name` is nullptr when the variable is not set.
[[nodiscard]] std::vector<std::string> file_names(const ReleaseFacts& facts, const char* name);

void set_library_dir(std::string_view dir);

// Forgets the outcome of earlier loads. Only while no communicator holds the tuner.
void reset_loader();

// What NCCL does for a new communicator. `opened_here` becomes true for the communicator that
// opened the library: only that one counts down, so that with two communicators the library
// usually stays. abi 0: no tuner.
[[nodiscard]] LoadedTuner acquire_tuner(const ReleaseFacts& facts, bool& opened_here);

// Only for a communicator whose `opened_here` is true.
void release_tuner(const ReleaseFacts& facts);

void describe_loads(NcclLikeLoads& loads);

}  // namespace vernier::contract
