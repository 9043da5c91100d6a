// SPDX-License-Identifier: Apache-2.0
//
// vernier explain: reads what it is given, and says what it comes to.
#include "tools/explain/explain.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "tools/common/input.hpp"
#include "tools/common/json_members.hpp"
#include "tools/explain/matters.hpp"
#include "tools/explain/read_logs.hpp"
#include "tools/explain/report.hpp"
#include "tools/policy/policy_file.hpp"
#include "tools/workload/model.hpp"

namespace vernier::joblog {
namespace {

// The policy that ran, where all communicators had the same; the plugin leaves it there.
std::optional<Policy> find_policy(const ProfiledJob& job) {
  std::set<std::string> digests;
  for (const profile::TunerDecision& decision : job.job.tuner_decisions) {
    if (!decision.digest.empty()) digests.insert(decision.digest);
  }
  if (digests.size() != 1) return std::nullopt;
  const std::string hex = digests.begin()->substr(digests.begin()->find(':') + 1);
  if (hex.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  const Input input =
      read_input(fmt::format("{}/policy-{}.toml", job.directory, hex), kMaxPolicyBytes);
  auto policy = input.problem.empty() ? parse_policy(input.text).policy : std::nullopt;
  if (policy && digest(*policy) != *digests.begin()) policy.reset();
  return policy;
}

void read_profiles(const std::string& directory, JobEvidence& evidence) {
  ProfiledJob job{directory, profile::read_job(directory), {}, {}};
  job.traffic = profile::gather_traffic(job.job, directory, job.job.problems);
  for (const std::string& problem : job.job.problems) evidence.problems.push_back(problem);
  job.policy = find_policy(job);
  evidence.profiles.push_back(std::move(job));
}

// Throws Malformed.
void read_all(const Options& options, JobEvidence& evidence) {
  for (const std::string& path : options.logs) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      read_profiles(path, evidence);
    } else if (const std::string problem = read_log(path, evidence.log); !problem.empty()) {
      throw Malformed(fmt::format("{}: {}", path, problem));
    }
  }
  const JobLog::Totals& totals = evidence.log.totals();
  if (totals.lines > 0 && totals.nccl + totals.vllm == 0 && evidence.profiles.empty()) {
    throw Malformed(
        "no line is of NCCL or of vLLM; NCCL writes with NCCL_DEBUG=INFO and "
        "NCCL_DEBUG_SUBSYS=INIT,ENV,TUNING,COLL");
  }
}

// How many nodes the ranks of the group are on, where logs or profiles tell.
int seen_nodes(const Account& account, int ranks) {
  for (const CommunicatorAccount& one : account.communicators) {
    if (one.ranks == ranks && one.nodes > 0) return one.nodes;
  }
  for (const CallAccount& call : account.calls) {
    if (call.ranks == ranks && call.nodes > 0) return call.nodes;
  }
  return 0;
}

std::optional<workload::Workload> expect(const Options& options, const JobEvidence& evidence,
                                         const Account& account) {
  if (options.model_config.empty()) return std::nullopt;
  workload::Deployment deployment = options.deployment;
  const VllmFacts& vllm = evidence.log.vllm();
  if (deployment.tp == 1 && deployment.dp == 1 && vllm.tp > 1) deployment.tp = vllm.tp;
  if (deployment.nodes == 1) {
    deployment.nodes = std::max(1, seen_nodes(account, std::max(deployment.tp, deployment.dp)));
  }
  deployment.absent_backends = absent_backends(vllm);
  return make_workload(workload::read_model_file(options.model_config), deployment);
}

// Much of the text is from logs, which are not trusted; none of it holds an end of line.
void print_lines(std::string_view text) {
  while (true) {
    const std::size_t end = text.find('\n');
    print_result(printable(text.substr(0, end)));
    if (end == text.npos) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

ExitCode explain_job(const Options& options) {
  JobEvidence evidence;
  if (!options.policy.empty()) {
    PolicyFile file = need_policy_file(options.policy, options.json);
    if (!file.parsed.policy) return ExitCode::could_not_look;
    evidence.policy = std::move(file.parsed.policy);
  }
  try {
    read_all(options, evidence);
    const Account account = make_account(evidence);
    const Matters matters =
        does_nccl_matter(expect(options, evidence, account), evidence.log.vllm(), account);
    if (options.json) {
      print_json(json_of(evidence, account, matters));
    } else {
      print_lines(text_of(evidence, account, matters));
    }
    return account.findings.empty() ? ExitCode::fine : ExitCode::findings;
  } catch (const Malformed& problem) {
    print_talk(fmt::format("vernier explain: error: {}", printable(problem.what())));
    return ExitCode::could_not_look;
  }
}

}  // namespace vernier::joblog
