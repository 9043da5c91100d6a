// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/sampler.hpp"

#include <time.h>

#include "plugin/common/process_lifetime.hpp"

namespace vernier {
namespace {

using State = TimedLaunch::State;

constexpr std::uint32_t kTries = 8;  // pairs that are looked at for a free one
// A launch this long after the last one is "after a gap".
constexpr std::uint64_t kGapNs = 1'000'000;

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

// Not a function's: asked for with every event, it needs no guard.
constinit ProcessLifetime<Sampler> sampler;

}  // namespace

Sampler& Sampler::instance() { return *sampler; }

std::optional<std::string> Sampler::start(std::uint32_t every) {
  const std::lock_guard lock(mutex_);
  if (!started_) {
    started_ = true;
    problem_ = timestamps_.start();
    if (!problem_) every_.store(every, std::memory_order_release);
    return problem_;
  }
  void* context = nullptr;
  if (!problem_ && (cuda_driver()->context_get_current(&context) != kCudaSuccess ||
                    context != timestamps_.context())) {
    every_.store(0, std::memory_order_relaxed);
    problem_ = "this process has a communicator on a second GPU";
  }
  return problem_;
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
    timestamps_.clear(start_slot(pair));
    timestamps_.clear(start_slot(pair) + 1);
    if (timestamps_.write(start_slot(pair), stream)) return &pair;
    pair.state.store(State::free, std::memory_order_release);
    break;
  }
  lost_.no_slot.fetch_add(1, std::memory_order_relaxed);
  return nullptr;
}

void Sampler::end(TimedLaunch& launch) noexcept {
  launch.is_whole = timestamps_.write(start_slot(launch) + 1, launch.stream);
}

void Sampler::publish(TimedLaunch& launch, const Call* call) noexcept {
  if (!launch.is_whole) {  // never free again: when the GPU writes the start is not known
    lost_.no_slot.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (call == nullptr) lost_.several.fetch_add(1, std::memory_order_relaxed);
  launch.call = call;
  launch.state.store(launch.is_captured ? State::captured : State::eager,
                     std::memory_order_release);
}

void Sampler::read(LatencyBook& book) {
  if (every() == 0) return;
  for (TimedLaunch& pair : pairs_) {
    const State state = pair.state.load(std::memory_order_acquire);
    if (state == State::eager) read_eager(pair, book);
    if (state == State::captured && pair.call != nullptr) read_captured(pair, book);
  }
}

void Sampler::read_eager(TimedLaunch& launch, LatencyBook& book) {
  const std::uint64_t stop_ns = timestamps_.read(start_slot(launch) + 1);
  if (stop_ns == 0) return;  // still under way
  const std::uint64_t start_ns = timestamps_.read(start_slot(launch));
  if (launch.call != nullptr && start_ns != 0 && start_ns < stop_ns) {
    keep(launch, stop_ns - start_ns, book);
  }
  launch.state.store(State::free, std::memory_order_release);
}

// A replay may write while this reads. Start, stop, start again: a stop after two equal starts is
// of their replay. (Where the timer ticks slowly, an equal one may be of the replay before.)
void Sampler::read_captured(TimedLaunch& launch, LatencyBook& book) {
  const std::uint64_t start_ns = timestamps_.read(start_slot(launch));
  if (start_ns == launch.last_start_ns) return;  // read before, or no replay yet
  const std::uint64_t stop_ns = timestamps_.read(start_slot(launch) + 1);
  if (stop_ns <= start_ns) return;  // still under way
  if (timestamps_.read(start_slot(launch)) != start_ns) {
    lost_.torn.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  launch.last_start_ns = start_ns;
  keep(launch, stop_ns - start_ns, book);
}

void Sampler::keep(const TimedLaunch& launch, std::uint64_t elapsed_ns, LatencyBook& book) {
  const bool added = launch.is_captured ? book.add_captured(launch.call, elapsed_ns,
                                                            launch.after_gap, launch.position)
                                        : book.add(launch.call, elapsed_ns, launch.after_gap);
  if (!added) lost_.no_slot.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace vernier
