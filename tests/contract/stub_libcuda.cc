// SPDX-License-Identifier: Apache-2.0
//
// A libcuda.so.1 with one GPU, named by CONTRACT_GPU_NAME; an empty name stands for a thread
// without a current context. Results are CUresult.
#include <cstdlib>
#include <cstring>

extern "C" __attribute__((visibility("default"))) int cuCtxGetDevice(int* device) {
  const char* const name = std::getenv("CONTRACT_GPU_NAME");
  if (name == nullptr || *name == '\0') return 201;  // CUDA_ERROR_INVALID_CONTEXT
  *device = 3;
  return 0;
}

// Does not terminate a name that fills the buffer.
extern "C" __attribute__((visibility("default"))) int cuDeviceGetName(char* name, int length,
                                                                      int device) {
  if (device != 3) return 101;  // CUDA_ERROR_INVALID_DEVICE
  std::strncpy(name, std::getenv("CONTRACT_GPU_NAME"), static_cast<std::size_t>(length));
  return 0;
}
