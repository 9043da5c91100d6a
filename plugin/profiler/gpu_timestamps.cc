// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/gpu_timestamps.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <numeric>
#include <system_error>

namespace vernier {
namespace {

// PTX that every driver of CUDA 12 and later translates for every GPU since Volta. The end of a
// kernel orders its write before the next kernel's; a release here costs 9 us a pair more (H200).
constexpr char kKernel[] = R"(
.version 7.0
.target sm_70
.address_size 64
.visible .entry vernier_timestamp(.param .u64 slot)
{
  .reg .u64 %rd<3>;
  ld.param.u64 %rd1, [slot];
  mov.u64 %rd2, %globaltimer;
  st.volatile.global.u64 [%rd1], %rd2;
  ret;
}
)";

std::string refused(const char* what, int result) {
  return fmt::format("{} failed (CUDA error {})", what, result);
}

}  // namespace

std::optional<std::string> GpuTimestamps::start() {
  const CudaDriver* const cuda = cuda_driver();
  if (cuda == nullptr) return "no libcuda.so.1 with CUDA 12 in this process";
  cuda_ = *cuda;
  if (cuda_.context_get_current(&context_) != kCudaSuccess || context_ == nullptr) {
    return "no CUDA context is current";
  }
  const RelaxedCaptureMode relaxed(cuda_);
  auto problem = load_kernel();
  if (!problem) problem = map_slots();
  if (!problem) problem = try_out();
  return problem;
}

std::optional<std::string> GpuTimestamps::load_kernel() {
  void* module = nullptr;
  if (const int result = cuda_.module_load_data(&module, kKernel)) {
    return refused("loading the kernel that reads the GPU's timer", result);
  }
  if (const int result = cuda_.module_get_function(&kernel_, module, "vernier_timestamp")) {
    return refused("finding the kernel that reads the GPU's timer", result);
  }
  return std::nullopt;
}

// Our own memory instead of CUDA's: it is still there when CUDA has ended at exit. Shared, so that
// a fork leaves these very pages with the parent.
std::optional<std::string> GpuTimestamps::map_slots() {
  constexpr std::size_t kBytes = kSlots * sizeof(Slot);
  void* const mapped =
      mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return "no memory: " + std::generic_category().message(errno);
  if (const int result = cuda_.host_register(mapped, kBytes, kHostRegisterDeviceMap)) {
    munmap(mapped, kBytes);
    return refused("giving the GPU access to memory of the host", result);
  }
  if (const int result = cuda_.host_get_device_pointer(&slots_on_device_, mapped, 0)) {
    return refused("giving the GPU access to memory of the host", result);
  }
  slots_ = static_cast<Slot*>(mapped);
  return std::nullopt;
}

// The first launch may load code, which waits for the GPU: not later, during a capture.
std::optional<std::string> GpuTimestamps::try_out() {
  constexpr std::size_t kTries = 64;
  void* stream = nullptr;
  if (const int failed = cuda_.stream_create(&stream, kStreamNonBlocking)) {
    return refused("making a stream", failed);
  }
  for (std::size_t slot = 0; slot < kTries; ++slot) (void)write(slot, stream);
  const int result = cuda_.stream_synchronize(stream);
  (void)cuda_.stream_destroy(stream);
  if (result != kCudaSuccess) {
    return refused("running the kernel that reads the GPU's timer", result);
  }
  for (std::size_t slot = 0; slot < kTries; ++slot) {
    if (read(slot) == 0) return "the kernel that reads the GPU's timer wrote nothing";
    if (slot != 0) tick_ns_ = std::gcd(tick_ns_, read(slot) - read(slot - 1));
  }
  return std::nullopt;
}

bool GpuTimestamps::write(std::size_t slot, void* stream) noexcept {
  std::uint64_t address = slots_on_device_ + slot * sizeof(Slot);
  void* arguments[] = {&address};
  return cuda_.launch_kernel(kernel_, 1, 1, 1, 1, 1, 1, 0, stream, arguments, nullptr) ==
         kCudaSuccess;
}

}  // namespace vernier
