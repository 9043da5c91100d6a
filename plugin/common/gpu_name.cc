// SPDX-License-Identifier: Apache-2.0
#include "plugin/common/gpu_name.hpp"

#include <dlfcn.h>

#include <array>

namespace vernier {

std::optional<std::string> find_gpu_name() {
  void* const cuda = dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY);
  if (cuda == nullptr) return std::nullopt;
  using CtxGetDevice = int (*)(int* device);
  using DeviceGetName = int (*)(char* name, int length, int device);
  const auto get_device = reinterpret_cast<CtxGetDevice>(dlsym(cuda, "cuCtxGetDevice"));
  const auto get_name = reinterpret_cast<DeviceGetName>(dlsym(cuda, "cuDeviceGetName"));
  std::optional<std::string> name;
  int device = 0;
  std::array<char, 256> text{};
  // Results are CUresult; 0 is CUDA_SUCCESS.
  if (get_device != nullptr && get_name != nullptr && get_device(&device) == 0 &&
      get_name(text.data(), static_cast<int>(text.size()) - 1, device) == 0) {
    name = text.data();
  }
  dlclose(cuda);
  return name;
}

}  // namespace vernier
