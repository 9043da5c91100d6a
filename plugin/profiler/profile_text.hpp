// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "plugin/profiler/latency_book.hpp"
#include "plugin/profiler/recorder.hpp"

namespace vernier {

struct ProfileHeader {
  std::string nccl;  // version, or empty
  int profiler_abi = 0;
  std::uint64_t written_ns = 0;       // wall clock
  std::uint64_t last_counted_ns = 0;  // the latest writing that found more than the one before
  std::string mode;
  std::uint64_t timer_tick_ns = 0;  // of the GPU's timer, in mode sampled; else 0
  // What was to be timed and was not.
  std::uint64_t no_slot = 0;
  std::uint64_t several_calls = 0;
  std::uint64_t torn = 0;
  std::uint64_t kernels = 0;
};

// Everything counted and timed so far, as docs/log-format.md describes it. For the thread that may
// read `book`.
[[nodiscard]] std::string profile_text(Recorder& recorder, const LatencyBook& book,
                                       const ProfileHeader& header);

// Its parts, JSON objects: for the raw log.
[[nodiscard]] std::string communicator_text(const ProfiledCommunicator& communicator);
[[nodiscard]] std::string call_text(const CallKey& call);
[[nodiscard]] std::string kernel_text(const CallKey& kernel);

// Events counted so far: where it has not changed there is nothing to write.
[[nodiscard]] std::uint64_t events_counted(const Recorder& recorder);

}  // namespace vernier
