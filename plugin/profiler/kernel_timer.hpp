// SPDX-License-Identifier: Apache-2.0
//
// How long every kernel takes on the GPU, from the times that NCCL's own kernels write: one start
// and one stop for each channel (KernelCh events, NCCL 2.27 and later). Costs microseconds a
// kernel, in graphs too: NCCL puts a callback before each.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "plugin/profiler/latency_book.hpp"
#include "plugin/profiler/raw_log.hpp"

namespace vernier {

class KernelTimer {
 public:
  static constexpr std::size_t kKernels = 8192;  // under way at one time

  static KernelTimer& instance();

  void enable() noexcept { enabled_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool enabled() const noexcept { return enabled_.load(std::memory_order_relaxed); }

  // HOT PATH, any thread: a kernel is enqueued. The handle is for its channels' events; null where
  // it cannot be followed.
  void* begin(const Call* call, std::uint8_t channels) noexcept;

  // Whether a handle of NCCL's is one of begin()'s.
  [[nodiscard]] static bool owns(const void* handle) noexcept {
    return (reinterpret_cast<std::uintptr_t>(handle) & kTag) != 0;
  }

  // HOT PATH, NCCL's proxy thread: a channel of that kernel began or ended, in ns of the GPU's
  // timer. Of kernels that are no longer followed nothing is kept.
  void channel_started(void* handle, std::uint64_t gpu_ns) noexcept;
  void channel_stopped(void* handle, std::uint64_t gpu_ns) noexcept;

  // The rest is for the thread that reads.

  void read(LatencyBook& book, RawLog& raw);
  // Kernels that were not timed: too many were under way, or what came back made no sense.
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  // No address of a user's process on x86-64 or aarch64 has this bit.
  static constexpr std::uintptr_t kTag = std::uintptr_t{1} << 63;

  struct Kernel {
    // Counts up with each use; odd while kernels are under way, even when it can be read or is
    // free.
    std::atomic<std::uint32_t> use = 0;
    std::atomic<std::uint32_t> channels_left = 0;
    std::atomic<const Call*> call = nullptr;
    std::atomic<std::uint64_t> start_ns = 0;
    std::atomic<std::uint64_t> stop_ns = 0;
  };
  Kernel* find(void* handle) noexcept;

  std::atomic<bool> enabled_ = false;
  std::atomic<std::uint32_t> next_ = 0;
  std::atomic<std::uint64_t> lost_ = 0;
  std::array<Kernel, kKernels> kernels_;
};

}  // namespace vernier
