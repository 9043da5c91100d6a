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

struct Counts {
  std::uint64_t calls = 0;
  std::uint64_t replayed = 0;
  std::uint64_t graphs = 0;
};

struct Merged {
  std::map<const Profile*, Counts> processes;
  std::map<std::uint64_t, std::uint64_t> latency_ns;
  std::map<std::uint64_t, std::uint64_t> after_gap_ns;
  // (communicator, position of a call) -> the median of each rank
  std::map<std::pair<std::string, std::uint32_t>, std::vector<std::uint64_t>> positions;
};

void merge(std::map<std::uint64_t, std::uint64_t>& all, const Latency& more) {
  for (const auto& [lower_ns, count] : more) all[lower_ns] += count;
}

std::uint64_t median(std::vector<std::uint64_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void estimate_wait(Row& row, const Merged& merged) {
  std::vector<std::uint64_t> transfers_ns;
  std::vector<std::uint64_t> waits_ns;
  for (const auto& [position, medians_ns] : merged.positions) {
    if (medians_ns.size() != static_cast<std::size_t>(row.ranks)) continue;
    const auto [least, most] = std::minmax_element(medians_ns.begin(), medians_ns.end());
    transfers_ns.push_back(*least);
    waits_ns.push_back(*most - *least);
  }
  if (transfers_ns.empty()) return;
  row.transfer_ns = median(std::move(transfers_ns));
  row.wait_ns = median(std::move(waits_ns));
}

// How often it ran times how long it took, of a rank; 0 where one of them is not known.
double time_ns(const Row& row) {
  const std::uint64_t samples = samples_of(row.latency_ns) + samples_of(row.after_gap_ns);
  if (samples == 0) return 0;
  const std::uint64_t ran = row.captured ? row.replayed.most : row.calls.most;
  return (total_ns(row.latency_ns) + total_ns(row.after_gap_ns)) / static_cast<double>(samples) *
         static_cast<double>(ran);
}

void share_time(std::vector<Row>& rows) {
  double whole_ns = 0;
  for (const Row& row : rows) whole_ns += time_ns(row);
  if (whole_ns == 0) return;
  for (Row& row : rows) row.time_share = time_ns(row) / whole_ns;
}

// NCCL 2.29 and later may run broadcasts as AllGatherV, of which no kernel is told (derived).
bool hides_broadcasts(const std::string& nccl) {
  const auto version = parse_nccl_version(nccl);
  return version && *version >= 22900;
}

// The policies that the tuner plugin left beside the profiles, by digest.
class Policies {
 public:
  Policies(std::string directory, std::vector<std::string>& problems)
      : directory_(std::move(directory)), problems_(problems) {}

  const Policy* find(const std::string& digest) {
    const auto known = policies_.find(digest);
    if (known != policies_.end()) return known->second ? &*known->second : nullptr;
    if (digest.find_first_not_of("0123456789abcdef", digest.find(':') + 1) != std::string::npos) {
      problems_.push_back("a tuner's log has a digest that is none");  // it would be a path
      return (policies_[digest] = std::nullopt, nullptr);
    }
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
        rule.matches_bytes(*row.nbytes)) {
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
  if (rule == nullptr || !rule->is_aligned(*row.nbytes, row.ranks)) {
    const Reason reason = rule == nullptr ? Reason::no_match : Reason::unaligned;
    row.reason = decision->reason == "active" ? std::string(name_of(reason)) : decision->reason;
    return;
  }
  row.requested =
      fmt::format("{}/{}{}", name_of(rule->choice.algorithm), name_of(rule->choice.protocol),
                  rule->channels ? fmt::format("/{}", *rule->channels) : "");
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
      : job_(job), policies_(directory, problems) {
    for (const TunerDecision& decision : job.tuner_decisions) {
      decisions_.try_emplace({decision.host, decision.pid, decision.comm_id}, &decision);
    }
  }

  Traffic gather() {
    for (const Profile& profile : job_.profiles) {
      traffic_.dropped += profile.dropped;
      for (const Call& call : profile.calls) {
        add(profile, call, find_communicator(profile, call.communicator));
      }
    }
    for (const auto& [kind, merged] : kinds_) traffic_.rows.push_back(row_of(kind, merged));
    share_time(traffic_.rows);
    std::stable_sort(traffic_.rows.begin(), traffic_.rows.end(), [](const Row& a, const Row& b) {
      return a.calls.most + a.replayed.most > b.calls.most + b.replayed.most;
    });
    return std::move(traffic_);
  }

 private:
  void add(const Profile& profile, const Call& call, const Communicator* communicator) {
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
    for (const Kernel& kernel : call.kernels) {
      row.algorithm = kernel.algorithm;
      row.protocol = kernel.protocol;
      row.channels = kernel.channels;
      // Over a network NCCL tells of a graph's kernels when it is replayed, and not at capture.
      const std::uint64_t ran =
          enqueued > 0 || replayed == 0 ? kernel.enqueued : share(calls, kernel.replayed, replayed);
      if (find_collective(row.operation) && !kernel.protocol.empty()) {
        traffic_.touchable_calls += ran;
      }
      // A launch that was timed and of which no kernel is told: its calls are counted below.
      const bool counted = kernel.enqueued > 0 || kernel.replayed > 0;
      count(row, decision, profile, {ran, kernel.replayed, counted ? call.graphs : 0}, &kernel,
            communicator);
    }
    if (calls > enqueued && replayed == 0) {
      row.algorithm.clear();
      row.protocol.clear();
      row.channels = 0;
      const bool untold = row.operation == "broadcast" && hides_broadcasts(profile.nccl);
      if (untold) traffic_.untold_calls += calls - enqueued;
      count(row, decision, profile, {calls - enqueued, 0, call.graphs}, nullptr, communicator);
    }
  }

  static std::uint64_t share(std::uint64_t of, std::uint64_t part, std::uint64_t whole) {
    return static_cast<std::uint64_t>(static_cast<double>(of) * static_cast<double>(part) /
                                      static_cast<double>(whole));
  }

  void count(Row row, const TunerDecision* decision, const Profile& profile, Counts counts,
             const Kernel* kernel, const Communicator* communicator) {
    judge(row, decision, policies_);
    Merged& merged = kinds_[{row.operation, row.data_type, row.nbytes, row.bucket, row.ranks,
                             row.nodes, row.captured, row.algorithm, row.protocol, row.channels,
                             row.requested, row.reason}];
    Counts& process = merged.processes[&profile];
    process.calls += counts.calls;
    process.replayed += counts.replayed;
    process.graphs += counts.graphs;
    if (kernel == nullptr) return;
    merge(merged.latency_ns, kernel->latency_ns);
    merge(merged.after_gap_ns, kernel->after_gap_ns);
    if (communicator == nullptr) return;
    for (const Position& one : kernel->positions) {
      merged.positions[{communicator->comm_id, one.position}].push_back(one.median_ns);
    }
  }

  static Row row_of(const Kind& kind, const Merged& merged) {
    Row row;
    std::tie(row.operation, row.data_type, row.nbytes, row.bucket, row.ranks, row.nodes,
             row.captured, row.algorithm, row.protocol, row.channels, row.requested, row.reason) =
        kind;
    const auto range = [&merged](std::uint64_t Counts::*of) {
      const auto [least, most] = std::minmax_element(
          merged.processes.begin(), merged.processes.end(),
          [of](const auto& a, const auto& b) { return a.second.*of < b.second.*of; });
      return Range{least->second.*of, most->second.*of};
    };
    row.calls = range(&Counts::calls);
    row.replayed = range(&Counts::replayed);
    for (const auto& [process, counts] : merged.processes) {
      if (counts.graphs == 0) continue;
      row.calls_per_graph = std::max(row.calls_per_graph, static_cast<double>(counts.calls) /
                                                              static_cast<double>(counts.graphs));
    }
    estimate_wait(row, merged);
    row.processes = static_cast<int>(merged.processes.size());
    row.latency_ns.assign(merged.latency_ns.begin(), merged.latency_ns.end());
    row.after_gap_ns.assign(merged.after_gap_ns.begin(), merged.after_gap_ns.end());
    return row;
  }

  // What the tuner of the same process decided about the communicator.
  const TunerDecision* find_decision(const Profile& profile,
                                     const Communicator* communicator) const {
    if (communicator == nullptr) return nullptr;
    const auto found = decisions_.find({profile.host, profile.pid, communicator->comm_id});
    return found == decisions_.end() ? nullptr : found->second;
  }

  const Job& job_;
  Policies policies_;
  std::map<std::tuple<std::string, std::uint64_t, std::string>, const TunerDecision*> decisions_;
  Traffic traffic_;
  std::map<Kind, Merged> kinds_;
};

}  // namespace

Traffic gather_traffic(const Job& job, const std::string& directory,
                       std::vector<std::string>& problems) {
  return Gatherer(job, directory, problems).gather();
}

}  // namespace vernier::profile
