// SPDX-License-Identifier: Apache-2.0
//
// What the command's process and rank 0 say to one another, through two pipes, and rank 0 to the
// other ranks, through NCCL. Both ends are the same executable: plain structs are the format.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "tools/calibrate/configuration.hpp"
#include "tools/calibrate/recording.hpp"

namespace vernier::calibrate {

inline constexpr std::size_t kMaxArms = 32;

enum class Task : std::int32_t { survey, check, measure, used_memory, wire, windows, end };

struct WireConfiguration {
  std::int32_t algorithm;  // -1: NCCL's own choice
  std::int32_t protocol;
  std::int32_t channels;
};

struct Command {
  Task task;
  std::int32_t collective;
  std::uint64_t nbytes;
  std::int32_t mode;
  std::int32_t pairs;
  std::int32_t operations;
  std::int32_t replays;
  std::int32_t arm_count;
  std::int32_t last_in_windows;  // measure: 1 where the last arm's buffers are in the windows
  std::array<WireConfiguration, kMaxArms> arms;
};
static_assert(std::is_trivially_copyable_v<Command>);

// Followed by `numbers` floats:
//   survey       costs, [algorithms][protocols], negative where any rank cannot run it
//   check        1 + the last rank whose output was wrong, 0 where all were exact; 1 when the
//   forced
//                cell was not usable
//   measure      microseconds per operation of the slowest rank, [arm][pair][replay]
//   used_memory  MiB, the largest of all ranks
//   wire         microseconds of an exchange between neighbours, slowest rank, [pair][replay]
//   windows      0 where every rank has them, else the largest Windows::State of all ranks
struct Reply {
  std::int32_t algorithms;  // survey only
  std::int32_t protocols;
  std::uint32_t numbers;
};

// Rank 0 says this once, when the communicator is there.
struct Hello {
  std::int32_t nodes;
  std::int32_t tuner_was_asked;
};

[[nodiscard]] WireConfiguration to_wire(const Configuration& configuration);
[[nodiscard]] Configuration from_wire(const WireConfiguration& wire);

// Whole objects; false when the other end is gone.
[[nodiscard]] bool write_all(int fd, const void* data, std::size_t nbytes);
[[nodiscard]] bool read_all(int fd, void* data, std::size_t nbytes);

}  // namespace vernier::calibrate
