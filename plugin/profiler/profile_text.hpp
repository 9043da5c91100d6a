// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "plugin/profiler/recorder.hpp"
#include "plugin/profiler/sampler.hpp"

namespace vernier {

struct ProfileHeader {
  std::string nccl;  // version, or empty
  int profiler_abi = 0;
  std::uint64_t written_ns = 0;       // wall clock
  std::uint64_t last_counted_ns = 0;  // the latest writing that found more than the one before
};

// Everything counted and timed so far, as docs/log-format.md describes it. For the thread that may
// read the sampler.
[[nodiscard]] std::string profile_text(Recorder& recorder, const Sampler& sampler,
                                       const ProfileHeader& header);

// Events counted so far: where it has not changed there is nothing to write.
[[nodiscard]] std::uint64_t events_counted(const Recorder& recorder);

}  // namespace vernier
