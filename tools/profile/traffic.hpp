// SPDX-License-Identifier: Apache-2.0
//
// What a job sent: the calls of all ranks together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/profile/profile.hpp"

namespace vernier::profile {

// Numbers of the rank that has least, and of the rank that has most.
struct Range {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
};

// One kind of call, as one kernel runs it, on communicators of one shape. A kind that NCCL runs by
// two kernels has two rows.
struct Row {
  std::string operation;
  std::string data_type;
  std::optional<std::uint64_t> nbytes;  // as a policy counts them
  bool bucket = false;                  // nbytes is the least of a quarter of a power of two
  int ranks = 0;                        // 0, as nodes: not known
  int nodes = 0;
  bool captured = false;  // into CUDA graphs
  std::string algorithm;  // as in a policy, "copy_engine", or "" for no kernel that NCCL named
  std::string protocol;
  int channels = 0;

  Range calls;      // a rank; in graphs: captures
  Range replayed;   // a rank, by graphs; 0 where NCCL does not tell
  int seen_by = 0;  // ranks

  std::string requested;  // by the policy: algorithm/protocol[/channels], or ""
  std::string reason;  // why that is not what ran, a word of `vernier policy explain`, or "applied"
};

struct Traffic {
  std::vector<Row> rows;              // most calls first
  std::uint64_t warm_up_calls = 0;    // one-element allreduces, as vLLM makes to wake NCCL up
  std::uint64_t calls = 0;            // of all ranks, eager and captured, without warm-up
  std::uint64_t touchable_calls = 0;  // of them those whose kernel a policy could choose
  std::uint64_t dropped = 0;
};

// `directory` is where policies of the job are looked for (policy-DIGEST.toml).
[[nodiscard]] Traffic gather_traffic(const Job& job, const std::string& directory,
                                     std::vector<std::string>& problems);

}  // namespace vernier::profile
