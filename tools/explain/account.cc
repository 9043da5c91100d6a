// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/account.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "tools/explain/findings.hpp"
#include "tools/explain/judge.hpp"

namespace vernier::joblog {
namespace {

using Path = nccl_log::Selection::Path;

const Process* find_process(const JobLog& log, std::string_view name) {
  const auto found = log.processes().find(name);
  return found == log.processes().end() ? nullptr : &found->second;
}

std::string nccl_of(const JobLog& log, const Process* process) {
  return process != nullptr && !process->nccl.empty() ? process->nccl : log.nccl();
}

// Members that are ranks of one communicator. Without an id: of equal size, if no process has two.
std::vector<std::vector<std::size_t>> group_members(const JobLog& log) {
  std::map<std::string, std::vector<std::size_t>> by_id;
  std::map<int, std::vector<std::size_t>> by_size;
  for (std::size_t i = 0; i < log.members().size(); ++i) {
    const Member& member = log.members()[i];
    if (member.comm_id.empty()) {
      by_size[member.ranks].push_back(i);
    } else {
      by_id[member.comm_id].push_back(i);
    }
  }
  std::vector<std::vector<std::size_t>> groups;
  for (auto& [id, group] : by_id) groups.push_back(std::move(group));
  for (auto& [size, group] : by_size) {
    std::set<std::string_view> processes;
    for (const std::size_t i : group) processes.insert(log.members()[i].process);
    if (processes.size() == group.size()) {
      groups.push_back(std::move(group));
    } else {
      for (const std::size_t i : group) groups.push_back({i});
    }
  }
  std::sort(groups.begin(), groups.end(),
            [](const auto& a, const auto& b) { return a.front() < b.front(); });
  return groups;
}

constexpr std::size_t kMaxCompared = 128;  // variables of a communicator

// NCCL names a variable when it first reads it, so what no rank names may be set all the same.
void compare_variables(const JobLog& log, CommunicatorAccount& account) {
  std::set<std::string> names;
  for (const std::size_t i : account.members) {
    const Process* const process = find_process(log, log.members()[i].process);
    if (process == nullptr) continue;
    for (const auto& [name, value] : process->variables) {
      if (names.size() < kMaxCompared) names.insert(name);
    }
  }
  for (const std::string& name : names) {
    std::map<std::string, std::vector<int>> ranks_by_value;
    for (const std::size_t i : account.members) {
      const Member& member = log.members()[i];
      const Process* const process = find_process(log, member.process);
      const auto found = process == nullptr ? std::map<std::string, std::string>::const_iterator{}
                                            : process->variables.find(name);
      const bool is_set = process != nullptr && found != process->variables.end();
      ranks_by_value[is_set ? "\"" + found->second + "\"" : "not set"].push_back(member.rank);
    }
    if (ranks_by_value.size() > 1) account.variables[name] = std::move(ranks_by_value);
  }
}

std::string chooser_of(const Member& member, const Tuner& tuner) {
  if (tuner.who == Tuner::Who::other) return tuner.text;
  if (tuner.who == Tuner::Who::nobody) return "NCCL";
  if (!member.tuner) return {};
  return tuner.reason == "active" ? "vernier " + member.tuner->digest : "NCCL";
}

CommunicatorAccount account_of(const JobLog& log, const std::vector<std::size_t>& group) {
  CommunicatorAccount account;
  account.members = group;
  for (const std::size_t i : group) {
    const Member& member = log.members()[i];
    const Process* const process = find_process(log, member.process);
    account.id = member.comm_id;
    account.ranks = member.ranks;
    account.nodes = std::max(account.nodes, member.nodes);
    account.seen.push_back(member.rank);
    if (member.rank >= 0 && !member.complete) account.unfinished.push_back(member.rank);
    const std::string nccl = nccl_of(log, process);
    if (!nccl.empty()) account.nccl[nccl].push_back(member.rank);
    const Tuner tuner = tuner_of(&member, process);
    account.tuners[tuner.text].push_back(member.rank);
    const std::string chooser = chooser_of(member, tuner);
    if (!chooser.empty()) account.choosers[chooser].push_back(member.rank);
  }
  compare_variables(log, account);
  return account;
}

// --policy; else that of a profile, where the logs tell of the same one and of no other.
const Policy* policy_of_logs(const JobEvidence& evidence) {
  if (evidence.policy) return &*evidence.policy;
  const std::set<std::string> ran = evidence.log.digests();
  for (const ProfiledJob& job : evidence.profiles) {
    if (job.policy && ran == std::set{digest(*job.policy)}) return &*job.policy;
  }
  return nullptr;
}

// Rows of the logs: calls of the same shape and size, and what ran for them.
class LogCalls {
 public:
  LogCalls(const JobEvidence& evidence) : log_(evidence.log), policy_(policy_of_logs(evidence)) {}

  std::vector<CallAccount> rows() {
    for (const auto& [kind, counts] : log_.calls()) add(kind, counts);
    std::vector<CallAccount> rows;
    for (const auto& [key, size] : sizes_) {
      const auto& [ranks, nodes, operation, nbytes] = key;
      CallAccount row;
      row.ranks = ranks;
      row.nodes = nodes;
      row.operation = operation;
      row.nbytes = nbytes;
      row.calls = most(size.calls);
      if (size.runs.empty()) {
        row.reason = find_collective(operation) ? "not-told" : "";
        rows.push_back(row);
      }
      for (const auto& [run, lines] : size.runs) {
        std::tie(row.ran, row.asked, row.reason) = run;
        row.lines = most(lines);
        rows.push_back(row);
      }
    }
    return rows;
  }

 private:
  using Processes = std::map<std::string_view, std::uint64_t>;
  struct Size {
    Processes calls;
    std::map<std::tuple<std::string, std::string, std::string>, Processes> runs;
  };

  static std::uint64_t most(const Processes& processes) {
    std::uint64_t most = 0;
    for (const auto& [process, count] : processes) most = std::max(most, count);
    return most;
  }

  void add(const CallKind& kind, const CallCounts& counts) {
    const Member* const member =
        kind.member == JobLog::kNoMember ? nullptr : &log_.members()[kind.member];
    const Process* const process =
        member == nullptr ? nullptr : find_process(log_, member->process);
    JudgedCall call;
    call.operation = kind.operation;
    call.ranks = member == nullptr ? 0 : member->ranks;
    call.nodes = member == nullptr ? 0 : member->nodes;
    call.nbytes = tuner_bytes(kind, call.ranks);
    call.nccl = nccl_of(log_, process);
    if (process != nullptr) {
      call.nccl_algo = find(process->variables, "NCCL_ALGO");
      call.nccl_proto = find(process->variables, "NCCL_PROTO");
    }
    Size& size = sizes_[{call.ranks, call.nodes, call.operation, call.nbytes}];
    const std::string_view name = member == nullptr ? std::string_view() : member->process;
    if (counts.calls > 0) size.calls[name] += counts.calls;
    const Tuner tuner = tuner_of(member, process);
    for (const auto& [ran, lines] : counts.runs) {
      call.path = ran.path;
      call.ran = ran.choice;
      const Verdict verdict = judge(call, tuner, policy_);
      size.runs[{ran.text(), verdict.asked, verdict.reason}][name] += lines;
    }
    if (!counts.observed.empty()) {
      const std::size_t colon = counts.observed.find(": ");
      size.runs[{"", counts.observed.substr(0, colon), "mode"}][name] += 1;
    }
  }

  static std::optional<std::string> find(const std::map<std::string, std::string>& variables,
                                         const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  }

  static std::optional<std::uint64_t> tuner_bytes(const CallKind& kind, int ranks) {
    const bool scattered = kind.operation == "allgather" || kind.operation == "reducescatter";
    if (!kind.of_one_rank || !scattered) return kind.nbytes;
    std::uint64_t nbytes = 0;
    if (ranks == 0 ||
        __builtin_mul_overflow(kind.nbytes, static_cast<std::uint64_t>(ranks), &nbytes)) {
      return std::nullopt;
    }
    return nbytes;
  }

  const JobLog& log_;
  const Policy* policy_;
  std::map<std::tuple<int, int, std::string, std::optional<std::uint64_t>>, Size> sizes_;
};

CallAccount row_of(const profile::Row& from, const Policy* policy) {
  CallAccount row;
  row.profiled = true;
  row.ranks = from.ranks;
  row.nodes = from.nodes;
  row.operation = from.operation;
  row.nbytes = from.nbytes;
  row.captured = from.captured;
  row.calls = from.calls.most;
  row.asked = from.requested;
  row.reason = from.reason;
  JudgedCall call{from.operation, from.nbytes, from.ranks, from.nodes, Path::table, {}, {}, {}, {}};
  const auto algorithm = find_algorithm(from.algorithm);
  const auto protocol = find_protocol(from.protocol);
  if (algorithm && protocol) call.ran = Choice{*algorithm, *protocol};
  if (from.algorithm == "copy_engine") call.path = Path::copy_engine;
  // docs/log-format.md: calls without a kernel.
  if (from.reason == "no-kernel") call.path = Path::symmetric;
  row.ran = Ran{call.path, call.ran, from.channels, {}}.text();
  if (row.ran.empty() && find_collective(from.operation)) row.ran = "no kernel";
  Tuner tuner;
  if (!from.reason.empty()) {
    // Those that are of one call say that the communicator's rules were active.
    constexpr std::array<std::string_view, 5> kOfACall = {"applied", "stepped-aside", "no-kernel",
                                                          "no-match", "unaligned"};
    const bool active = std::find(kOfACall.begin(), kOfACall.end(), from.reason) != kOfACall.end();
    tuner = {Tuner::Who::vernier, active ? "active" : from.reason, ""};
  }
  if (policy == nullptr || from.bucket) return row;
  const Verdict verdict = judge(call, tuner, policy);
  if (!verdict.asked.empty()) row.asked = verdict.asked;
  if (!verdict.reason.empty()) row.reason = verdict.reason;
  return row;
}

}  // namespace

Account make_account(const JobEvidence& evidence) {
  Account account;
  for (const auto& group : group_members(evidence.log)) {
    account.communicators.push_back(account_of(evidence.log, group));
    const SequenceCheck check = check_sequence(evidence.log, group);
    if (check.result != SequenceCheck::Result::too_few) account.sequences.push_back(check);
  }
  account.calls = LogCalls(evidence).rows();
  for (const ProfiledJob& job : evidence.profiles) {
    const std::optional<Policy>& policy = evidence.policy ? evidence.policy : job.policy;
    for (const profile::Row& row : job.traffic.rows) {
      account.calls.push_back(row_of(row, policy ? &*policy : nullptr));
    }
    const auto checks = check_profiles(job.job);
    account.sequences.insert(account.sequences.end(), checks.begin(), checks.end());
  }
  add_findings(evidence, account);
  return account;
}

std::string_view meaning_of(std::string_view reason) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 21> kMeanings = {{
      {"applied", "what ran is what the policy asks"},
      {"no-match", "no rule for this collective and size"},
      {"no-rules", "no rule for so many ranks and nodes"},
      {"unaligned", "the part of a rank is no multiple of the rule's alignment"},
      {"cell-unusable",
       "NCCL cannot use that cell there (hardware, NCCL_ALGO, NCCL_PROTO), or it "
       "protects FP8"},
      {"default-differs", "NCCL's own choice is not the rule's instead_of: measure again"},
      {"symmetric-path", "symmetric-memory kernels ask no tuner"},
      {"copy-engine", "copy engines ask no tuner"},
      {"other-tuner", "another plugin tunes"},
      {"no-plugin", "NCCL loaded no tuner plugin"},
      {"not-told", "the log does not say: NCCL_DEBUG_SUBSYS=INIT,ENV,TUNING,COLL"},
      {"no-policy-text", "rules are active; --policy FILE says what they ask"},
      {"no-policy", "NCCL_VERNIER_POLICY is not set"},
      {"bad-policy", "the policy cannot be read, or has errors"},
      {"environment", "a variable of [environment] is not set as the policy states"},
      {"wrong-gpu", "[match] gpu names another"},
      {"wrong-nccl", "[match] nccl does not contain this NCCL"},
      {"no-agreement", "nothing told this rank that all ranks decide alike"},
      {"batch-invariant", "VLLM_BATCH_INVARIANT is set"},
      {"mode", "NCCL_VERNIER_MODE is observe or off"},
      {"old-nccl", "rules need NCCL 2.22"},
  }};
  for (const auto& [word, meaning] : kMeanings) {
    if (word == reason) return meaning;
  }
  return {};
}

std::string ranks_text(const std::vector<int>& ranks) {
  std::set<int> sorted(ranks.begin(), ranks.end());
  std::string text = sorted.contains(-1) ? "?" : "";
  sorted.erase(-1);
  for (auto rank = sorted.begin(); rank != sorted.end();) {
    const int first = *rank;
    int last = first;
    while (++rank != sorted.end() && *rank == last + 1) ++last;
    text += text.empty() ? "" : ", ";
    text += last == first ? fmt::to_string(first) : fmt::format("{} to {}", first, last);
  }
  return (ranks.size() == 1 ? "rank " : "ranks ") + text;
}

}  // namespace vernier::joblog
