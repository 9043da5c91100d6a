// SPDX-License-Identifier: Apache-2.0
//
// When a stream of the GPU gets somewhere: a kernel of one thread writes the GPU's timer into
// memory of the host. A captured one is a node of its graph, and writes anew at each replay;
// whoever reads needs no CUDA. (Two event nodes cost a graph 3 to 90 us, two of these nothing that
// shows: docs/profiler-measurements.md.)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "plugin/profiler/cuda_driver.hpp"

namespace vernier {

class GpuTimestamps {
 public:
  static constexpr std::size_t kSlots = 2048;

  // Once, under the context of the GPU whose streams will be written on; before NCCL runs anything
  // there, as it waits for the GPU. Returns what stands in the way, in words.
  [[nodiscard]] std::optional<std::string> start();

  // HOT PATH. The timer is to be written to `slot` when `stream`, of start()'s context, gets there.
  // False where CUDA refuses.
  [[nodiscard]] bool write(std::size_t slot, void* stream) noexcept;

  // ns of the GPU's timer; 0: nothing has been written. Of two slots that one stream writes, who
  // sees the later writing sees the earlier one too.
  [[nodiscard]] std::uint64_t read(std::size_t slot) const noexcept {
    return slots_[slot].load(std::memory_order_acquire);
  }
  void clear(std::size_t slot) noexcept { slots_[slot].store(0, std::memory_order_relaxed); }

  // What start() saw the timer advance by at least.
  [[nodiscard]] std::uint64_t tick_ns() const { return tick_ns_; }
  [[nodiscard]] void* context() const { return context_; }

 private:
  using Slot = std::atomic<std::uint64_t>;
  static_assert(sizeof(Slot) == 8 && Slot::is_always_lock_free);  // the GPU writes a u64

  [[nodiscard]] std::optional<std::string> load_kernel();
  [[nodiscard]] std::optional<std::string> map_slots();
  [[nodiscard]] std::optional<std::string> try_out();

  CudaDriver cuda_{};
  void* context_ = nullptr;
  void* kernel_ = nullptr;
  Slot* slots_ = nullptr;              // for the rest of the process: graphs may write there
  std::uint64_t slots_on_device_ = 0;  // their address there
  std::uint64_t tick_ns_ = 0;
};

}  // namespace vernier
