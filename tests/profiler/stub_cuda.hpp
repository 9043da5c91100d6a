// SPDX-License-Identifier: Apache-2.0
//
// A libcuda.so.1 whose clock and graphs the test moves: what timing asks of CUDA, with the rules
// that were measured. Loaded by path; the plugin finds it by its name.
#pragma once

#include <cstdint>

namespace vernier::profiler_test {

inline constexpr int kRefused = 222;

struct StubCuda {
  void (*advance_ns)(std::uint64_t by);
  // Replays everything that was captured, each launch taking `duration_ns`.
  void (*replay)(std::uint64_t duration_ns);
  // Begins one more, in which no launch has ended, this long after whatever was last.
  void (*begin_replay)(std::uint64_t after_ns);
  // Launches outside graphs wait from now on, as those of a busy stream do ...
  void (*stall)();
  // ... until they run here, each taking `duration_ns`.
  void (*go_on)(std::uint64_t duration_ns);
  void (*capture_launches)(bool on);  // on all streams
  // As while a thread captures in global mode: calls of threads that are not relaxed are
  // violations.
  void (*capture_globally)(bool on);
  int (*violations)();
  void (*use_context)(int number);  // current on every thread; 0: none is
  // The id of the capture under way on every stream; 0: none.
  void (*capture)(std::uint64_t id);
  // This function fails from now on, and no other; null: none does.
  void (*refuse)(const char* function);
  // Where the last timestamp was launched.
  void* (*last_stream)();
};

}  // namespace vernier::profiler_test
