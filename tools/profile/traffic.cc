// SPDX-License-Identifier: Apache-2.0
#include "tools/profile/traffic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <tuple>

#include "tools/common/input.hpp"
#include "vernier/policy.hpp"
#include "vernier/reason.hpp"

namespace vernier::profile {
namespace {

// All of Row but its numbers.
using Kind = std::tuple<std::string, std::string, std::optional<std::uint64_t>, bool, int, int,
                        bool, std::string, std::string, int, std::string, std::string>;

struct PerRank {
  std::uint64_t calls = 0;
  std::uint64_t replayed = 0;
};

// The policies that the tuner plugin left beside the profiles, by digest.
class Policies {
 public:
  Policies(std::string directory, std::vector<std::string>& problems)
      : directory_(std::move(directory)), problems_(problems) {}

  const Policy* find(const std::string& digest) {
    const auto known = policies_.find(digest);
    if (known != policies_.end()) return known->second ? &*known->second : nullptr;
    const std::string file =
        fmt::format("{}/policy-{}.toml", directory_, digest.substr(digest.find(':') + 1));
    const Input input = read_input(file, kMaxPolicyBytes);
    std::optional<Policy> policy;
    if (input.problem.empty()) policy = parse_policy(input.text).policy;
    if (policy && vernier::digest(*policy) != digest) policy.reset();
    if (!policy) {
      problems_.push_back(
          fmt::format("{}: the policy that ran is not there, or not as it was", file));
    }
    return (policies_[digest] = std::move(policy)) ? &*policies_[digest] : nullptr;
  }

 private:
  std::string directory_;
  std::vector<std::string>& problems_;
  std::map<std::string, std::optional<Policy>> policies_;
};

const Rule* find_rule(const Policy& policy, const Row& row) {
  const auto collective = find_collective(row.operation);
  if (!collective || !row.nbytes) return nullptr;
  for (const Rule& rule : policy.rules) {
    if (rule.collective == *collective && rule.matches_shape(row.ranks, row.nodes) &&
        rule.min_bytes <= *row.nbytes && *row.nbytes <= rule.max_bytes) {
      return &rule;
    }
  }
  return nullptr;
}

// What the policy asked for, and why that is not what ran.
void judge(Row& row, const TunerDecision* decision, Policies& policies) {
  if (decision == nullptr || row.bucket || !find_collective(row.operation)) return;
  const Policy* const policy = decision->digest.empty() ? nullptr : policies.find(decision->digest);
  const Rule* const rule = policy == nullptr ? nullptr : find_rule(*policy, row);
  if (rule == nullptr) {
    row.reason = decision->reason == "active" ? "no-match" : decision->reason;
    return;
  }
  row.requested =
      fmt::format("{}/{}", name_of(rule->choice.algorithm), name_of(rule->choice.protocol));
  const bool ran = row.algorithm == name_of(rule->choice.algorithm) &&
                   row.protocol == name_of(rule->choice.protocol);
  if (decision->reason != "active") {
    row.reason = decision->reason;
  } else {
    // From outside a rule that stepped aside looks the same whatever made it.
    row.reason = ran ? "applied" : row.algorithm.empty() ? "no-kernel" : "stepped-aside";
  }
}

class Gatherer {
 public:
  Gatherer(const Job& job, const std::string& directory, std::vector<std::string>& problems)
      : job_(job), policies_(directory, problems) {}

  Traffic gather() {
    for (const Profile& profile : job_.profiles) {
      traffic_.dropped += profile.dropped;
      for (const Call& call : profile.calls) add(profile, call);
    }
    for (const auto& [kind, ranks] : kinds_) traffic_.rows.push_back(row_of(kind, ranks));
    std::stable_sort(traffic_.rows.begin(), traffic_.rows.end(), [](const Row& a, const Row& b) {
      return a.calls.most + a.replayed.most > b.calls.most + b.replayed.most;
    });
    return std::move(traffic_);
  }

 private:
  void add(const Profile& profile, const Call& call) {
    const Communicator* const communicator = find_communicator(profile, call.communicator);
    Row row;
    row.operation = call.operation;
    row.data_type = call.data_type;
    row.ranks = communicator == nullptr ? 0 : communicator->ranks;
    row.nodes = communicator == nullptr ? 0 : communicator->nodes;
    row.nbytes = tuner_bytes(call, row.ranks);
    row.bucket = call.bucket;
    row.captured = call.captured;
    std::uint64_t enqueued = 0;
    std::uint64_t replayed = 0;
    for (const Kernel& kernel : call.kernels) {
      enqueued += kernel.enqueued;
      replayed += kernel.replayed;
    }
    const std::uint64_t calls = call.calls.value_or(enqueued);
    if (call.operation == "allreduce" && call.count == 1 && !call.bucket) {
      traffic_.warm_up_calls += calls;
      return;
    }
    traffic_.calls += calls;
    const TunerDecision* const decision = find_decision(profile, communicator);
    // Over a network NCCL tells of a graph's kernels when it is replayed, and not at capture.
    const bool told_late = enqueued == 0 && replayed > 0 && call.kernels.size() == 1;
    for (const Kernel& kernel : call.kernels) {
      row.algorithm = kernel.algorithm;
      row.protocol = kernel.protocol;
      row.channels = kernel.channels;
      const std::uint64_t ran = told_late ? calls : kernel.enqueued;
      if (find_collective(row.operation) && !kernel.protocol.empty()) {
        traffic_.touchable_calls += ran;
      }
      count(row, decision, profile, ran, kernel.replayed);
    }
    if (calls > enqueued && replayed == 0) {
      row.algorithm.clear();
      row.protocol.clear();
      row.channels = 0;
      count(row, decision, profile, calls - enqueued, 0);
    }
  }

  void count(Row row, const TunerDecision* decision, const Profile& profile, std::uint64_t calls,
             std::uint64_t replayed) {
    judge(row, decision, policies_);
    PerRank& rank = kinds_[{row.operation, row.data_type, row.nbytes, row.bucket, row.ranks,
                            row.nodes, row.captured, row.algorithm, row.protocol, row.channels,
                            row.requested, row.reason}][&profile];
    rank.calls += calls;
    rank.replayed += replayed;
  }

  static Row row_of(const Kind& kind, const std::map<const Profile*, PerRank>& ranks) {
    Row row;
    std::tie(row.operation, row.data_type, row.nbytes, row.bucket, row.ranks, row.nodes,
             row.captured, row.algorithm, row.protocol, row.channels, row.requested, row.reason) =
        kind;
    const auto range = [&ranks](std::uint64_t PerRank::*of) {
      const auto [least, most] = std::minmax_element(
          ranks.begin(), ranks.end(),
          [of](const auto& a, const auto& b) { return a.second.*of < b.second.*of; });
      return Range{least->second.*of, most->second.*of};
    };
    row.calls = range(&PerRank::calls);
    row.replayed = range(&PerRank::replayed);
    row.seen_by = static_cast<int>(ranks.size());
    return row;
  }

  static const Communicator* find_communicator(const Profile& profile, std::uint32_t index) {
    for (const Communicator& communicator : profile.communicators) {
      if (communicator.index == index) return &communicator;
    }
    return nullptr;
  }

  // The tuner of the same process and communicator.
  const TunerDecision* find_decision(const Profile& profile,
                                     const Communicator* communicator) const {
    if (communicator == nullptr) return nullptr;
    for (const TunerDecision& decision : job_.tuner_decisions) {
      if (decision.host == profile.host && decision.pid == profile.pid &&
          decision.comm_id == communicator->comm_id) {
        return &decision;
      }
    }
    return nullptr;
  }

  const Job& job_;
  Policies policies_;
  Traffic traffic_;
  std::map<Kind, std::map<const Profile*, PerRank>> kinds_;
};

}  // namespace

Traffic gather_traffic(const Job& job, const std::string& directory,
                       std::vector<std::string>& problems) {
  return Gatherer(job, directory, problems).gather();
}

}  // namespace vernier::profile
