// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/selection.hpp"

#include <algorithm>
#include <cstdint>

namespace vernier::contract {
namespace {

// Bytes per channel below which NCCL takes a channel away: threads times bytes per thread.
std::size_t unit_bytes(const NcclLikeShape& shape, const Ran& ran) {
  const auto ranks = static_cast<std::size_t>(shape.ranks);
  switch (ran.protocol) {
    case NCCL_PROTO_LL: return 512 * 8 * (ran.algorithm == NCCL_ALGO_RING ? ranks : 1);
    case NCCL_PROTO_LL128: return 640 * 8;
    default: return 512 * 64;
  }
}

bool is_nvls(int algorithm) {
  return algorithm == NCCL_ALGO_NVLS || algorithm == NCCL_ALGO_NVLS_TREE;
}
bool is_collnet(int algorithm) {
  return algorithm == NCCL_ALGO_COLLNET_DIRECT || algorithm == NCCL_ALGO_COLLNET_CHAIN;
}

int channels_there(const NcclLikeShape& shape, int algorithm) {
  if (!is_nvls(algorithm)) return shape.channels;
  return shape.nodes > 1 ? std::min(shape.channels, shape.nvls_channels) : shape.nvls_channels;
}

}  // namespace

Selected select_cell(const ReleaseFacts& facts, std::span<const float> before,
                     std::span<const float> after, double symmetric_us) {
  Selected selected;
  float best = facts.highest_cost;
  const bool candidates_only = facts.selection == Selection::smallest_candidate;
  for (std::size_t i = 0; i < after.size(); ++i) {
    // Up to 2.30 the sign decides, whatever NCCL had predicted: a cell it ignored is run if a tuner
    // wrote over it. From 2.31 on only NCCL's own candidates count, whatever their sign.
    const bool counts = candidates_only ? before[i] >= 0 : after[i] >= 0;
    if (counts && after[i] < best) {
      best = after[i];
      selected.cell = static_cast<int>(i);
    }
  }
  if (candidates_only && symmetric_us >= 0 &&
      (selected.cell < 0 || static_cast<float>(symmetric_us) < best)) {
    return {-1, true};
  }
  return selected;
}

bool bypasses_tuner(const ReleaseFacts& facts, const NcclLikeShape& shape, int ops,
                    double symmetric_us) {
  if (symmetric_us < 0 || facts.code < 22700) return false;
  if (facts.selection == Selection::smallest_candidate) return false;
  if (facts.code < 22800) return shape.nodes == 1 && ops == 1;
  return true;  // both buffers in windows
}

int default_channels(const NcclLikeShape& shape, const Operation& operation, const Ran& ran) {
  const int there = channels_there(shape, ran.algorithm);
  if (is_nvls(ran.algorithm)) return there;
  const std::size_t needed = operation.nbytes / unit_bytes(shape, ran);
  return static_cast<int>(std::clamp<std::size_t>(needed, 1, static_cast<std::size_t>(there)));
}

Channels apply_channels(const ReleaseFacts& facts, const NcclLikeShape& shape, const Ran& ran,
                        int by_default, int requested) {
  if (requested == 0) return {by_default, NCCL_LIKE_SOUND};
  const int there = channels_there(shape, ran.algorithm);
  if (facts.channel_rule == ChannelRule::only_lowers) {
    return {requested > 0 ? std::min(requested, by_default) : by_default, NCCL_LIKE_SOUND};
  }
  if (facts.channel_rule == ChannelRule::clamped) {
    return {std::clamp(requested, 1, there), NCCL_LIKE_SOUND};
  }
  const int stored = static_cast<std::int8_t>(requested);  // int32_t nMaxChannels:8
  if (stored == 0) return {0, NCCL_LIKE_DIVISION_BY_ZERO};
  if (stored < 0 && facts.channel_rule == ChannelRule::signed_byte_divides) {
    return {stored, NCCL_LIKE_DIVISION_BY_ZERO};
  }
  if (is_collnet(ran.algorithm) || ran.allgatherv) {
    // Used as it is, as the number of channels to index.
    const bool exists = stored > 0 && stored <= there;
    return {stored, exists ? NCCL_LIKE_SOUND : NCCL_LIKE_NO_SUCH_CHANNEL};
  }
  return {stored < 0 ? there : std::min(stored, there), NCCL_LIKE_SOUND};
}

}  // namespace vernier::contract
