// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/pair_rates.hpp"

#include <algorithm>
#include <array>

#include "tools/calibrate/live/cuda_driver.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::size_t kLargeBytes = std::size_t{64} << 20;
constexpr std::size_t kSmallBytes = 16;
constexpr int kLargeCopies = 4;
constexpr int kSmallCopies = 100;
constexpr int kRounds = 3;

// A GPU's context with a buffer, given back at the end.
struct MeasuredGpu {
  std::string address;
  CudaContext context = nullptr;
  CudaPointer buffer = 0;
};

class Gpus {
 public:
  explicit Gpus(const CudaDriver& cuda) : cuda_(cuda) {
    int count = 0;
    require_cuda(cuda.device_get_count(&count), "cuDeviceGetCount");
    for (int ordinal = 0; ordinal < count; ++ordinal) add(ordinal);
  }
  ~Gpus() {
    for (const MeasuredGpu& gpu : all_) {
      if (gpu.buffer == 0) continue;
      (void)cuda_.context_set_current(gpu.context);
      (void)cuda_.mem_free(gpu.buffer);
    }
  }
  Gpus(const Gpus&) = delete;
  Gpus& operator=(const Gpus&) = delete;
  [[nodiscard]] const std::vector<MeasuredGpu>& all() const { return all_; }

 private:
  void add(int ordinal) {
    CudaDevice device = 0;
    std::array<char, 64> id{};
    require_cuda(cuda_.device_get(&device, ordinal), "cuDeviceGet");
    require_cuda(cuda_.device_get_pci_bus_id(id.data(), static_cast<int>(id.size()), device),
                 "cuDeviceGetPCIBusId");
    MeasuredGpu& gpu = all_.emplace_back();
    gpu.address = id.data();
    std::transform(gpu.address.begin(), gpu.address.end(), gpu.address.begin(),
                   [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; });
    require_cuda(cuda_.primary_context_retain(&gpu.context, device), "cuDevicePrimaryCtxRetain");
    require_cuda(cuda_.context_set_current(gpu.context), "cuCtxSetCurrent");
    require_cuda(cuda_.mem_alloc(&gpu.buffer, kLargeBytes), "cuMemAlloc of 64 MiB");
  }

  const CudaDriver& cuda_;
  std::vector<MeasuredGpu> all_;
};

// Direct access where there can be; a refusal leaves the driver's way through host memory.
void enable_peer(const CudaDriver& cuda, const MeasuredGpu& a, const MeasuredGpu& b) {
  require_cuda(cuda.context_set_current(a.context), "cuCtxSetCurrent");
  (void)cuda.context_enable_peer_access(b.context, 0);
}

double time_copies_us(const CudaDriver& cuda, const MeasuredGpu& from, const MeasuredGpu& to,
                      std::size_t nbytes, int copies) {
  CudaStream stream = nullptr;
  CudaEvent start = nullptr;
  CudaEvent end = nullptr;
  require_cuda(cuda.stream_create(&stream, kStreamNonBlocking), "cuStreamCreate");
  require_cuda(cuda.event_create(&start, 0), "cuEventCreate");
  require_cuda(cuda.event_create(&end, 0), "cuEventCreate");
  const auto copy = [&] {
    require_cuda(
        cuda.memcpy_peer_async(to.buffer, to.context, from.buffer, from.context, nbytes, stream),
        "cuMemcpyPeerAsync");
  };
  copy();  // the first one sets up the way
  require_cuda(cuda.event_record(start, stream), "cuEventRecord");
  for (int i = 0; i < copies; ++i) copy();
  require_cuda(cuda.event_record(end, stream), "cuEventRecord");
  require_cuda(cuda.stream_synchronize(stream), "cuStreamSynchronize");
  float elapsed_ms = 0;
  require_cuda(cuda.event_elapsed_ms(&elapsed_ms, start, end), "cuEventElapsedTime");
  (void)cuda.event_destroy(start);
  (void)cuda.event_destroy(end);
  (void)cuda.stream_destroy(stream);
  return static_cast<double>(elapsed_ms) * 1e3 / copies;
}

PairRate measure(const CudaDriver& cuda, const MeasuredGpu& from, const MeasuredGpu& to) {
  require_cuda(cuda.context_set_current(from.context), "cuCtxSetCurrent");
  double large_us = 0;
  double small_us = 0;
  for (int round = 0; round < kRounds; ++round) {
    const double large = time_copies_us(cuda, from, to, kLargeBytes, kLargeCopies);
    const double small = time_copies_us(cuda, from, to, kSmallBytes, kSmallCopies);
    large_us = round == 0 ? large : std::min(large_us, large);
    small_us = round == 0 ? small : std::min(small_us, small);
  }
  const double gb_per_s = large_us > 0 ? static_cast<double>(kLargeBytes) / (large_us * 1e3) : 0;
  return {from.address, to.address, gb_per_s, small_us};
}

}  // namespace

std::vector<PairRate> measure_pair_rates() {
  const CudaDriver& cuda = cuda_driver();
  const Gpus gpus(cuda);
  std::vector<PairRate> rates;
  for (const MeasuredGpu& from : gpus.all()) {
    for (const MeasuredGpu& to : gpus.all()) {
      if (&from == &to) continue;
      enable_peer(cuda, from, to);
      enable_peer(cuda, to, from);
      rates.push_back(measure(cuda, from, to));
    }
  }
  return rates;
}

}  // namespace vernier::calibrate
