// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/channels.hpp"

#include <algorithm>

namespace vernier::fake_machine {
namespace {

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

std::size_t traffic_per_byte(int release, ncclFunc_t func, int ranks, int protocol) {
  std::size_t factor = 1;
  if (func == ncclFuncAllReduce) factor = 2;
  if (func == ncclFuncAllGather || func == ncclFuncReduceScatter) {
    factor = static_cast<std::size_t>(ranks);
  }
  return protocol == NCCL_PROTO_LL && release >= 22600 ? 4 * factor : factor;
}

}  // namespace

int used_channels(int release, ncclFunc_t func, std::size_t per_rank_bytes, int ranks, int protocol,
                  int cap) {
  const std::size_t factor = traffic_per_byte(release, func, ranks, protocol);
  const std::size_t least = release < 22900 ? 16 * 1024 : 32 * 1024;
  const auto channels = static_cast<std::size_t>(cap);
  const std::size_t cell = divide_up(divide_up(least, factor), 16) * 16;
  const std::size_t cells = divide_up(per_rank_bytes, cell);
  const std::size_t traffic = std::max(least, per_rank_bytes * factor);
  const std::size_t share = release < 22900 ? std::max(least, traffic / channels)
                                            : divide_up(divide_up(traffic, channels), 16) * 16;
  const std::size_t per_channel = std::min(cells, divide_up(share, cell * factor));
  return static_cast<int>(std::min(divide_up(cells, per_channel), channels));
}

}  // namespace vernier::fake_machine
