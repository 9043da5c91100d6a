// SPDX-License-Identifier: Apache-2.0
//
// The CUDA driver functions that timing needs, from the libcuda that the process has loaded: we
// never load one. Names are those of CUDA 12.0 and later; results are CUresult.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vernier {

inline constexpr int kCudaSuccess = 0;
inline constexpr int kCaptureModeRelaxed = 2;
inline constexpr int kCaptureNone = 0;  // a stream's status
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr unsigned kHostRegisterDeviceMap = 2;

struct CudaDriver {
  int (*exchange_capture_mode)(int* mode);
  int (*context_get_current)(void** context);
  int (*module_load_data)(void** module, const void* image);
  int (*module_get_function)(void** function, void* module, const char* name);
  int (*host_register)(void* memory, std::size_t nbytes, unsigned flags);
  int (*host_get_device_pointer)(std::uint64_t* pointer, void* memory, unsigned flags);
  int (*stream_create)(void** stream, unsigned flags);
  int (*stream_synchronize)(void* stream);
  int (*stream_destroy)(void* stream);
  // function, grid and block in x, y and z, bytes of shared memory, stream, addresses of the
  // arguments, other options.
  int (*launch_kernel)(void* function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                       unsigned shared_nbytes, void* stream, void** arguments, void** extra);
  // stream, status, id, graph, dependencies and their number: any but the first two may be null.
  int (*stream_capture_info)(void* stream, int* status, std::uint64_t* id, void* graph,
                             void* dependencies, void* count);
};

// Null where the process has no libcuda, or one without these functions. The first call looks for
// it, and allocates; all give the same.
[[nodiscard]] const CudaDriver* cuda_driver();

// HOT PATH, of captures only. The id of the capture under way on `stream`, one of the process;
// 0 where there is none, or it cannot be told.
[[nodiscard]] std::uint64_t capture_id(void* stream) noexcept;

// While it lives, CUDA calls of this thread neither break nor join a capture of anybody's: what may
// wait for the GPU, called during a capture in global mode, as torch and vLLM capture, would end it
// with an error (measured, CUDA 13).
class RelaxedCaptureMode {
 public:
  explicit RelaxedCaptureMode(const CudaDriver& cuda) : cuda_(cuda) {
    changed_ = cuda_.exchange_capture_mode(&mode_) == kCudaSuccess;
  }
  ~RelaxedCaptureMode() {
    if (changed_) cuda_.exchange_capture_mode(&mode_);
  }
  RelaxedCaptureMode(const RelaxedCaptureMode&) = delete;
  RelaxedCaptureMode& operator=(const RelaxedCaptureMode&) = delete;

 private:
  const CudaDriver& cuda_;
  int mode_ = kCaptureModeRelaxed;  // then what it was before
  bool changed_;
};

}  // namespace vernier
