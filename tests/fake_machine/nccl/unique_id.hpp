// SPDX-License-Identifier: Apache-2.0
//
// What a unique id holds: the name of the shared memory where the ranks meet, and the seed of
// everything random about the communicator.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/fake_machine/nccl/api.hpp"

namespace vernier::fake_machine {

struct IdContent {
  std::string name;
  std::uint64_t seed;
};

[[nodiscard]] UniqueId make_unique_id();
[[nodiscard]] std::optional<IdContent> read_unique_id(const UniqueId& id);  // nullopt: not ours

}  // namespace vernier::fake_machine
