// SPDX-License-Identifier: Apache-2.0
//
// How long one kernel launch in N takes on the GPU, also inside CUDA graphs: the GPU's timer before
// it and after it on its stream. Those of a captured launch are nodes of the graph, so that each
// replay writes them anew, and where they write to is the graph's for ever.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "plugin/profiler/call_table.hpp"
#include "plugin/profiler/gpu_timestamps.hpp"
#include "plugin/profiler/latency_book.hpp"

namespace vernier {

// Two timestamps, and what they time.
struct TimedLaunch {
  enum class State : int {
    free,
    recording,  // a thread of NCCL has it
    eager,      // to be read once, then free again
    captured,   // of a graph: to be read whenever it has been replayed, for ever
  };
  std::atomic<State> state = State::free;
  // While recording those of the thread that has it, then read only.
  void* stream = nullptr;  // null is the default stream
  bool is_whole = false;   // both timestamps are on it
  const Call* call = nullptr;
  bool is_captured = false;
  bool after_gap = false;
  std::uint32_t position = 0;       // of a captured call among those of its communicator
  std::uint64_t last_start_ns = 0;  // of the reading thread: of the replay that was read last
};

struct SamplesLost {
  std::atomic<std::uint64_t> no_slot = 0;  // all pairs were in use, most by graphs
  std::atomic<std::uint64_t> several = 0;  // one launch ran several calls of a group
  std::atomic<std::uint64_t> torn = 0;     // a replay came between the readings
};

class Sampler {
 public:
  static constexpr std::size_t kPairs = GpuTimestamps::kSlots / 2;

  static Sampler& instance();

  // For each new communicator, on the thread that creates it, under the GPU's context. Returns what
  // stands in the way, in words: then nothing is sampled in this process. Takes locks, allocates;
  // the first call waits for the GPU.
  [[nodiscard]] std::optional<std::string> start(std::uint32_t every);

  // HOT PATH, by the launching thread: a launch begins on `stream`. `position` is that of a
  // captured call among those of its communicator. Null: it is not sampled.
  TimedLaunch* begin(void* stream, bool captured, std::uint32_t position) noexcept;
  // HOT PATH. It has been launched.
  void end(TimedLaunch& launch) noexcept;
  // HOT PATH. `call` is what it ran; null where it ran several.
  void publish(TimedLaunch& launch, const Call* call) noexcept;

  // Whether a handle of NCCL's is a TimedLaunch.
  [[nodiscard]] bool owns(const void* handle) const noexcept {
    return handle >= pairs_.data() && handle < pairs_.data() + kPairs;
  }

  // Looks at all pairs in use. For one thread at a time; takes microseconds.
  void read(LatencyBook& book);

  [[nodiscard]] const SamplesLost& lost() const { return lost_; }
  // 0: nothing is sampled.
  [[nodiscard]] std::uint32_t every() const { return every_.load(std::memory_order_acquire); }
  // Once every() is not 0.
  [[nodiscard]] std::uint64_t timer_tick_ns() const { return timestamps_.tick_ns(); }

 private:
  [[nodiscard]] std::size_t start_slot(const TimedLaunch& launch) const {
    return 2 * static_cast<std::size_t>(&launch - pairs_.data());
  }
  void read_eager(TimedLaunch& launch, LatencyBook& book);
  void read_captured(TimedLaunch& launch, LatencyBook& book);
  void keep(const TimedLaunch& launch, std::uint64_t elapsed_ns, LatencyBook& book);

  std::mutex mutex_;  // of start()
  bool started_ = false;
  std::optional<std::string> problem_;

  std::atomic<std::uint32_t> every_ = 0;
  GpuTimestamps timestamps_;
  std::array<TimedLaunch, kPairs> pairs_;
  std::atomic<std::uint32_t> next_ = 0;  // where to look for a free pair
  SamplesLost lost_;
};

}  // namespace vernier
