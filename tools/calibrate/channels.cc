// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/channels.hpp"

#include <algorithm>

namespace vernier::calibrate {
namespace {

constexpr std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }
constexpr std::uint64_t round_up(std::uint64_t a, std::uint64_t b) { return ceil_div(a, b) * b; }

constexpr std::uint64_t kCellGrain = 16;  // bytes

// The least traffic worth a channel.
std::uint64_t smallest_share(int nccl_version) {
  return nccl_version < 22900 ? 16u << 10 : 32u << 10;
}

// How often a byte of one rank's buffer crosses a link, as NCCL weighs it.
std::uint64_t traffic_factor(Collective collective, Protocol protocol, const ChannelFacts& facts) {
  std::uint64_t factor = 1;
  if (collective == Collective::allreduce) factor = 2;
  if (has_parts(collective)) {
    factor = static_cast<std::uint64_t>(facts.ranks);
  }
  return protocol == Protocol::ll && facts.nccl_version >= 22600 ? 4 * factor : factor;
}

}  // namespace

int used_channels(const Point& point, Protocol protocol, int request, const ChannelFacts& facts) {
  const std::uint64_t share_floor = smallest_share(facts.nccl_version);
  const std::uint64_t factor = traffic_factor(point.collective, protocol, facts);
  const std::uint64_t per_rank =
      whole_bytes(point.collective, point.nbytes, facts.ranks, facts.element_bytes) /
      (has_parts(point.collective) ? static_cast<std::uint64_t>(facts.ranks) : 1);
  const auto cap = static_cast<std::uint64_t>(std::min(request, facts.comm_channels));
  const std::uint64_t cell = round_up(ceil_div(share_floor, factor), kCellGrain);
  const std::uint64_t cells = ceil_div(std::max<std::uint64_t>(per_rank, 1), cell);
  const std::uint64_t traffic = std::max(share_floor, per_rank * factor);
  const std::uint64_t share = facts.nccl_version < 22900
                                  ? std::max(share_floor, traffic / cap)
                                  : round_up(ceil_div(traffic, cap), kCellGrain);
  const std::uint64_t per_channel = std::min(cells, ceil_div(share, cell * factor));
  return static_cast<int>(std::min(cap, ceil_div(cells, per_channel)));
}

std::vector<int> channel_requests(const Point& point, Choice choice, const ChannelFacts& facts) {
  std::vector<int> requests{0};
  if (choice.algorithm == Algorithm::collnet_direct ||
      choice.algorithm == Algorithm::collnet_chain) {
    return requests;
  }
  std::vector<int> effects;
  for (const int request : {1, 2, 4, 8, 16, 24, 32}) {
    if (request > facts.comm_channels) break;
    const int effect = used_channels(point, choice.protocol, request, facts);
    if (std::find(effects.begin(), effects.end(), effect) != effects.end()) continue;
    effects.push_back(effect);
    requests.push_back(request);
  }
  return requests;
}

}  // namespace vernier::calibrate
