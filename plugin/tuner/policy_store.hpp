// SPDX-License-Identifier: Apache-2.0
//
// Policies by content: text is read for each communicator, but parsed and compiled once per
// process, however many communicators and NCCL images use it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "vernier/policy.hpp"

namespace vernier {

enum class PolicySource { inline_text, path };

// Immutable after construction but for the tables, which are compiled on first use per shape.
class LoadedPolicy {
 public:
  // `origin` names the text in errors.
  LoadedPolicy(PolicySource source, std::string_view origin, std::string_view text);
  // Text that could not be had.
  LoadedPolicy(PolicySource source, std::string problem)
      : source_(source), problem_(std::move(problem)) {}

  [[nodiscard]] PolicySource source() const { return source_; }
  [[nodiscard]] const std::optional<Policy>& policy() const { return policy_; }
  [[nodiscard]] const std::string& digest() const { return digest_; }    // empty without policy
  [[nodiscard]] const std::string& problem() const { return problem_; }  // empty with policy

  // Thread-safe. Needs policy(). The table lives as long as any holder.
  [[nodiscard]] std::shared_ptr<const DecisionTable> table(int nranks, int nnodes,
                                                           AllGatherChannels allgather_channels);

 private:
  PolicySource source_;
  std::optional<Policy> policy_;
  std::string digest_;
  std::string problem_;
  std::mutex mutex_;  // guards tables_
  std::map<std::tuple<int, int, AllGatherChannels>, std::shared_ptr<const DecisionTable>> tables_;
};

// The policy that a value of NCCL_VERNIER_POLICY names. Never null; what is wrong is in problem().
// Thread-safe: callers with the same content wait for one parse and share the result.
[[nodiscard]] std::shared_ptr<LoadedPolicy> load_policy(std::string_view setting);

}  // namespace vernier
