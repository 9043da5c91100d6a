// SPDX-License-Identifier: Apache-2.0
//
// What a job sent: the calls of all ranks together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/profile/profile.hpp"

namespace vernier::profile {

// Numbers of the process that has least, and of that which has most, of those that made such calls.
// A process is a rank, as a rule.
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

  Range calls;                 // a rank; in graphs: captures
  Range replayed;              // a rank, by graphs; 0 where NCCL does not tell
  double calls_per_graph = 0;  // of the process that has most; 0: not known
  int processes = 0;
  Latency latency_ns;    // of all processes, of the launches that were timed
  Latency after_gap_ns;  // of those that waited for other ranks after a pause
  // Of the GPU time of the rows of which one knows how often they ran: eager calls, and replays
  // that NCCL told of. 0: not known.
  double time_share = 0;
  // Estimates, of graphs: for each operation the least over the ranks of their medians is transfer,
  // what the slowest median has more is wait. Medians over operations that were timed on all ranks.
  std::uint64_t transfer_ns = 0;  // 0: not known
  std::uint64_t wait_ns = 0;

  std::string requested;  // by the policy: algorithm/protocol[/channels], or ""
  // Why that is not what ran, a word of `vernier policy explain`; "applied": the kernel is the one
  // asked for (channels are not compared, NCCL limits them); "stepped-aside": it is not.
  std::string reason;
};

struct Traffic {
  std::vector<Row> rows;              // most calls first
  std::uint64_t warm_up_calls = 0;    // one-element allreduces, as vLLM makes to wake NCCL up
  std::uint64_t calls = 0;            // of all ranks, eager and captured, without warm-up
  std::uint64_t touchable_calls = 0;  // of them those whose kernel a policy could choose
  std::uint64_t untold_calls = 0;  // broadcasts of NCCL 2.29 and later: their kernels are not told
  std::uint64_t dropped = 0;
};

// `directory` is where policies of the job are looked for (policy-DIGEST.toml).
[[nodiscard]] Traffic gather_traffic(const Job& job, const std::string& directory,
                                     std::vector<std::string>& problems);

}  // namespace vernier::profile
