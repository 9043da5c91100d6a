// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/sampler.hpp"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "plugin/common/process_lifetime.hpp"

namespace vernier {
namespace {

using State = TimedLaunch::State;

constexpr std::uint32_t kTries = 8;  // pairs that are looked at for a free one
constexpr std::uint64_t kGapNs =
    1'000'000;                          // a launch this long after the last one is "after a gap"
constexpr double kSameStartMs = 0.001;  // less is rounding
// Against the base of now, CUDA's float cannot tell an older start from itself; each pair is read
// far more often than that.
constexpr float kOldMs = 2000;

std::uint64_t now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// Of one launching thread.
struct Launches {
  std::uint32_t until_sample = 0;
  std::uint64_t last_ns = 0;
  bool last_captured = false;
};

}  // namespace

Sampler& Sampler::instance() {
  static ProcessLifetime<Sampler> sampler;
  return *sampler;
}

std::optional<std::string> Sampler::start(std::uint32_t every) {
  const std::lock_guard lock(mutex_);
  if (!started_) {
    started_ = true;
    problem_ = make_events(every);
    return problem_;
  }
  void* context = nullptr;
  if (!problem_ && (cuda_.context_get_current(&context) != kCudaSuccess || context != context_)) {
    every_.store(0, std::memory_order_relaxed);
    problem_ = "this process has a communicator on a second GPU";
  }
  return problem_;
}

std::optional<std::string> Sampler::make_events(std::uint32_t every) {
  const CudaDriver* const cuda = cuda_driver();
  if (cuda == nullptr) return "no libcuda.so.1 with CUDA 12 in this process";
  cuda_ = *cuda;
  const RelaxedCaptureMode relaxed(cuda_);
  if (cuda_.context_get_current(&context_) != kCudaSuccess || context_ == nullptr) {
    return "no CUDA context is current";
  }
  bool made = cuda_.stream_create(&stream_, kStreamNonBlocking) == kCudaSuccess;
  for (void*& base : bases_) made = made && cuda_.event_create(&base, 0) == kCudaSuccess;
  for (TimedLaunch& pair : pairs_) {
    made = made && cuda_.event_create(&pair.start, 0) == kCudaSuccess &&
           cuda_.event_create(&pair.stop, 0) == kCudaSuccess;
  }
  if (!made) return "CUDA events cannot be made";
  every_.store(every, std::memory_order_release);
  return std::nullopt;
}

TimedLaunch* Sampler::begin(void* stream, bool captured, std::uint32_t position) noexcept {
  const std::uint32_t every = this->every();
  if (every == 0) return nullptr;
  thread_local Launches launches;
  const std::uint64_t now = now_ns();
  const bool after_gap = captured != launches.last_captured || now - launches.last_ns > kGapNs;
  launches.last_ns = now;
  launches.last_captured = captured;
  if (launches.until_sample > 0) {
    --launches.until_sample;
    return nullptr;
  }
  launches.until_sample = every - 1;
  const std::uint32_t first = next_.fetch_add(1, std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < kTries; ++i) {
    TimedLaunch& pair = pairs_[(first + i) % kPairs];
    State free = State::free;
    if (!pair.state.compare_exchange_strong(free, State::recording, std::memory_order_acquire)) {
      continue;
    }
    pair.stream = stream;
    pair.is_captured = captured;
    pair.after_gap = after_gap;
    pair.position = position;
    pair.last_start_ms = -1e300;
    const RelaxedCaptureMode relaxed(cuda_);
    if (cuda_.event_record(pair.start, stream, captured ? kEventRecordExternal : 0) ==
        kCudaSuccess) {
      return &pair;
    }
    pair.state.store(State::free, std::memory_order_release);
    break;
  }
  lost_.no_event.fetch_add(1, std::memory_order_relaxed);
  return nullptr;
}

void Sampler::end(TimedLaunch& launch) noexcept {
  const RelaxedCaptureMode relaxed(cuda_);
  const unsigned flags = launch.is_captured ? kEventRecordExternal : 0;
  launch.is_whole = cuda_.event_record(launch.stop, launch.stream, flags) == kCudaSuccess;
}

// A captured pair whose launch is not known stays with its graph: it is never free again.
void Sampler::publish(TimedLaunch& launch, const Call* call) noexcept {
  if (call == nullptr) lost_.several.fetch_add(1, std::memory_order_relaxed);
  launch.call = launch.is_whole ? call : nullptr;
  launch.state.store(launch.is_captured ? State::captured : State::eager,
                     std::memory_order_release);
}

// Takes the base that was recorded at the end of the last reading.
void Sampler::move_base() {
  void* const next = bases_[1 - base_];
  if (!has_next_ || cuda_.event_query(next) != kCudaSuccess) return;
  float moved_ms = 0;
  if (has_base_ && cuda_.event_elapsed_ms(&moved_ms, bases_[base_], next) != kCudaSuccess) return;
  base_ms_ += static_cast<double>(moved_ms);
  base_ = 1 - base_;
  has_base_ = true;
  has_next_ = false;
}

void Sampler::stop() noexcept {
  every_.store(0, std::memory_order_release);
  // A second is much more than a reading takes; a driver that hangs must not keep the process.
  for (int tries = 0; tries < 1000; ++tries) {
    if (reading_.try_lock()) return reading_.unlock();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void Sampler::read(LatencyBook& book) {
  const std::lock_guard lock(reading_);
  if (every() == 0 || cuda_.context_set_current(context_) != kCudaSuccess) return;
  const RelaxedCaptureMode relaxed(cuda_);
  move_base();
  std::size_t reads = 0;
  for (std::size_t seen = 0; seen < kPairs && reads < kReadAtOnce; ++seen) {
    TimedLaunch& pair = pairs_[next_to_read_];
    next_to_read_ = (next_to_read_ + 1) % kPairs;
    const State state = pair.state.load(std::memory_order_acquire);
    const bool eager = state == State::eager;
    if (!eager && (state != State::captured || !has_base_ || pair.call == nullptr)) continue;
    eager ? read_eager(pair, book) : read_captured(pair, book);
    ++reads;
  }
  if (!has_next_) has_next_ = cuda_.event_record(bases_[1 - base_], stream_, 0) == kCudaSuccess;
}

// Recorded once: what it says is whole once it says anything.
void Sampler::read_eager(TimedLaunch& launch, LatencyBook& book) {
  if (launch.call != nullptr) {
    if (cuda_.event_query(launch.stop) != kCudaSuccess) return;  // still under way
    float elapsed_ms = 0;
    if (cuda_.event_elapsed_ms(&elapsed_ms, launch.start, launch.stop) == kCudaSuccess) {
      keep(launch, elapsed_ms, book);
    }
  }
  launch.state.store(State::free, std::memory_order_release);
}

// A replay may set the events while they are read. Start, stop, start again: what lies between two
// equal starts belongs to one replay.
void Sampler::read_captured(TimedLaunch& launch, LatencyBook& book) {
  float start_ms = 0;
  float stop_ms = 0;
  float again_ms = 0;
  void* const base = bases_[base_];
  if (cuda_.event_elapsed_ms(&start_ms, base, launch.start) != kCudaSuccess ||
      cuda_.event_elapsed_ms(&stop_ms, base, launch.stop) != kCudaSuccess ||
      cuda_.event_elapsed_ms(&again_ms, base, launch.start) != kCudaSuccess) {
    return;  // no replay yet, or one under way
  }
  if (start_ms < -kOldMs) return;
  const double since_begin_ms = base_ms_ + static_cast<double>(start_ms);
  if (std::abs(since_begin_ms - launch.last_start_ms) < kSameStartMs) return;  // read before
  if (start_ms != again_ms || stop_ms < start_ms) {
    lost_.torn.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  launch.last_start_ms = since_begin_ms;
  keep(launch, stop_ms - start_ms, book);
}

void Sampler::keep(const TimedLaunch& launch, float elapsed_ms, LatencyBook& book) {
  const auto elapsed_ns = static_cast<std::uint64_t>(std::max(elapsed_ms, 0.0f) * 1e6f);
  const bool added = launch.is_captured ? book.add_captured(launch.call, elapsed_ns,
                                                            launch.after_gap, launch.position)
                                        : book.add(launch.call, elapsed_ns, launch.after_gap);
  if (!added) lost_.no_event.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace vernier
