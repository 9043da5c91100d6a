// SPDX-License-Identifier: Apache-2.0
//
// The NCCL functions that measuring needs, found at run time in the library that the deployment
// loads. Signatures are the same in NCCL 2.19 to 2.32, those of windows in 2.27 to 2.32.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "tools/calibrate/live/cuda_driver.hpp"
#include "vernier/abi/nccl_base.h"

namespace vernier::calibrate {

using NcclComm = struct NcclCommTag*;
struct NcclUniqueId {
  std::array<char, 128> bytes;
};
using NcclDataType = int;  // ncclDataType_t: 6 float16, 7 float32, 9 bfloat16
inline constexpr NcclDataType kNcclUint8 = 1;
inline constexpr NcclDataType kNcclFloat32 = 7;
using NcclRedOp = int;  // ncclRedOp_t
inline constexpr NcclRedOp kNcclSum = 0;
inline constexpr NcclRedOp kNcclMax = 2;
using NcclWindow = struct NcclWindowTag*;
inline constexpr int kNcclWindowSymmetric = 1;  // NCCL_WIN_COLL_SYMMETRIC

struct NcclLibrary {
  std::string path;  // as the loader resolved it
  int version;       // 22809 is 2.28.9
  ncclResult_t (*get_unique_id)(NcclUniqueId* id);
  ncclResult_t (*comm_init_rank)(NcclComm* comm, int ranks, NcclUniqueId id, int rank);
  ncclResult_t (*comm_destroy)(NcclComm comm);
  const char* (*get_error_string)(ncclResult_t result);
  ncclResult_t (*all_reduce)(const void* send, void* recv, std::size_t count, NcclDataType type,
                             NcclRedOp op, NcclComm comm, CudaStream stream);
  ncclResult_t (*all_gather)(const void* send, void* recv, std::size_t send_count,
                             NcclDataType type, NcclComm comm, CudaStream stream);
  ncclResult_t (*reduce_scatter)(const void* send, void* recv, std::size_t recv_count,
                                 NcclDataType type, NcclRedOp op, NcclComm comm, CudaStream stream);
  ncclResult_t (*broadcast)(const void* send, void* recv, std::size_t count, NcclDataType type,
                            int root, NcclComm comm, CudaStream stream);
  ncclResult_t (*reduce)(const void* send, void* recv, std::size_t count, NcclDataType type,
                         NcclRedOp op, int root, NcclComm comm, CudaStream stream);
  ncclResult_t (*group_start)();
  ncclResult_t (*group_end)();
  ncclResult_t (*send)(const void* from, std::size_t count, NcclDataType type, int peer,
                       NcclComm comm, CudaStream stream);
  ncclResult_t (*recv)(void* to, std::size_t count, NcclDataType type, int peer, NcclComm comm,
                       CudaStream stream);
  // Null where the library has none, as before NCCL 2.27. A window stays null, with ncclSuccess,
  // where the communicator has no symmetric memory (2.27 to 2.30: ncclCommWindowRegister,
  // comm->symmetricSupport).
  ncclResult_t (*mem_alloc)(void** pointer, std::size_t nbytes);
  ncclResult_t (*comm_window_register)(NcclComm comm, void* buffer, std::size_t nbytes,
                                       NcclWindow* window, int flags);
};

// Opens `file` (a path, or a name for the loader). Throws MachineError.
[[nodiscard]] NcclLibrary open_nccl(const std::string& file);

}  // namespace vernier::calibrate
