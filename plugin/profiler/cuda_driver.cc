// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/cuda_driver.hpp"

#include <dlfcn.h>

#include <optional>

namespace vernier {
namespace {

template <typename Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

std::optional<CudaDriver> find_cuda_driver() {
  // Never closed: whoever uses CUDA keeps it too.
  void* const library = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_NOW);
  if (library == nullptr) return std::nullopt;
  CudaDriver cuda{};
  const bool whole =
      find(library, "cuThreadExchangeStreamCaptureMode", cuda.exchange_capture_mode) &&
      find(library, "cuCtxGetCurrent", cuda.context_get_current) &&
      find(library, "cuModuleLoadData", cuda.module_load_data) &&
      find(library, "cuModuleGetFunction", cuda.module_get_function) &&
      find(library, "cuMemHostRegister_v2", cuda.host_register) &&
      find(library, "cuMemHostGetDevicePointer_v2", cuda.host_get_device_pointer) &&
      find(library, "cuStreamCreate", cuda.stream_create) &&
      find(library, "cuStreamSynchronize", cuda.stream_synchronize) &&
      find(library, "cuStreamDestroy_v2", cuda.stream_destroy) &&
      find(library, "cuLaunchKernel", cuda.launch_kernel) &&
      find(library, "cuStreamGetCaptureInfo_v2", cuda.stream_capture_info);
  if (!whole) return std::nullopt;
  return cuda;
}

}  // namespace

const CudaDriver* cuda_driver() {
  static const std::optional<CudaDriver> cuda = find_cuda_driver();
  return cuda ? &*cuda : nullptr;
}

std::uint64_t capture_id(void* stream) noexcept {
  const CudaDriver* const cuda = cuda_driver();
  int status = kCaptureNone;
  std::uint64_t id = 0;
  if (cuda == nullptr ||
      cuda->stream_capture_info(stream, &status, &id, nullptr, nullptr, nullptr) != kCudaSuccess) {
    return 0;
  }
  return status == kCaptureNone ? 0 : id;
}

}  // namespace vernier
