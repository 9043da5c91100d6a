// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/kernel_timer.hpp"

#include "plugin/common/process_lifetime.hpp"

namespace vernier {
namespace {

constexpr std::uint64_t kNoStart = ~std::uint64_t{0};
// Longer is no kernel, but a torn pair of times.
constexpr std::uint64_t kLongestNs = 600'000'000'000;

// Not a function's: asked for with every event, it needs no guard.
constinit ProcessLifetime<KernelTimer> timer;

}  // namespace

KernelTimer& KernelTimer::instance() { return *timer; }

// Places are taken in turn. One that is still under way after a whole turn has lost its events (a
// communicator was aborted): it is used again, and late events of it find another use.
void* KernelTimer::begin(const Call* call, std::uint8_t channels) noexcept {
  if (!enabled() || call == nullptr || channels == 0) return nullptr;
  const std::uint32_t place = next_.fetch_add(1, std::memory_order_relaxed) % kKernels;
  Kernel& kernel = kernels_[place];
  std::uint32_t use = kernel.use.load(std::memory_order_acquire);
  const bool unread = use % 2 == 0 && kernel.call.load(std::memory_order_acquire) != nullptr;
  if (unread || use % 2 == 1) lost_.fetch_add(1, std::memory_order_relaxed);
  if (unread) return nullptr;
  const std::uint32_t mine = use + (use % 2 == 0 ? 1 : 2);
  if (!kernel.use.compare_exchange_strong(use, mine, std::memory_order_acq_rel)) return nullptr;
  kernel.call.store(call, std::memory_order_relaxed);
  kernel.start_ns.store(kNoStart, std::memory_order_relaxed);
  kernel.stop_ns.store(0, std::memory_order_relaxed);
  kernel.channels_left.store(channels, std::memory_order_release);
  return reinterpret_cast<void*>(kTag | std::uintptr_t{mine & 0x7fffffffu} << 32 | place);
}

KernelTimer::Kernel* KernelTimer::find(void* handle) noexcept {
  const auto bits = reinterpret_cast<std::uintptr_t>(handle);
  Kernel& kernel = kernels_[(bits & 0xffffffffu) % kKernels];
  const std::uint32_t use = kernel.use.load(std::memory_order_acquire);
  return (use & 0x7fffffffu) == ((bits >> 32) & 0x7fffffffu) ? &kernel : nullptr;
}

// One thread tells of all channels of a communicator: no two write one kernel.
void KernelTimer::channel_started(void* handle, std::uint64_t gpu_ns) noexcept {
  Kernel* const kernel = find(handle);
  if (kernel == nullptr) return;
  if (gpu_ns < kernel->start_ns.load(std::memory_order_relaxed)) {
    kernel->start_ns.store(gpu_ns, std::memory_order_relaxed);
  }
}

void KernelTimer::channel_stopped(void* handle, std::uint64_t gpu_ns) noexcept {
  Kernel* const kernel = find(handle);
  if (kernel == nullptr) return;
  if (gpu_ns > kernel->stop_ns.load(std::memory_order_relaxed)) {
    kernel->stop_ns.store(gpu_ns, std::memory_order_relaxed);
  }
  if (kernel->channels_left.fetch_sub(1, std::memory_order_relaxed) == 1) {
    kernel->use.fetch_add(1, std::memory_order_release);  // even: to be read
  }
}

void KernelTimer::read(LatencyBook& book, RawLog& raw) {
  if (!enabled()) return;
  for (Kernel& kernel : kernels_) {
    if (kernel.use.load(std::memory_order_acquire) % 2 == 1) continue;
    const Call* const call = kernel.call.load(std::memory_order_relaxed);
    if (call == nullptr) continue;
    const std::uint64_t start_ns = kernel.start_ns.load(std::memory_order_relaxed);
    const std::uint64_t stop_ns = kernel.stop_ns.load(std::memory_order_relaxed);
    const bool sound = start_ns != 0 && start_ns <= stop_ns && stop_ns - start_ns < kLongestNs;
    if (sound) raw.add(*call, start_ns, stop_ns);
    if (!sound || !book.add(call, stop_ns - start_ns, false)) {
      lost_.fetch_add(1, std::memory_order_relaxed);
    }
    kernel.call.store(nullptr, std::memory_order_release);  // free
  }
}

}  // namespace vernier
