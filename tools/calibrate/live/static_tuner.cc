// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/static_tuner.hpp"

#include "vernier/abi/nccl_tuner.h"
#include "vernier/decide.hpp"

namespace vernier {
namespace calibrate {
namespace {

struct State {
  Configuration forced;
  SeenCall seen;
  bool control = false;
  int nodes = 0;
};

State& state() {
  static State* const one = new State;  // NCCL may ask until the process ends
  return *one;
}

void create(void** context, std::size_t nodes) {
  State& s = state();
  *context = s.control ? nullptr : &s;
  if (!s.control) s.nodes = static_cast<int>(nodes);
}

// The forced cell becomes the cheapest, by as little as the plugin does it.
void answer(State& s, float* costs, int algorithms, int protocols, int* channels) {
  const int cells = algorithms * protocols;
  s.seen.algorithms = algorithms;
  s.seen.protocols = protocols;
  s.seen.costs_us.assign(costs, costs + cells);
  s.seen.usable = true;
  ++s.seen.calls;
  if (!s.forced.choice) return;
  const int cell = static_cast<int>(s.forced.choice->algorithm) * protocols +
                   static_cast<int>(s.forced.choice->protocol);
  const std::uint32_t best = detail::cheapest(costs, cells);
  s.seen.usable = cell < cells && detail::bits_of(costs[cell]) < detail::kUnusableBits && best > 1;
  if (!s.seen.usable) return;
  if (!detail::is_own_choice({costs, algorithms, protocols}, cell, best)) {
    costs[cell] = std::bit_cast<float>(best - 1);
  }
  if (s.forced.channels > 0) *channels = s.forced.channels;
}

ncclResult_t init_before_v5(std::size_t, std::size_t nodes, ncclDebugLogger_t,
                            void** context) noexcept {
  create(context, nodes);
  return ncclSuccess;
}

ncclResult_t init_from_v5(void** context, std::uint64_t, std::size_t, std::size_t nodes,
                          ncclDebugLogger_t, ncclNvlDomainInfo_v5_t*,
                          ncclTunerConstants_v5_t*) noexcept {
  create(context, nodes);
  return ncclSuccess;
}

ncclResult_t get_coll_info(void* context, ncclFunc_t, std::size_t, int, float** costs,
                           int algorithms, int protocols, int, int* channels) noexcept {
  if (context != nullptr) {
    answer(*static_cast<State*>(context), reinterpret_cast<float*>(costs), algorithms, protocols,
           channels);
  }
  return ncclSuccess;
}

ncclResult_t get_coll_info_v3(void* context, ncclFunc_t collective, std::size_t nbytes,
                              int pipe_ops, float** costs, int algorithms, int protocols,
                              int* channels) noexcept {
  return get_coll_info(context, collective, nbytes, pipe_ops, costs, algorithms, protocols, 0,
                       channels);
}

ncclResult_t finalize(void*) noexcept { return ncclSuccess; }

}  // namespace

bool has_static_plugin(int nccl_version) { return nccl_version >= 22200 && nccl_version != 22703; }

void force(const Configuration& configuration) { state().forced = configuration; }
const SeenCall& last_call() { return state().seen; }
void create_for_control(bool control) { state().control = control; }
int seen_nodes() { return state().nodes; }

}  // namespace calibrate
}  // namespace vernier

// Names that NCCL looks up in the executable; tools/exports.list keeps them in its dynamic table.
#define VERNIER_EXPORT extern "C" __attribute__((visibility("default"), used))
namespace tuner = vernier::calibrate;
VERNIER_EXPORT const ncclTuner_v3_t ncclTunerPlugin_v3 = {
    "vernier-calibrate", tuner::init_before_v5, tuner::get_coll_info_v3, tuner::finalize};
VERNIER_EXPORT const ncclTuner_v4_t ncclTunerPlugin_v4 = {
    "vernier-calibrate", tuner::init_before_v5, tuner::get_coll_info, tuner::finalize};
VERNIER_EXPORT const ncclTuner_v5_t ncclTunerPlugin_v5 = {"vernier-calibrate", tuner::init_from_v5,
                                                          tuner::get_coll_info, tuner::finalize};
VERNIER_EXPORT const ncclTuner_v6_t ncclTunerPlugin_v6 = {
    "vernier-calibrate", tuner::init_from_v5, tuner::get_coll_info, tuner::finalize, nullptr};
