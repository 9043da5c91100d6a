// SPDX-License-Identifier: Apache-2.0
#include "plugin/common/nccl_library.hpp"

#include <dlfcn.h>

namespace vernier {

std::optional<int> find_nccl_version(ncclDebugLogger_t logger) {
  Dl_info image{};
  if (logger == nullptr || dladdr(reinterpret_cast<void*>(logger), &image) == 0) {
    return std::nullopt;
  }
  // Opening by path works where Python loaded libnccl RTLD_LOCAL; NOLOAD never maps a second copy.
  void* const handle = dlopen(image.dli_fname, RTLD_NOLOAD | RTLD_LAZY);
  if (handle == nullptr) return std::nullopt;
  std::optional<int> version;
  using GetVersion = ncclResult_t (*)(int*);
  void* const symbol = dlsym(handle, "ncclGetVersion");
  // dlsym also searches what the image depends on; only the image's own answer counts.
  Dl_info owner{};
  if (symbol != nullptr && dladdr(symbol, &owner) != 0 && owner.dli_fbase == image.dli_fbase) {
    int code = 0;
    if (reinterpret_cast<GetVersion>(symbol)(&code) == ncclSuccess) version = code;
  }
  dlclose(handle);
  return version;
}

}  // namespace vernier
