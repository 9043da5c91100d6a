// SPDX-License-Identifier: Apache-2.0
//
// One GPU with one stream: memory, graph captures, and the time that work takes on it. Everything
// throws MachineError; everything but `run`'s work is synchronous.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "tools/calibrate/live/cuda_driver.hpp"

namespace vernier::calibrate {

class Gpu {
 public:
  // Makes the device's primary context, which NCCL uses too, current to this thread.
  explicit Gpu(int ordinal);

  [[nodiscard]] CudaStream stream() const { return stream_; }

  [[nodiscard]] CudaPointer allocate(std::size_t nbytes);  // lives as long as the process
  void upload(CudaPointer to, std::span<const std::uint8_t> bytes);
  void download(void* to, CudaPointer from, std::size_t nbytes);
  void poison(CudaPointer to, std::size_t nbytes, std::uint8_t byte);
  void synchronize();

  // Captures `operations` calls of `run` into a fresh graph, replays it once untimed and then once
  // for each of `times_us`: microseconds per operation.
  void time_graph(const std::function<void()>& run, int operations, std::span<float> times_us);

  // Microseconds per operation of `operations` calls, behind `before` untimed ones: on the GPU, and
  // the processor time of this thread.
  [[nodiscard]] float time_eager(const std::function<void()>& run, int before, int operations);
  [[nodiscard]] float time_host(const std::function<void()>& run, int before, int operations);

  [[nodiscard]] double used_mib() const;

 private:
  CudaEvent event(std::size_t index);  // made when first needed

  const CudaDriver& cuda_;
  CudaStream stream_ = nullptr;
  std::vector<CudaEvent> events_;
};

}  // namespace vernier::calibrate
