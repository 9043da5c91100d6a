// SPDX-License-Identifier: Apache-2.0
//
// One rank of a measuring communicator: a process of its own, with one GPU, that does what it is
// told until its end of the command pipe closes. All ranks run every command in the same order.
#pragma once

#include <cstdint>
#include <string>

namespace vernier::calibrate {

// File descriptors that a rank inherits. Only rank 0 has the first two.
inline constexpr int kCommandFd = 3;   // Commands come in
inline constexpr int kReplyFd = 4;     // Hello and Replies go out
inline constexpr int kUniqueIdFd = 5;  // rank 0 writes the id of the control communicator once for
                                       // each other rank, which reads it here. Not where
                                       // NCCL_COMM_ID says where they meet
inline constexpr const char* kRankArgument = "calibrate-rank";  // argv[1] of such a process

struct RankSetup {
  int rank;
  int ranks;
  int device;        // GPU, among those that it sees
  std::string nccl;  // library to open
  std::string data_type;
  std::uint64_t max_bytes;
  // With the shipped plugin instead of the tuner in this executable: arm 0 runs on a communicator
  // where it is off, arm 1 on one with the policy.
  bool confirms;
};

[[nodiscard]] std::string to_argument(const RankSetup& setup);

// The process's main function; `argument` as to_argument wrote it. Returns the exit status; what
// went wrong is on stderr.
[[nodiscard]] int run_rank(const std::string& argument);

}  // namespace vernier::calibrate
