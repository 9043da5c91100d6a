// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/api.h"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/contract/nccl_like/communicator.hpp"
#include "tests/contract/nccl_like/loader.hpp"
#include "tests/contract/nccl_like/logger.hpp"
#include "tests/contract/nccl_like/release_facts.hpp"

#define NCCL_LIKE_EXPORT extern "C" __attribute__((visibility("default")))

using namespace vernier::contract;

namespace {

std::atomic<const ReleaseFacts*> release{nullptr};
std::atomic<int> communicators{0};

ncclResult_t set_release(int code) {
  const ReleaseFacts* const facts = find_release(code);
  if (facts == nullptr || communicators != 0) return ncclInvalidArgument;
  release = facts;
  reset_loader();
  return ncclSuccess;
}

ncclResult_t create(const NcclLikeShape* shape, NcclLikeComm** comm) {
  *comm = nullptr;
  const ReleaseFacts* const facts = release;
  if (facts == nullptr || shape->ranks < 1 || shape->nodes < 1 || shape->channels < 1 ||
      shape->ranks % shape->nodes != 0) {
    return ncclInvalidArgument;
  }
  ncclResult_t result = ncclSuccess;
  *comm = NcclLikeComm::create(*facts, *shape, result).release();
  if (*comm != nullptr) ++communicators;
  return result;
}

ncclResult_t create_all(const NcclLikeShape* shape, NcclLikeComm** comms) {
  const auto ranks = static_cast<std::size_t>(shape->ranks);
  std::vector<ncclResult_t> results(ranks, ncclSuccess);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] { results[rank] = create(shape, &comms[rank]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const ncclResult_t result : results) {
    if (result != ncclSuccess) return result;
  }
  return ncclSuccess;
}

void destroy(NcclLikeComm* comm) {
  if (comm == nullptr) return;
  delete comm;
  --communicators;
}

}  // namespace

#ifndef NCCL_LIKE_HIDES_VERSION
NCCL_LIKE_EXPORT ncclResult_t ncclGetVersion(int* version) {
  const ReleaseFacts* const facts = release;
  if (version == nullptr || facts == nullptr) return ncclInvalidArgument;
  *version = facts->code;
  return ncclSuccess;
}
#endif

NCCL_LIKE_EXPORT const NcclLikeApi* nccl_like_api(void) {
  static const NcclLikeApi api = {
      set_release,
      [](const char* dir) { set_library_dir(dir); },
      create,
      create_all,
      destroy,
      [](const NcclLikeComm* comm, NcclLikeCommFacts* facts) { comm->describe(*facts); },
      [](NcclLikeComm* comm, const NcclLikeCall* call, NcclLikeOutcome* outcome) {
        comm->ask(*call, *outcome);
      },
      [](NcclLikeLoads* loads) { describe_loads(*loads); },
      logger(),
      count_lines,
      [](int index, NcclLikeLine* line) { read_line(index, *line); },
      clear_log,
  };
  return &api;
}
