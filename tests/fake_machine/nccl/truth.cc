// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/truth.hpp"

#include <algorithm>
#include <cmath>

#include "tests/contract/nccl_like/cost_model.hpp"

namespace vernier::fake_machine {
namespace {

constexpr std::size_t kKib = 1024;
constexpr std::size_t kMib = 1024 * kKib;
constexpr float kDistrust = 1.05f;  // a wrong prediction makes the better cell lose by this
constexpr double kTreeGain = 1.3;
constexpr double kLl128Gain = 1.25;
constexpr double kFewerChannels = 0.3;   // per halving, roughly
constexpr double kMoreChannels = 0.005;  // per doubling

constexpr int cell_of(int algorithm, int protocol) { return algorithm * kProtocols + protocol; }

float& at(std::vector<float>& table, int cell) { return table[static_cast<std::size_t>(cell)]; }

float cheapest(const std::vector<float>& table) {
  float best = -1;
  for (const float us : table) {
    if (us >= 0 && (best < 0 || us < best)) best = us;
  }
  return best;
}

}  // namespace

std::vector<float> predict_us(const NcclLikeShape& shape, ncclFunc_t func, std::size_t total_bytes,
                              bool fp8, int algorithms) {
  std::vector<float> table(static_cast<std::size_t>(algorithms * kProtocols));
  contract::predict(shape, {func, total_bytes, 1, 1, fp8}, algorithms, kProtocols, table);
  if (shape.nodes > 1 && func == ncclFuncAllReduce) {
    const auto ring = table.begin() + cell_of(NCCL_ALGO_RING, 0);
    const float floor_us = kDistrust * *std::min_element(ring, ring + kProtocols);
    for (int protocol = 0; protocol < kProtocols; ++protocol) {
      float& us = at(table, cell_of(NCCL_ALGO_TREE, protocol));
      us = std::max(us, floor_us);
    }
  }
  if (shape.nodes == 1 && func == ncclFuncAllGather && total_bytes >= 2 * kMib) {
    const float simple_us = at(table, cell_of(NCCL_ALGO_RING, NCCL_PROTO_SIMPLE));
    for (const int protocol : {NCCL_PROTO_LL, NCCL_PROTO_LL128}) {
      float& us = at(table, cell_of(NCCL_ALGO_RING, protocol));
      us = std::max(us, kDistrust * simple_us);
    }
  }
  return table;
}

double true_us(const NcclLikeShape& shape, ncclFunc_t func, std::size_t total_bytes,
               const std::vector<float>& predicted_us, int cell, int channels,
               int default_channels) {
  const double best_us = cheapest(predicted_us);
  double us = predicted_us[static_cast<std::size_t>(cell)];
  if (shape.nodes > 1 && func == ncclFuncAllReduce && total_bytes >= 16 * kKib &&
      total_bytes <= 256 * kKib && cell == cell_of(NCCL_ALGO_TREE, NCCL_PROTO_LL)) {
    us = best_us / kTreeGain;
  }
  if (shape.nodes == 1 && func == ncclFuncAllGather && total_bytes >= 2 * kMib &&
      cell == cell_of(NCCL_ALGO_RING, NCCL_PROTO_LL128)) {
    us = best_us / kLl128Gain;
  }
  const double doublings = std::log2(static_cast<double>(channels) / default_channels);
  return us * (doublings < 0 ? 1 - kFewerChannels * doublings : 1 + kMoreChannels * doublings);
}

double windows_factor(std::size_t total_bytes) { return total_bytes <= 32 * kKib ? 0.6 : 1.5; }

}  // namespace vernier::fake_machine
