// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/gpu.hpp"

#include <ctime>

namespace vernier::calibrate {
namespace {

// Without the times at which other processes had the processor.
double thread_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

}  // namespace

Gpu::Gpu(int ordinal) : cuda_(cuda_driver()) {
  CudaDevice device = 0;
  CudaContext context = nullptr;
  require_cuda(cuda_.device_get(&device, ordinal), "cuDeviceGet");
  require_cuda(cuda_.primary_context_retain(&context, device), "cuDevicePrimaryCtxRetain");
  require_cuda(cuda_.context_set_current(context), "cuCtxSetCurrent");
  require_cuda(cuda_.stream_create(&stream_, kStreamNonBlocking), "cuStreamCreate");
}

CudaPointer Gpu::allocate(std::size_t nbytes) {
  CudaPointer pointer = 0;
  require_cuda(cuda_.mem_alloc(&pointer, nbytes), "cuMemAlloc");
  return pointer;
}

void Gpu::upload(CudaPointer to, std::span<const std::uint8_t> bytes) {
  require_cuda(cuda_.memcpy_to_device(to, bytes.data(), bytes.size()), "cuMemcpyHtoD");
}

void Gpu::download(void* to, CudaPointer from, std::size_t nbytes) {
  require_cuda(cuda_.memcpy_to_host(to, from, nbytes), "cuMemcpyDtoH");
}

void Gpu::poison(CudaPointer to, std::size_t nbytes, std::uint8_t byte) {
  require_cuda(cuda_.memset_bytes(to, byte, nbytes), "cuMemsetD8");
  // On the default stream, which ours does not wait for.
  require_cuda(cuda_.context_synchronize(), "cuCtxSynchronize");
}

void Gpu::synchronize() { require_cuda(cuda_.stream_synchronize(stream_), "cuStreamSynchronize"); }

CudaEvent Gpu::event(std::size_t index) {
  while (events_.size() <= index) {
    CudaEvent made = nullptr;
    require_cuda(cuda_.event_create(&made, 0), "cuEventCreate");
    events_.push_back(made);
  }
  return events_[index];
}

void Gpu::time_graph(const std::function<void()>& run, int operations, std::span<float> times_us) {
  CudaGraph graph = nullptr;
  CudaGraphExec exec = nullptr;
  synchronize();
  require_cuda(cuda_.stream_begin_capture(stream_, kCaptureModeGlobal), "cuStreamBeginCapture");
  for (int i = 0; i < operations; ++i) run();
  require_cuda(cuda_.stream_end_capture(stream_, &graph), "cuStreamEndCapture");
  require_cuda(cuda_.graph_instantiate(&exec, graph, 0), "cuGraphInstantiate");
  // The first replay uploads the graph and lets the ranks meet.
  require_cuda(cuda_.graph_launch(exec, stream_), "cuGraphLaunch");
  require_cuda(cuda_.event_record(event(0), stream_), "cuEventRecord");
  for (std::size_t replay = 0; replay < times_us.size(); ++replay) {
    require_cuda(cuda_.graph_launch(exec, stream_), "cuGraphLaunch");
    require_cuda(cuda_.event_record(event(replay + 1), stream_), "cuEventRecord");
  }
  synchronize();
  for (std::size_t replay = 0; replay < times_us.size(); ++replay) {
    float elapsed_ms = 0;
    require_cuda(cuda_.event_elapsed_ms(&elapsed_ms, event(replay), event(replay + 1)),
                 "cuEventElapsedTime");
    times_us[replay] = elapsed_ms * 1e3f / static_cast<float>(operations);
  }
  require_cuda(cuda_.graph_exec_destroy(exec), "cuGraphExecDestroy");
  require_cuda(cuda_.graph_destroy(graph), "cuGraphDestroy");
}

float Gpu::time_eager(const std::function<void()>& run, int before, int operations) {
  synchronize();
  for (int i = 0; i < before; ++i) run();
  require_cuda(cuda_.event_record(event(0), stream_), "cuEventRecord");
  for (int i = 0; i < operations; ++i) run();
  require_cuda(cuda_.event_record(event(1), stream_), "cuEventRecord");
  synchronize();
  float elapsed_ms = 0;
  require_cuda(cuda_.event_elapsed_ms(&elapsed_ms, event(0), event(1)), "cuEventElapsedTime");
  return elapsed_ms * 1e3f / static_cast<float>(operations);
}

float Gpu::time_host(const std::function<void()>& run, int before, int operations) {
  synchronize();
  for (int i = 0; i < before; ++i) run();
  const double start_us = thread_us();
  for (int i = 0; i < operations; ++i) run();
  const double elapsed_us = thread_us() - start_us;
  synchronize();
  return static_cast<float>(elapsed_us / operations);
}

double Gpu::used_mib() const {
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  require_cuda(cuda_.mem_get_info(&free_bytes, &total_bytes), "cuMemGetInfo");
  return static_cast<double>(total_bytes - free_bytes) / (1 << 20);
}

}  // namespace vernier::calibrate
