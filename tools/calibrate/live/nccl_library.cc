// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/nccl_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

namespace vernier::calibrate {
namespace {

constexpr int kFirstWithWindows = 22700;

template <typename Function>
void look_for(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
}

template <typename Function>
void find(void* library, const std::string& file, Function& function, const char* name) {
  look_for(library, function, name);
  if (function == nullptr) throw MachineError(fmt::format("{}: no {} in it", file, name));
}

}  // namespace

NcclLibrary open_nccl(const std::string& file) {
  void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw MachineError(fmt::format("cannot open {}: {}", file, dlerror()));
  NcclLibrary nccl{};
  ncclResult_t (*get_version)(int*) = nullptr;
  find(library, file, get_version, "ncclGetVersion");
  find(library, file, nccl.get_unique_id, "ncclGetUniqueId");
  find(library, file, nccl.comm_init_rank, "ncclCommInitRank");
  find(library, file, nccl.comm_destroy, "ncclCommDestroy");
  find(library, file, nccl.get_error_string, "ncclGetErrorString");
  find(library, file, nccl.all_reduce, "ncclAllReduce");
  find(library, file, nccl.all_gather, "ncclAllGather");
  find(library, file, nccl.reduce_scatter, "ncclReduceScatter");
  find(library, file, nccl.broadcast, "ncclBroadcast");
  find(library, file, nccl.reduce, "ncclReduce");
  find(library, file, nccl.group_start, "ncclGroupStart");
  find(library, file, nccl.group_end, "ncclGroupEnd");
  find(library, file, nccl.send, "ncclSend");
  find(library, file, nccl.recv, "ncclRecv");
  if (get_version(&nccl.version) != ncclSuccess) {
    throw MachineError(fmt::format("{}: ncclGetVersion failed", file));
  }
  Dl_info image{};
  nccl.path = dladdr(reinterpret_cast<void*>(get_version), &image) != 0 ? image.dli_fname : file;
  if (nccl.version >= kFirstWithWindows) {
    look_for(library, nccl.mem_alloc, "ncclMemAlloc");
    look_for(library, nccl.comm_window_register, "ncclCommWindowRegister");
  }
  return nccl;
}

}  // namespace vernier::calibrate
