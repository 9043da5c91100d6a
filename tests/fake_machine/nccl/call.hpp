// SPDX-License-Identifier: Apache-2.0
//
// One collective as the client asked for it, and as it was decided to run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vernier/abi/nccl_base.h"

namespace vernier::fake_machine {

struct Call {
  ncclFunc_t func;
  const std::byte* send;
  std::byte* recv;
  std::size_t count;  // elements per rank: sent for allgather, received for reducescatter
  int type;
  int op;
  int root;
  friend bool operator==(const Call&, const Call&) = default;
};

// One send and one receive in a group.
struct Exchange {
  const std::byte* send;
  std::byte* recv;
  std::size_t send_bytes;
  std::size_t recv_bytes;
  int to;
  int from;
  friend bool operator==(const Exchange&, const Exchange&) = default;
};

struct Decision {
  int algorithm;
  int protocol;
  int channels;  // really used
  friend bool operator==(const Decision&, const Decision&) = default;
};

struct Extent {
  std::size_t send_bytes;
  std::size_t recv_bytes;
  std::size_t total_bytes;  // as a tuner is told
};

}  // namespace vernier::fake_machine
