// SPDX-License-Identifier: Apache-2.0
//
// The five symbols NCCL looks for, newest first; each is a few lines around Communicator. Every
// function returns ncclSuccess whatever happens: NCCL would fail the collective, or the creation of
// the communicator (and leave the other ranks waiting inside it), for anything else.
#include <optional>

#include "plugin/common/c_edge.hpp"
#include "plugin/common/nccl_library.hpp"
#include "plugin/tuner/communicator.hpp"
#include "vernier/abi/nccl_tuner.h"

namespace vernier {
namespace {

ncclResult_t init(int tuner_abi, void** context, std::optional<std::uint64_t> comm_id,
                  std::size_t nranks, std::size_t nnodes, ncclDebugLogger_t logger) noexcept {
  *context = nullptr;
  guard([&] {
    const CommunicatorFacts facts{tuner_abi, nranks, nnodes, find_nccl_version(logger), comm_id};
    *context = Communicator::create(facts, NcclLog(logger)).release();
  });
  return ncclSuccess;
}

// v2 to v4: context last.
template <int kAbi>
ncclResult_t init_before_v5(std::size_t nranks, std::size_t nnodes, ncclDebugLogger_t logger,
                            void** context) noexcept {
  return init(kAbi, context, std::nullopt, nranks, nnodes, logger);
}

// v5 and v6: context first. The constants are left as they are.
template <int kAbi>
ncclResult_t init_from_v5(void** context, std::uint64_t comm_id, std::size_t nranks,
                          std::size_t nnodes, ncclDebugLogger_t logger, ncclNvlDomainInfo_v5_t*,
                          ncclTunerConstants_v5_t*) noexcept {
  return init(kAbi, context, comm_id, nranks, nnodes, logger);
}

// HOT PATH. The table is declared float** but is the address of the first of
// algorithms x protocols floats.
ncclResult_t get_coll_info(void* context, ncclFunc_t collective, std::size_t nbytes, int,
                           float** costs, int algorithms, int protocols, int,
                           int* channels) noexcept {
  if (context != nullptr) {
    static_cast<Communicator*>(context)->get_coll_info(
        collective, nbytes, reinterpret_cast<float*>(costs), algorithms, protocols, channels);
  }
  return ncclSuccess;
}

ncclResult_t get_coll_info_v3(void* context, ncclFunc_t collective, std::size_t nbytes,
                              int pipe_ops, float** costs, int algorithms, int protocols,
                              int* channels) noexcept {
  return get_coll_info(context, collective, nbytes, pipe_ops, costs, algorithms, protocols, 0,
                       channels);
}

// Without a cost table nothing could be checked: NCCL 2.21 keeps its own choice.
ncclResult_t get_coll_info_v2(void*, ncclFunc_t, std::size_t, int, int, int, int*, int*,
                              int*) noexcept {
  return ncclSuccess;
}

ncclResult_t finalize(void* context) noexcept {
  delete static_cast<Communicator*>(context);
  return ncclSuccess;
}

}  // namespace
}  // namespace vernier

// `extern "C" const T x = ...` on one line each: inside a block, a C++ const would be internal.
#define VERNIER_EXPORT extern "C" __attribute__((visibility("default")))

VERNIER_EXPORT const ncclTuner_v2_t ncclTunerPlugin_v2 = {
    "vernier", vernier::init_before_v5<2>, vernier::get_coll_info_v2, vernier::finalize};
VERNIER_EXPORT const ncclTuner_v3_t ncclTunerPlugin_v3 = {
    "vernier", vernier::init_before_v5<3>, vernier::get_coll_info_v3, vernier::finalize};
VERNIER_EXPORT const ncclTuner_v4_t ncclTunerPlugin_v4 = {
    "vernier", vernier::init_before_v5<4>, vernier::get_coll_info, vernier::finalize};
VERNIER_EXPORT const ncclTuner_v5_t ncclTunerPlugin_v5 = {
    "vernier", vernier::init_from_v5<5>, vernier::get_coll_info, vernier::finalize};
// getChunkSize stays NULL: its bytes mean something else, and a value below one grain hangs.
VERNIER_EXPORT const ncclTuner_v6_t ncclTunerPlugin_v6 = {
    "vernier", vernier::init_from_v5<6>, vernier::get_coll_info, vernier::finalize, nullptr};
