// SPDX-License-Identifier: Apache-2.0
//
// What a policy asked for one call, and why that is not what ran.
#pragma once

#include <optional>
#include <string>

#include "tools/explain/job_log.hpp"
#include "vernier/policy.hpp"

namespace vernier::joblog {

// Who tuned a communicator, as far as a log tells.
struct Tuner {
  enum class Who : std::uint8_t { vernier, other, nobody, not_told };
  Who who = Who::not_told;
  std::string reason;  // why rules do not apply; "active": they do
  std::string text;    // for people
};
[[nodiscard]] Tuner tuner_of(const Member* member, const Process* process);

struct Verdict {
  std::string asked;
  std::string reason;
};

struct JudgedCall {
  std::string operation;
  std::optional<std::uint64_t> nbytes;  // as a policy counts them
  int ranks;
  int nodes;
  nccl_log::Selection::Path path;
  std::optional<Choice> ran;
  std::string nccl;  // version; empty: not known
  std::optional<std::string> nccl_algo, nccl_proto;
};
// `policy`: nullptr where its text is not known.
[[nodiscard]] Verdict judge(const JudgedCall& call, const Tuner& tuner, const Policy* policy);

}  // namespace vernier::joblog
