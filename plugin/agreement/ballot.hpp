// SPDX-License-Identifier: Apache-2.0
//
// What one rank brings to a meeting: everything its decisions depend on, so that ranks with equal
// ballots decide alike.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "vernier/reason.hpp"

namespace vernier {

enum class Subject : std::uint8_t {
  decision_semantics,  // of this release, under this NCCL
  policy,              // its digest
  guards,              // what this rank would do by itself: `active`, or why not
  mode,
  batch_invariance,
  nccl_algo,
  nccl_proto,
  environment  // the variables of the policy's [environment]
};
inline constexpr std::array<std::string_view, 8> kSubjectNames = {
    "the version of vernier or NCCL",
    "the policy",
    "whether its guards hold",
    "NCCL_VERNIER_MODE",
    "VLLM_BATCH_INVARIANT",
    "NCCL_ALGO",
    "NCCL_PROTO",
    "the variables of the policy's [environment]"};

// Lies in shared memory: plain bytes, the same for every build that can meet this one.
struct Ballot {
  std::array<std::array<std::uint8_t, 16>, kSubjectNames.size()> subjects;  // of SHA-256 each
  Reason reason;                                                            // as in `guards`
  std::int32_t process;  // its id, as it sees itself
  std::int32_t rank;     // RANK or LOCAL_RANK; -1: neither is set
};
static_assert(std::is_trivially_copyable_v<Ballot> && sizeof(Ballot) == 140);

// What a rank's decisions depend on, beside NCCL_ALGO and NCCL_PROTO, which are read.
struct Grounds {
  Reason reason;
  bool allgather_channels;  // whether `channels` of allgather rules is obeyed
  std::string policy_digest;
  std::string mode;
  bool batch_invariant;
  std::string environment;  // NAME=value lines
};

// Of this process. Throws std::bad_alloc.
[[nodiscard]] Ballot make_ballot(const Grounds& grounds);

// Whether ranks with these may apply rules together. Nothing is thrown.
[[nodiscard]] bool agree(const Ballot& one, const Ballot& other) noexcept;

// For people: who of `present` differs from most of them and in what; empty where nobody does.
[[nodiscard]] std::string describe_differences(const std::vector<Ballot>& present);

// "rank 2, rank 3": who of a job of `nranks` is not among `present`; empty where that is not known,
// as in a communicator of a part of the job.
[[nodiscard]] std::string describe_missing(const std::vector<Ballot>& present, std::size_t nranks);

// "process 11 (rank 0), process 12 (rank 1)"
[[nodiscard]] std::string describe_voters(const std::vector<Ballot>& present);

}  // namespace vernier
