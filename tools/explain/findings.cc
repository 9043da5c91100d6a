// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/findings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "tools/explain/judge.hpp"
#include "tools/policy/rule_text.hpp"

namespace vernier::joblog {
namespace {

// Ranks that read these differently choose differently, and hang.
bool decides(const std::string& variable) {
  constexpr std::array<std::string_view, 8> kNames = {
      "NCCL_ALGO",          "NCCL_PROTO",         "NCCL_TUNER_PLUGIN", "NCCL_BUFFSIZE",
      "NCCL_MIN_NCHANNELS", "NCCL_MAX_NCHANNELS", "NCCL_NVLS_ENABLE",  "NCCL_CUMEM_ENABLE"};
  return std::find(kNames.begin(), kNames.end(), variable) != kNames.end();
}

void judge_communicator(const CommunicatorAccount& communicator, Account& account) {
  std::vector<std::string>& findings = account.findings;
  const std::string name =
      communicator.id.empty() ? "a communicator" : "communicator " + communicator.id;
  const auto list = [](const std::map<std::string, std::vector<int>>& what) {
    std::string text;
    for (const auto& [value, ranks] : what) {
      text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", ranks_text(ranks), value);
    }
    return text;
  };
  if (!communicator.unfinished.empty()) {
    findings.push_back(fmt::format("{}: {} began to make it and did not finish", name,
                                   ranks_text(communicator.unfinished)));
  }
  if (communicator.nccl.size() > 1) {
    findings.push_back(
        fmt::format("{}: its ranks run different NCCLs: {}", name, list(communicator.nccl)));
  }
  if (communicator.choosers.size() > 1) {
    findings.push_back(fmt::format("{}: not all of its ranks are tuned alike, which can hang: {}",
                                   name, list(communicator.choosers)));
  }
  for (const auto& [variable, values] : communicator.variables) {
    (decides(variable) ? findings : account.notes)
        .push_back(
            fmt::format("{}: its ranks read {} differently: {}", name, variable, list(values)));
  }
}

// A user who sets the variable, or asks about a policy, wants rules to apply.
void judge_processes(const JobEvidence& evidence, std::vector<std::string>& findings) {
  std::map<std::string, int> seen;
  for (const auto& [name, process] : evidence.log.processes()) {
    const auto plugin = process.variables.find("NCCL_TUNER_PLUGIN");
    const bool wanted =
        plugin != process.variables.end() && plugin->second.find("vernier") != std::string::npos;
    const Tuner tuner = tuner_of(nullptr, &process);
    const bool missing = tuner.who == Tuner::Who::nobody || tuner.who == Tuner::Who::other;
    if (missing && (wanted || evidence.policy)) {
      ++seen[fmt::format("vernier does not tune: {}", tuner.text)];
    }
    for (const auto& [reason, text] : process.warnings) {
      ++seen[reason.empty() ? text : fmt::format("rules do not apply ({}): {}", reason, text)];
    }
  }
  for (const auto& [text, processes] : seen) {
    findings.push_back(
        fmt::format("{} ({} process{})", text, processes, processes == 1 ? "" : "es"));
  }
}

void compare_digests(const JobEvidence& evidence, std::vector<std::string>& notes) {
  if (!evidence.policy) return;
  const std::string asked = digest(*evidence.policy);
  std::set<std::string> ran = evidence.log.digests();
  for (const ProfiledJob& job : evidence.profiles) {
    for (const auto& decision : job.job.tuner_decisions) {
      if (!decision.digest.empty()) ran.insert(decision.digest);
    }
  }
  ran.erase(asked);
  for (const std::string& other : ran) {
    notes.push_back(fmt::format("the job ran another policy, {}; --policy is {}", other, asked));
  }
}

void judge_calls(const std::vector<CallAccount>& calls, std::vector<std::string>& findings) {
  std::map<std::string, std::set<decltype(calls.front().kind())>> aside;
  for (const CallAccount& call : calls) {
    if (call.asked.empty() || call.reason == "applied" || call.reason == "mode" ||
        call.reason == "batch-invariant") {
      continue;
    }
    aside[call.reason].insert(call.kind());
  }
  for (const auto& [reason, kinds] : aside) {
    findings.push_back(fmt::format("{} of calls did not run as the policy asks: {}",
                                   count_of(std::ssize(kinds), "kind"), reason));
  }
}

void judge_sequences(const std::vector<SequenceCheck>& checks, std::vector<std::string>& findings) {
  for (const SequenceCheck& check : checks) {
    if (check.result != SequenceCheck::Result::differ &&
        check.result != SequenceCheck::Result::behind) {
      continue;
    }
    std::string camps;
    for (const Camp& camp : check.camps) {
      camps += fmt::format("{}{}: {}", camps.empty() ? "" : "; ", ranks_text(camp.ranks),
                           camp.call.empty() ? "no more calls" : camp.call);
    }
    findings.push_back(fmt::format(
        "communicator {}: its ranks {} at {}: {}",
        check.communicator.empty() ? "without an id" : check.communicator,
        check.result == SequenceCheck::Result::differ ? "disagree" : "part", check.place, camps));
  }
}

}  // namespace

void add_findings(const JobEvidence& evidence, Account& account) {
  for (const CommunicatorAccount& communicator : account.communicators) {
    judge_communicator(communicator, account);
  }
  compare_digests(evidence, account.notes);
  judge_processes(evidence, account.findings);
  judge_calls(account.calls, account.findings);
  judge_sequences(account.sequences, account.findings);
}

}  // namespace vernier::joblog
