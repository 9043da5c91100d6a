// SPDX-License-Identifier: Apache-2.0
//
// getChunkSize of tuner v6 (2.30.3+): up to three calls per collective (the first, the last and the
// middle channels' part), each with nChannels 1 and the bytes of that part; one call with the real
// numbers for CollNet.
#include <algorithm>

#include "tests/contract/nccl_like/pending.hpp"

using namespace vernier::contract;

namespace {

// Chunks are rounded down to whole grains.
std::size_t grain_bytes(int protocol) {
  switch (protocol) {
    case NCCL_PROTO_LL: return 16;
    case NCCL_PROTO_LL128: return 1920;
    default: return 512;
  }
}

constexpr std::size_t kLargestChunk = 512 * 1024;

}  // namespace

void NcclLikeComm::cut_into_chunks(const Pending& pending, NcclLikeOutcome& outcome) const {
  if (!tuner_.has_chunk_size() || outcome.channels <= 0) return;
  const bool collnet =
      outcome.algorithm == NCCL_ALGO_COLLNET_DIRECT || outcome.algorithm == NCCL_ALGO_COLLNET_CHAIN;
  const std::size_t nbytes = pending.operation.nbytes;
  const auto channels = static_cast<std::size_t>(outcome.channels);
  const int calls = collnet ? 1 : std::min(outcome.channels, 3);
  for (int call = 0; call < calls; ++call) {
    std::size_t chunk = grain_bytes(outcome.protocol) * 64;
    const ncclResult_t result = tuner_.get_chunk_size(
        pending.operation.func, collnet ? nbytes : nbytes / channels, outcome.algorithm,
        outcome.protocol, collnet ? outcome.channels : 1, &chunk);
    ++outcome.chunk_calls;
    if (result != ncclSuccess) return fail(outcome, result, "the tuner's getChunkSize failed");
    chunk = std::min(chunk, kLargestChunk);  // clamped above, not below
    if (chunk < grain_bytes(outcome.protocol)) {
      return damage(outcome, NCCL_LIKE_DIVISION_BY_ZERO, "the chunk size is below one grain");
    }
  }
}
