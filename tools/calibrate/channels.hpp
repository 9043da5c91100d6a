// SPDX-License-Identifier: Apache-2.0
//
// How many channels NCCL really uses for a request, so that requests with one effect are measured
// once.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/calibrate/configuration.hpp"

namespace vernier::calibrate {

// What the number depends on besides the call.
struct ChannelFacts {
  int nccl_version;  // 22809 is 2.28.9
  int ranks;
  int comm_channels;  // comm->nChannels, as NCCL prints it at communicator creation
  std::uint32_t element_bytes;
};

// Channels that a ring, tree, PAT or NVLS operation spreads over when it may use `request`
// (NCCL 2.23 to 2.30; later releases are taken to divide as 2.30 does).
[[nodiscard]] int used_channels(const Point& point, Protocol protocol, int request,
                                const ChannelFacts& facts);

// Requests to measure for this cell: 0 (NCCL's number) and those of 1, 2, 4, 8, 16, 24, 32 whose
// effects differ. CollNet takes no request: its operations use the number unchecked.
[[nodiscard]] std::vector<int> channel_requests(const Point& point, Choice choice,
                                                const ChannelFacts& facts);

}  // namespace vernier::calibrate
