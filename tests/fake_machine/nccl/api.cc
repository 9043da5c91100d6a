// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/nccl/api.hpp"

#include <cstdio>
#include <memory>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "tests/fake_machine/cuda/work.hpp"
#include "tests/fake_machine/nccl/comm_id.hpp"
#include "tests/fake_machine/nccl/communicator.hpp"
#include "tests/fake_machine/nccl/data.hpp"

namespace vernier::fake_machine {

struct CommHandle {
  std::shared_ptr<Communicator> comm;
};

namespace {

std::unordered_set<CommHandle*>& handles() {
  static auto* const all = new std::unordered_set<CommHandle*>;  // never destroyed
  return *all;
}

ncclResult_t run(CommHandle* handle, Stream* stream, const Call& call) {
  if (handles().count(handle) == 0) return ncclInvalidArgument;
  return handle->comm->call(call, stream);
}

const std::byte* bytes(const void* pointer) { return static_cast<const std::byte*>(pointer); }
std::byte* bytes(void* pointer) { return static_cast<std::byte*>(pointer); }

// What ncclSend and ncclRecv said since ncclGroupStart. One of each, of one communicator and
// stream, is all that is known here.
struct Group {
  int depth = 0;
  int sends = 0;
  int recvs = 0;
  CommHandle* comm = nullptr;
  Stream* stream = nullptr;
  Exchange exchange{};
};
Group& group() {
  static Group one;
  return one;
}

ncclResult_t add_to_group(CommHandle* comm, Stream* stream, int& count) {
  Group& all = group();
  if (handles().count(comm) == 0) return ncclInvalidArgument;
  if (all.depth == 0 || count > 0 || (all.comm != nullptr && all.comm != comm)) {
    std::fprintf(stderr, "fake NCCL: only one send and one receive in a group are known\n");
    return ncclInvalidUsage;
  }
  ++count;
  all.comm = comm;
  all.stream = stream;
  return ncclSuccess;
}

}  // namespace
}  // namespace vernier::fake_machine

using namespace vernier::fake_machine;

ncclResult_t ncclGetVersion(int* version) {
  if (version == nullptr) return ncclInvalidArgument;
  *version = nccl_version();
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(UniqueId* id) {
  if (id == nullptr) return ncclInvalidArgument;
  *id = make_unique_id();
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(CommHandle** comm, int ranks, UniqueId id, int rank) {
  if (comm == nullptr || ranks < 1 || ranks > Meeting::kMaxRanks || rank < 0 || rank >= ranks) {
    return ncclInvalidArgument;
  }
  if (fake_cuda_current_device() < 0) return ncclUnhandledCudaError;
  try {
    if (const std::string address = comm_id_address(); !address.empty()) {
      // NCCL would create it, under the commId and at the port of the first.
      if (!handles().empty()) {
        std::fprintf(stderr, "fake NCCL: NCCL_COMM_ID is still set for a second communicator\n");
        return ncclInvalidUsage;
      }
      id = meet_at(address, ranks, rank, make_unique_id());
    }
    const auto content = read_unique_id(id);
    if (!content) return ncclInvalidArgument;
    ncclResult_t result = ncclSuccess;
    std::shared_ptr<Communicator> made = Communicator::create(*content, ranks, rank, result);
    if (made == nullptr) return result;
    *comm = new CommHandle{std::move(made)};
    handles().insert(*comm);
    return ncclSuccess;
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "fake NCCL: %s\n", error.what());
    return ncclSystemError;
  }
}

ncclResult_t ncclCommDestroy(CommHandle* comm) {
  if (comm == nullptr) return ncclSuccess;
  if (handles().erase(comm) == 0) return ncclInvalidArgument;
  delete comm;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess: return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError: return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInternalError:
      return "internal error - please report this issue to the NCCL developers";
    case ncclInvalidArgument: return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclInvalidUsage: return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError: return "remote process exited or there was a network error";
    case ncclInProgress: return "NCCL operation in progress";
  }
  return "unknown result code";
}

ncclResult_t ncclAllReduce(const void* send, void* recv, std::size_t count, int type, int op,
                           CommHandle* comm, Stream* stream) {
  return run(comm, stream, {ncclFuncAllReduce, bytes(send), bytes(recv), count, type, op, 0});
}

ncclResult_t ncclAllGather(const void* send, void* recv, std::size_t send_count, int type,
                           CommHandle* comm, Stream* stream) {
  return run(comm, stream,
             {ncclFuncAllGather, bytes(send), bytes(recv), send_count, type, kSum, 0});
}

ncclResult_t ncclReduceScatter(const void* send, void* recv, std::size_t recv_count, int type,
                               int op, CommHandle* comm, Stream* stream) {
  return run(comm, stream,
             {ncclFuncReduceScatter, bytes(send), bytes(recv), recv_count, type, op, 0});
}

ncclResult_t ncclBroadcast(const void* send, void* recv, std::size_t count, int type, int root,
                           CommHandle* comm, Stream* stream) {
  return run(comm, stream, {ncclFuncBroadcast, bytes(send), bytes(recv), count, type, kSum, root});
}

ncclResult_t ncclReduce(const void* send, void* recv, std::size_t count, int type, int op, int root,
                        CommHandle* comm, Stream* stream) {
  return run(comm, stream, {ncclFuncReduce, bytes(send), bytes(recv), count, type, op, root});
}

ncclResult_t ncclGroupStart() {
  ++group().depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group().depth == 0) return ncclInvalidUsage;
  if (--group().depth > 0) return ncclSuccess;
  const Group all = std::exchange(group(), Group{});
  if (all.comm == nullptr) return ncclSuccess;
  if (all.sends != 1 || all.recvs != 1) return ncclInvalidUsage;
  return all.comm->comm->exchange(all.exchange, all.stream);
}

ncclResult_t ncclSend(const void* from, std::size_t count, int type, int peer, CommHandle* comm,
                      Stream* stream) {
  const ncclResult_t result = add_to_group(comm, stream, group().sends);
  if (result != ncclSuccess) return result;
  Exchange& exchange = group().exchange;
  exchange.send = bytes(from);
  exchange.send_bytes = count * element_bytes(type);
  exchange.to = peer;
  return ncclSuccess;
}

ncclResult_t ncclRecv(void* to, std::size_t count, int type, int peer, CommHandle* comm,
                      Stream* stream) {
  const ncclResult_t result = add_to_group(comm, stream, group().recvs);
  if (result != ncclSuccess) return result;
  Exchange& exchange = group().exchange;
  exchange.recv = bytes(to);
  exchange.recv_bytes = count * element_bytes(type);
  exchange.from = peer;
  return ncclSuccess;
}

ncclResult_t ncclMemAlloc(void** pointer, std::size_t nbytes) {
  if (pointer == nullptr || nbytes == 0) return ncclInvalidArgument;
  unsigned long long address = 0;
  if (cuMemAlloc_v2(&address, nbytes) != kCudaSuccess) return ncclUnhandledCudaError;
  *pointer = reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));
  return ncclSuccess;
}

ncclResult_t ncclCommWindowRegister(CommHandle* comm, void* buffer, std::size_t nbytes,
                                    void** window, int flags) {
  constexpr int kSymmetric = 1;
  if (handles().count(comm) == 0 || window == nullptr || flags != kSymmetric) {
    return ncclInvalidArgument;
  }
  return comm->comm->register_window(bytes(buffer), nbytes, window);
}
