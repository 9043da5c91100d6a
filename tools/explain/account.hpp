// SPDX-License-Identifier: Apache-2.0
//
// What a job's logs and profiles come to: its communicators, the calls that reached NCCL with what
// ran, what a policy asked for and why that is not what ran. Pure functions of what was read.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tools/explain/job_log.hpp"
#include "tools/explain/sequence.hpp"
#include "tools/profile/traffic.hpp"
#include "vernier/policy.hpp"

namespace vernier::joblog {

// A directory of profiles (NCCL_VERNIER_LOG_DIR).
struct ProfiledJob {
  std::string directory;
  profile::Job job;
  profile::Traffic traffic;
  std::optional<Policy> policy;  // that ran, where it was one
};

// What was read, and what is to be asked.
struct JobEvidence {
  JobLog log;
  std::vector<ProfiledJob> profiles;
  std::optional<Policy> policy;       // --policy
  std::vector<std::string> problems;  // files and lines of profiles that could not be read
};

// A communicator, all its ranks together.
struct CommunicatorAccount {
  std::string id;  // empty: its creation was not logged
  int ranks = 0;   // 0, as nodes: not told
  int nodes = 0;
  std::vector<int> seen;        // ranks in the logs, -1 for one without a number
  std::vector<int> unfinished;  // ranks that began to make it, and did not get to the end
  std::map<std::string, std::vector<int>> nccl;    // version -> ranks
  std::map<std::string, std::vector<int>> tuners;  // what tunes it -> ranks
  // Who chooses in the end: "vernier sha256:..", "another plugin", "NCCL" -> ranks. Where the log
  // does not tell, a rank is not listed.
  std::map<std::string, std::vector<int>> choosers;
  // Variables that its ranks read differently: name -> value (or "not set") -> ranks.
  std::map<std::string, std::map<std::string, std::vector<int>>> variables;
  std::vector<std::size_t> members;  // of the log
};

struct CallAccount {
  bool profiled = false;  // of a profile; else of the logs
  int ranks = 0;          // 0, as nodes: not told
  int nodes = 0;
  std::string operation;                // empty: not told
  std::optional<std::uint64_t> nbytes;  // as a policy counts them
  bool captured = false;                // into CUDA graphs; logs do not tell
  std::uint64_t calls = 0;              // of the process with most; 0: not told
  std::uint64_t lines = 0;              // that say what ran
  std::string ran;                      // empty: not told
  std::string asked;                    // by the policy; empty: nothing, or not known
  // Why that is not what ran: a word of reason.hpp, or symmetric-path, copy-engine, other-tuner,
  // no-plugin, no-policy-text (the plugin ran; --policy says what it asked), not-told.
  std::string reason;

  // A log and a profile of one job tell of the same calls: what is counted is this.
  [[nodiscard]] auto kind() const { return std::tie(ranks, nodes, operation, nbytes); }
};

struct Account {
  std::vector<CommunicatorAccount> communicators;
  std::vector<CallAccount> calls;  // by shape, collective, bytes
  std::vector<SequenceCheck> sequences;
  std::vector<std::string> notes;     // good to know, a sentence each
  std::vector<std::string> findings;  // what is not as it was meant to be
};

[[nodiscard]] Account make_account(const JobEvidence& evidence);

// What a reason means, in half a sentence; empty for a word that says it all.
[[nodiscard]] std::string_view meaning_of(std::string_view reason);

// "rank 2", "ranks 0 to 3, 7"; "?" for those without a number.
[[nodiscard]] std::string ranks_text(const std::vector<int>& ranks);

}  // namespace vernier::joblog
