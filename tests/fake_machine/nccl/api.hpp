// SPDX-License-Identifier: Apache-2.0
//
// The functions that the fake libnccl.so.2 exports. Signatures are NCCL's, 2.19 to 2.32.
#pragma once

#include <array>
#include <cstddef>

#include "tests/fake_machine/cuda/api.hpp"
#include "vernier/abi/nccl_base.h"

namespace vernier::fake_machine {

struct CommHandle;  // ncclComm_t points at one

struct UniqueId {
  std::array<char, 128> bytes;
};

// ncclDataType_t and ncclRedOp_t, as far as they are named here.
enum : int { kUint8 = 1, kInt32 = 2, kFloat16 = 6, kFloat32 = 7, kFloat64 = 8, kBfloat16 = 9 };
enum : int { kSum = 0, kProduct = 1, kMax = 2, kMin = 3 };

}  // namespace vernier::fake_machine

extern "C" {
FAKE_MACHINE_EXPORT ncclResult_t ncclGetVersion(int* version);
FAKE_MACHINE_EXPORT ncclResult_t ncclGetUniqueId(vernier::fake_machine::UniqueId* id);
FAKE_MACHINE_EXPORT ncclResult_t ncclCommInitRank(vernier::fake_machine::CommHandle** comm,
                                                  int ranks, vernier::fake_machine::UniqueId id,
                                                  int rank);
FAKE_MACHINE_EXPORT ncclResult_t ncclCommDestroy(vernier::fake_machine::CommHandle* comm);
FAKE_MACHINE_EXPORT const char* ncclGetErrorString(ncclResult_t result);
FAKE_MACHINE_EXPORT ncclResult_t ncclAllReduce(const void* send, void* recv, std::size_t count,
                                               int type, int op,
                                               vernier::fake_machine::CommHandle* comm,
                                               vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT ncclResult_t ncclAllGather(const void* send, void* recv, std::size_t send_count,
                                               int type, vernier::fake_machine::CommHandle* comm,
                                               vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT ncclResult_t ncclReduceScatter(const void* send, void* recv,
                                                   std::size_t recv_count, int type, int op,
                                                   vernier::fake_machine::CommHandle* comm,
                                                   vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT ncclResult_t ncclBroadcast(const void* send, void* recv, std::size_t count,
                                               int type, int root,
                                               vernier::fake_machine::CommHandle* comm,
                                               vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT ncclResult_t ncclReduce(const void* send, void* recv, std::size_t count,
                                            int type, int op, int root,
                                            vernier::fake_machine::CommHandle* comm,
                                            vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT ncclResult_t ncclGroupStart();
FAKE_MACHINE_EXPORT ncclResult_t ncclGroupEnd();
FAKE_MACHINE_EXPORT ncclResult_t ncclSend(const void* from, std::size_t count, int type, int peer,
                                          vernier::fake_machine::CommHandle* comm,
                                          vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT ncclResult_t ncclRecv(void* to, std::size_t count, int type, int peer,
                                          vernier::fake_machine::CommHandle* comm,
                                          vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT ncclResult_t ncclMemAlloc(void** pointer, std::size_t nbytes);
FAKE_MACHINE_EXPORT ncclResult_t ncclCommWindowRegister(vernier::fake_machine::CommHandle* comm,
                                                        void* buffer, std::size_t nbytes,
                                                        void** window, int flags);
}
