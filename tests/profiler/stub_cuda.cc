// SPDX-License-Identifier: Apache-2.0
#include "tests/profiler/stub_cuda.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int kSuccess = 0;
constexpr int kInvalidHandle = 400;
constexpr int kNotReady = 600;
constexpr int kRelaxed = 2;

struct Event {
  std::uint64_t at_ns = 0;
  bool recorded = false;
  bool captured = false;
};

std::mutex mutex;
std::uint64_t now_ns = 1'000'000;
std::vector<Event*> captured;  // in order: start, stop, start, stop ...
std::uint64_t duration_ns = 0;
bool tearing = false;
std::atomic<bool> global_capture = false;
std::atomic<int> violations = 0;
std::atomic<int> context = 1;
std::atomic<std::uint64_t> capture_id = 0;
std::map<std::thread::id, int> capture_modes;  // LeakSanitizer stumbles over a thread_local here

// A library ends at exit; who calls it afterwards calls into nothing. Some programs take long to
// exit.
struct Life {
  std::atomic<bool> over = false;
  ~Life() {
    over = true;
    if (std::getenv("STUB_CUDA_LINGERS") != nullptr) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
  }
} life;

void touch() {
  if (life.over) std::abort();
  const std::lock_guard lock(mutex);
  if (global_capture && capture_modes[std::this_thread::get_id()] != kRelaxed) ++violations;
}

void replay_all() {
  for (std::size_t i = 0; i + 1 < captured.size(); i += 2) {
    now_ns += 5'000;
    *captured[i] = {now_ns, true, true};
    now_ns += duration_ns;
    *captured[i + 1] = {now_ns, true, true};
  }
}

// Of an event that was never reached: while a graph holds it, its time is refused.
int time_of(const Event& event, std::uint64_t& at_ns) {
  if (!event.recorded) return event.captured ? kInvalidHandle : kNotReady;
  at_ns = event.at_ns;
  return kSuccess;
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int cuThreadExchangeStreamCaptureMode(int* mode) {
  const std::lock_guard lock(mutex);
  std::swap(*mode, capture_modes[std::this_thread::get_id()]);
  return kSuccess;
}

EXPORT int cuCtxGetCurrent(void** current) {
  *current = reinterpret_cast<void*>(static_cast<std::uintptr_t>(context.load()));
  return kSuccess;
}

EXPORT int cuCtxSetCurrent(void*) { return kSuccess; }

EXPORT int cuStreamGetCaptureInfo_v2(void*, int* status, std::uint64_t* id, void*, void*, void*) {
  if (life.over) std::abort();  // a capture does not mind this call
  *status = capture_id == 0 ? 0 : 1;
  if (capture_id != 0) *id = capture_id;
  return kSuccess;
}

EXPORT int cuStreamCreate(void** stream, unsigned) {
  touch();
  *stream = new int;
  return kSuccess;
}

EXPORT int cuEventCreate(void** event, unsigned) {
  touch();
  *event = new Event;
  return kSuccess;
}

EXPORT int cuEventRecordWithFlags(void* handle, void*, unsigned flags) {
  touch();
  const std::lock_guard lock(mutex);
  auto* const event = static_cast<Event*>(handle);
  if (flags == 1) {
    event->captured = true;
    event->recorded = false;
    captured.push_back(event);
  } else {
    *event = {now_ns, true, false};
  }
  return kSuccess;
}

EXPORT int cuEventQuery(void*) {
  touch();
  return kSuccess;
}

EXPORT int cuEventElapsedTime(float* elapsed_ms, void* start, void* end) {
  touch();
  const std::lock_guard lock(mutex);
  if (tearing && static_cast<Event*>(end)->captured) {
    now_ns += 1'000'000;
    replay_all();
  }
  std::uint64_t from_ns = 0;
  std::uint64_t to_ns = 0;
  if (const int result = time_of(*static_cast<Event*>(start), from_ns)) return result;
  if (const int result = time_of(*static_cast<Event*>(end), to_ns)) return result;
  *elapsed_ms =
      static_cast<float>((static_cast<double>(to_ns) - static_cast<double>(from_ns)) * 1e-6);
  return kSuccess;
}

namespace {

void advance(std::uint64_t by_ns) {
  const std::lock_guard lock(mutex);
  now_ns += by_ns;
}

void replay(std::uint64_t each_ns) {
  const std::lock_guard lock(mutex);
  duration_ns = each_ns;
  replay_all();
}

void tear(bool on) {
  const std::lock_guard lock(mutex);
  tearing = on;
}

void capture_globally(bool on) { global_capture = on; }
int count_violations() { return violations; }
void use_context(int number) { context = number; }
void capture(std::uint64_t id) { capture_id = id; }

}  // namespace

EXPORT const vernier::profiler_test::StubCuda stub_cuda;
const vernier::profiler_test::StubCuda stub_cuda = {
    advance, replay, tear, capture_globally, count_violations, use_context, capture};
