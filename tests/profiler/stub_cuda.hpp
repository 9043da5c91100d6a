// SPDX-License-Identifier: Apache-2.0
//
// A libcuda.so.1 whose clock and graphs the test moves: what timing asks of CUDA, with the rules
// that were measured. Loaded by path; the plugin finds it by its name.
#pragma once

#include <cstdint>

namespace vernier::profiler_test {

struct StubCuda {
  void (*advance_ns)(std::uint64_t by);
  // Replays everything that was captured, each launch taking `duration_ns`.
  void (*replay)(std::uint64_t duration_ns);
  // Begins one more, in which no launch has ended.
  void (*begin_replay)();
  void (*capture_launches)(bool on);  // on all streams
  // As while a thread captures in global mode: calls of threads that are not relaxed are
  // violations.
  void (*capture_globally)(bool on);
  int (*violations)();
  void (*use_context)(int number);  // current on every thread
  // The id of the capture under way on every stream; 0: none.
  void (*capture)(std::uint64_t id);
  // Loading code fails from now on with this result; 0: it does not.
  void (*refuse_modules)(int result);
};

}  // namespace vernier::profiler_test
