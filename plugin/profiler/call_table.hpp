// SPDX-License-Identifier: Apache-2.0
//
// What one thread has seen: a counter for each distinct call, and for each kernel that a call led
// to. One thread writes, without locks or allocation; any thread may read at any time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <span>

#include "plugin/profiler/event_names.hpp"

namespace vernier {

struct Call;

// Compared by its bytes: no padding.
struct CallKey {
  std::uint64_t count = 0;       // elements, as the user gave them; of a bucket: its smallest bytes
  const Call* parent = nullptr;  // of a kernel: the call that led to it, if NCCL told us
  std::uint32_t communicator = 0;
  Operation operation = Operation::other;
  DataType data_type = DataType::other;
  std::uint8_t algorithm = kNoAlgorithm;
  std::uint8_t protocol = kNoProtocol;
  std::uint8_t channels = 0;
  bool captured = false;  // into a CUDA graph, as NCCL says from 2.28 on
  bool bucket = false;    // one of a range of sizes, of any communicator and data type
  bool kernel = false;    // a Coll, P2p or CeColl event; else a call of the API
  std::uint32_t unused = 0;

  friend bool operator==(const CallKey& a, const CallKey& b) noexcept {
    return std::memcmp(&a, &b, sizeof(CallKey)) == 0;
  }
};
static_assert(sizeof(CallKey) == 32);

struct alignas(64) Call {
  CallKey key;                          // fixed once the call is published
  std::atomic<std::uint64_t> count;     // eager or at capture
  std::atomic<std::uint64_t> replayed;  // of a kernel: times that a graph ran it, where NCCL tells
  std::atomic<std::uint64_t> graphs;    // that hold the call, where CUDA tells one from another
  std::uint64_t last_graph;             // its capture's id. Owner only
};

// All zeros is an empty table, so that fresh pages are one.
class CallTable {
 public:
  // 2,048 calls with a kernel each, and as many in buckets of sizes.
  static constexpr std::size_t kCapacity = 6144;
  static constexpr std::size_t kIndexSize = 16384;  // a power of two; never half full

  // The call with this key, or null. Owner only.
  [[nodiscard]] Call* find(const CallKey& key) noexcept {
    const std::uint16_t position = slot_of(key);
    return position == 0 ? nullptr : &calls_[position - 1u];
  }

  // Adds a call that find() did not find; null if there is no room. Owner only.
  [[nodiscard]] Call* insert(const CallKey& key) noexcept;

  // Thread-safe: what has been published so far. Keys are fixed; counters go on.
  [[nodiscard]] std::span<const Call> calls() const noexcept {
    return {calls_.data(), size_.load(std::memory_order_acquire)};
  }

  // Events that found no room. Thread-safe.
  std::atomic<std::uint64_t> dropped;
  // Whether a thread owns the table; tables outlive threads, and are used again.
  std::atomic<bool> owned;

 private:
  // Where the key's position is, or is to be.
  [[nodiscard]] std::uint16_t& slot_of(const CallKey& key) noexcept;

  std::atomic<std::uint32_t> size_;
  std::array<std::uint16_t, kIndexSize> index_;  // position in calls_ and 1; 0 is free
  std::array<Call, kCapacity> calls_;
};

// One more, by the only writer: no locked instruction.
inline void add_one(std::atomic<std::uint64_t>& counter) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace vernier
