// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/cuda_driver.hpp"

#include <dlfcn.h>

namespace vernier {
namespace {

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

std::optional<CudaDriver> find_cuda_driver() {
  // Never closed: whoever uses CUDA keeps it too.
  void* const library = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_NOW);
  if (library == nullptr) return std::nullopt;
  CudaDriver cuda{};
  const bool whole =
      find(library, "cuThreadExchangeStreamCaptureMode", cuda.exchange_capture_mode) &&
      find(library, "cuCtxGetCurrent", cuda.context_get_current) &&
      find(library, "cuCtxSetCurrent", cuda.context_set_current) &&
      find(library, "cuStreamCreate", cuda.stream_create) &&
      find(library, "cuEventCreate", cuda.event_create) &&
      find(library, "cuEventRecordWithFlags", cuda.event_record) &&
      find(library, "cuEventQuery", cuda.event_query) &&
      find(library, "cuEventElapsedTime", cuda.event_elapsed_ms);
  if (!whole) return std::nullopt;
  return cuda;
}

}  // namespace vernier
