// SPDX-License-Identifier: Apache-2.0
//
// How long one kernel launch in N takes on the GPU, also inside CUDA graphs: two events around the
// launch, recorded on its stream. Those of a captured launch become nodes of the graph, so that
// each replay sets them anew. Events are made beforehand and never freed: a graph may hold them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "plugin/profiler/call_table.hpp"
#include "plugin/profiler/cuda_driver.hpp"
#include "plugin/profiler/latency_book.hpp"

namespace vernier {

// A pair of events, and what it times.
struct TimedLaunch {
  enum class State : int {
    free,
    recording,  // a thread of NCCL has it
    eager,      // to be read once, then free again
    captured,   // of a graph: to be read whenever it has been replayed, for ever
  };
  void* start = nullptr;
  void* stop = nullptr;
  std::atomic<State> state = State::free;
  // While recording those of the thread that has it, then read only.
  void* stream = nullptr;  // null is the default stream
  bool is_whole = false;   // both events were recorded
  const Call* call = nullptr;
  bool is_captured = false;
  bool after_gap = false;
  std::uint32_t position = 0;  // of a captured call among those of its communicator
  // Of the reading thread: the start that was read last, as time since the sampler began.
  double last_start_ms = -1e300;
};

struct SamplesLost {
  std::atomic<std::uint64_t> no_event = 0;  // all pairs were in use, most by graphs
  std::atomic<std::uint64_t> several = 0;   // one launch ran several calls of a group
  std::atomic<std::uint64_t> torn = 0;      // a replay came between the readings
};

class Sampler {
 public:
  static constexpr std::size_t kPairs = 1024;
  static constexpr std::size_t kReadAtOnce = 128;  // tenths of a millisecond

  static Sampler& instance();

  // For each new communicator, on the thread that creates it, under the GPU's context. With the
  // first call makes the events. Returns what stands in the way, in words: then nothing is sampled
  // in this process. Takes locks, allocates.
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

  // The rest is for one thread at a time, the reading one.

  // Looks at some of the pairs that are in use, in turn. Has to be called often: CUDA tells nothing
  // of an event from the moment its graph is launched once more (seen with CUDA 13).
  void read(LatencyBook& book);

  // At exit: from now on nothing here calls CUDA, which is about to end itself. Waits for a reading
  // that is under way.
  void stop() noexcept;
  [[nodiscard]] const SamplesLost& lost() const { return lost_; }
  [[nodiscard]] std::uint32_t every() const { return every_.load(std::memory_order_acquire); }

 private:
  [[nodiscard]] std::optional<std::string> make_events(std::uint32_t every);
  void move_base();
  void read_eager(TimedLaunch& launch, LatencyBook& book);
  void read_captured(TimedLaunch& launch, LatencyBook& book);
  void keep(const TimedLaunch& launch, float elapsed_ms, LatencyBook& book);

  std::mutex mutex_;  // of start()
  bool started_ = false;
  std::optional<std::string> problem_;

  std::atomic<std::uint32_t> every_ = 0;  // 0: nothing is sampled
  std::mutex reading_;                    // held while the reading thread uses CUDA
  CudaDriver cuda_{};
  void* context_ = nullptr;
  std::array<TimedLaunch, kPairs> pairs_;
  std::atomic<std::uint32_t> next_ = 0;  // where to look for a free pair
  SamplesLost lost_;

  // Of the reading thread. Times are read against a base that is never old: CUDA tells them as
  // float.
  std::size_t next_to_read_ = 0;
  void* stream_ = nullptr;
  std::array<void*, 2> bases_{};
  std::size_t base_ = 0;  // which of the two is in use; the other is the next one
  bool has_base_ = false;
  bool has_next_ = false;  // it is recorded
  double base_ms_ = 0;     // since the first base
};

}  // namespace vernier
