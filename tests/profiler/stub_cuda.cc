// SPDX-License-Identifier: Apache-2.0
#include "tests/profiler/stub_cuda.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int kSuccess = 0;
constexpr int kRelaxed = 2;
constexpr std::uint64_t kTickNs = 32;

std::mutex mutex;
std::uint64_t now_ns = 1'000'001;  // no tick of 0
std::uint64_t launches = 0;
void* stream_of_last_launch = nullptr;
// Where captured kernels write, in order: start, stop, start, stop ...
std::vector<std::uint64_t*> captured;
std::atomic<bool> capturing = false;
// Where those write that wait, in order.
std::vector<std::uint64_t*> stalled;
bool stalling = false;
std::string refused;
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

int result_of(const char* function) {
  const std::lock_guard lock(mutex);
  return refused == function ? vernier::profiler_test::kRefused : kSuccess;
}

// As a GPU does, at whatever moment somebody reads.
void write_timer(std::uint64_t* slot) { __atomic_store_n(slot, now_ns, __ATOMIC_RELEASE); }

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

EXPORT int cuStreamGetCaptureInfo_v2(void*, int* status, std::uint64_t* id, void*, void*, void*) {
  if (life.over) std::abort();  // a capture does not mind this call
  *status = capture_id == 0 ? 0 : 1;
  if (capture_id != 0) *id = capture_id;
  return kSuccess;
}

EXPORT int cuStreamCreate(void** stream, unsigned) {
  touch();
  if (const int result = result_of("cuStreamCreate")) return result;
  *stream = new int;
  return kSuccess;
}

EXPORT int cuStreamSynchronize(void*) {
  touch();
  return result_of("cuStreamSynchronize");
}

EXPORT int cuStreamDestroy_v2(void* stream) {
  touch();
  delete static_cast<int*>(stream);
  return kSuccess;
}

EXPORT int cuModuleLoadData(void** module, const void*) {
  touch();
  *module = &life;
  return result_of("cuModuleLoadData");
}

EXPORT int cuModuleGetFunction(void** function, void*, const char*) {
  touch();
  *function = &life;
  return result_of("cuModuleGetFunction");
}

EXPORT int cuMemHostRegister_v2(void*, std::size_t, unsigned) {
  touch();
  return result_of("cuMemHostRegister_v2");
}

EXPORT int cuMemHostGetDevicePointer_v2(std::uint64_t* pointer, void* memory, unsigned) {
  touch();
  *pointer = reinterpret_cast<std::uintptr_t>(memory);
  return result_of("cuMemHostGetDevicePointer_v2");
}

// The kernel that writes the timer: now, once its stream goes on, or whenever its graph is
// replayed. A capture does not mind a launch. Two are several ticks apart, and never as many as the
// next two.
EXPORT int cuLaunchKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                          unsigned, void* stream, void** arguments, void**) {
  if (life.over) std::abort();
  if (const int result = result_of("cuLaunchKernel")) return result;
  const std::lock_guard lock(mutex);
  const auto address = *static_cast<const std::uint64_t*>(arguments[0]);
  auto* const slot = reinterpret_cast<std::uint64_t*>(static_cast<std::uintptr_t>(address));
  now_ns += (2 + launches++ % 2) * kTickNs;
  stream_of_last_launch = stream;
  if (capturing) {
    captured.push_back(slot);
  } else if (stalling) {
    stalled.push_back(slot);
  } else {
    write_timer(slot);
  }
  return kSuccess;
}

namespace {

void advance(std::uint64_t by_ns) {
  const std::lock_guard lock(mutex);
  now_ns += by_ns;
}

void run(const std::vector<std::uint64_t*>& slots, std::uint64_t duration_ns) {
  for (std::size_t i = 0; i + 1 < slots.size(); i += 2) {
    now_ns += 5'000;
    write_timer(slots[i]);
    now_ns += duration_ns;
    write_timer(slots[i + 1]);
  }
}

void replay(std::uint64_t duration_ns) {
  const std::lock_guard lock(mutex);
  run(captured, duration_ns);
}

void stall() {
  const std::lock_guard lock(mutex);
  stalling = true;
}

void go_on(std::uint64_t duration_ns) {
  const std::lock_guard lock(mutex);
  run(stalled, duration_ns);
  stalled.clear();
  stalling = false;
}

void begin_replay(std::uint64_t after_ns) {
  const std::lock_guard lock(mutex);
  now_ns += after_ns;
  for (std::size_t i = 0; i < captured.size(); i += 2) write_timer(captured[i]);
}

void capture_launches(bool on) { capturing = on; }
void capture_globally(bool on) { global_capture = on; }
int count_violations() { return violations; }
void use_context(int number) { context = number; }
void capture(std::uint64_t id) { capture_id = id; }

void refuse(const char* function) {
  const std::lock_guard lock(mutex);
  refused = function == nullptr ? "" : function;
}

void* last_stream() {
  const std::lock_guard lock(mutex);
  return stream_of_last_launch;
}

}  // namespace

EXPORT const vernier::profiler_test::StubCuda stub_cuda;
const vernier::profiler_test::StubCuda stub_cuda = {
    advance,          replay,           begin_replay, stall,   go_on,  capture_launches,
    capture_globally, count_violations, use_context,  capture, refuse, last_stream};
