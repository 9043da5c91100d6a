// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/cost_model.hpp"

#include <algorithm>
#include <cmath>

namespace vernier::contract {
namespace {

constexpr double kImpossible = -1.0;
constexpr float kFp8Factor = 1024.0f;
constexpr int kFp8Ranks = 8;

// Indexed by protocol: LL, LL128, Simple.
constexpr double kBaseUs[] = {4.0, 6.0, 9.0};
constexpr double kTreeBaseUs = 0.5;
constexpr double kHopUs[] = {0.6, 1.0, 2.2};
constexpr double kNetHopUs[] = {6.0, 9.0, 14.0};
constexpr double kRingGbps[] = {45.0, 170.0, 230.0};
constexpr double kTreeGbps[] = {40.0, 130.0, 170.0};
constexpr double kNetworkShare = 0.2;  // of the bandwidth that is left between nodes
constexpr double kNvlsUs = 45.0;
constexpr double kNvlsGbps = 310.0;
constexpr double kPatHopUs = 2.8;
constexpr double kPatGbps = 120.0;
constexpr double kCollnetUs = 24.0;
constexpr double kCollnetGbps = 90.0;

struct Cell {
  double latency_us;
  double gbps;
};
constexpr Cell kNone = {kImpossible, 1.0};

Cell ring_cell(const NcclLikeShape& shape, ncclFunc_t func, int protocol) {
  const int rounds = func == ncclFuncAllReduce ? 2 : 1;
  const int between = shape.nodes - 1;
  const int within = shape.ranks - shape.nodes;
  const double share = shape.nodes > 1 ? kNetworkShare : 1.0;
  return {kBaseUs[protocol] + rounds * (within * kHopUs[protocol] + between * kNetHopUs[protocol]),
          kRingGbps[protocol] * share};
}

Cell tree_cell(const NcclLikeShape& shape, int protocol) {
  const int per_node = shape.ranks / shape.nodes;
  const double share = shape.nodes > 1 ? kNetworkShare : 1.0;
  return {
      kTreeBaseUs + kBaseUs[protocol] +
          2 * ((per_node - 1) * kHopUs[protocol] + std::log2(shape.nodes) * kNetHopUs[protocol]),
      kTreeGbps[protocol] * share};
}

Cell simple_only_cell(const NcclLikeShape& shape, const Operation& operation, int algorithm) {
  const bool reduces_all = operation.func == ncclFuncAllReduce;
  const bool has_nvls = shape.nvls_channels > 0 && !operation.fp8;
  switch (algorithm) {
    case NCCL_ALGO_COLLNET_DIRECT: return shape.collnet ? Cell{kCollnetUs, kCollnetGbps} : kNone;
    case NCCL_ALGO_COLLNET_CHAIN:
      return shape.collnet && reduces_all ? Cell{kCollnetUs + 4, kCollnetGbps} : kNone;
    case NCCL_ALGO_NVLS:  // across nodes it needs CollNet
      return has_nvls && (shape.nodes == 1 || shape.collnet) ? Cell{kNvlsUs, kNvlsGbps} : kNone;
    case NCCL_ALGO_NVLS_TREE:
      return has_nvls && reduces_all && shape.nodes > 1
                 ? Cell{kNvlsUs + 12, kNvlsGbps * kNetworkShare}
                 : kNone;
    case NCCL_ALGO_PAT:  // one rank per node (2.23 to 2.30)
      return !reduces_all && shape.nodes == shape.ranks
                 ? Cell{9 + std::log2(shape.ranks) * kPatHopUs, kPatGbps * kNetworkShare}
                 : kNone;
    default: return kNone;
  }
}

Cell find_cell(const NcclLikeShape& shape, const Operation& operation, int algorithm,
               int protocol) {
  if (protocol > NCCL_PROTO_SIMPLE) return kNone;
  if (algorithm == NCCL_ALGO_RING) return ring_cell(shape, operation.func, protocol);
  if (operation.func == ncclFuncBroadcast || operation.func == ncclFuncReduce) return kNone;
  if (algorithm == NCCL_ALGO_TREE) {
    return operation.func == ncclFuncAllReduce ? tree_cell(shape, protocol) : kNone;
  }
  return protocol == NCCL_PROTO_SIMPLE ? simple_only_cell(shape, operation, algorithm) : kNone;
}

}  // namespace

void predict(const NcclLikeShape& shape, const Operation& operation, int algorithms, int protocols,
             std::span<float> table) {
  const double traffic = operation.func == ncclFuncAllReduce ? 2.0 : 1.0;
  for (int a = 0; a < algorithms; ++a) {
    const int latencies = a == NCCL_ALGO_RING
                              ? operation.pipe_ops
                              : (operation.pipe_ops + operation.batch - 1) / operation.batch;
    for (int p = 0; p < protocols; ++p) {
      const Cell cell = find_cell(shape, operation, a, p);
      const double us = cell.latency_us < 0 ? kImpossible
                                            : cell.latency_us * latencies +
                                                  traffic * static_cast<double>(operation.nbytes) /
                                                      (1000.0 * cell.gbps);
      table[static_cast<std::size_t>(a * protocols + p)] = static_cast<float>(us);
    }
  }
}

void restrict_table(const ReleaseFacts& facts, const NcclLikeShape& shape,
                    const Operation& operation, const EnvSelection& env, int algorithms,
                    int protocols, std::span<float> table) {
  for (int a = 0; a < algorithms; ++a) {
    for (int p = 0; p < protocols; ++p) {
      if (!env.allows(operation.func, a, p)) {
        table[static_cast<std::size_t>(a * protocols + p)] = -1.0f;
      }
    }
  }
  // The whole ring row, so that an ignored cell becomes -1024. AllGather and Broadcast are counted
  // in bytes by then and no longer FP8.
  const bool reduces = operation.func != ncclFuncAllGather && operation.func != ncclFuncBroadcast;
  if (!facts.inflates_fp8 || !operation.fp8 || !reduces || shape.ranks <= kFp8Ranks) return;
  const auto ring = table.subspan(static_cast<std::size_t>(NCCL_ALGO_RING * protocols),
                                  static_cast<std::size_t>(protocols));
  for (float& cost : ring) cost *= kFp8Factor;
}

}  // namespace vernier::contract
