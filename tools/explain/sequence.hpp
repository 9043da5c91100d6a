// SPDX-License-Identifier: Apache-2.0
//
// Whether the ranks of a communicator made the same calls in the same order. Where they did not,
// NCCL hangs or mixes data, and says neither which rank nor which call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/explain/job_log.hpp"
#include "tools/profile/profile.hpp"

namespace vernier::joblog {

// Ranks that did the same at the place in question.
struct Camp {
  std::vector<int> ranks;
  std::string call;  // "allreduce of 64 bfloat16, sum"; empty: no more calls
};

struct SequenceCheck {
  std::string communicator;  // its id, or what is known of it
  int ranks = 0;
  std::vector<int> seen;       // ranks whose calls were compared
  std::uint64_t compared = 0;  // calls of each rank that are the same on all
  enum class Result : std::uint8_t {
    agree,
    differ,  // `camps` made different calls at the same place
    behind,  // some made no more calls: they hang elsewhere, or their log ends there
    too_few  // fewer than two ranks to compare
  };
  Result result = Result::too_few;
  std::string place;        // "call 12 (opCount 1a)", "position 7 of its graphs"
  std::vector<Camp> camps;  // the most ranks first; empty where all agree
};

// From COLL lines. `groups` are indices of members that are ranks of one communicator.
[[nodiscard]] SequenceCheck check_sequence(const JobLog& log,
                                           const std::vector<std::size_t>& group);

// From profiles: what was captured into graphs, by the positions that mode sampled times, and how
// often each kind was. One for each communicator with two ranks or more there.
[[nodiscard]] std::vector<SequenceCheck> check_profiles(const profile::Job& job);

}  // namespace vernier::joblog
