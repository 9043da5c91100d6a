// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/judge.hpp"

#include <fmt/format.h>

#include "tools/policy/explanation.hpp"
#include "vernier/env_selection.hpp"
#include "vernier/nccl_version.hpp"
#include "vernier/reason.hpp"

namespace vernier::joblog {
namespace {

using Path = nccl_log::Selection::Path;

std::string rule_text(const Rule& rule) {
  return rule.channels ? fmt::format("{}/{}", format_choice(rule.choice), *rule.channels)
                       : format_choice(rule.choice);
}

// A rule of an active policy whose cell is not what ran. NCCL's own choice then is what ran:
// vernier writes nothing where a rule steps aside. In the order in which decide() asks.
std::string why_aside(const Rule& rule, const JudgedCall& call, Collective collective) {
  if (EnvSelection(call.nccl_algo, call.nccl_proto).allows(collective, rule.choice)) {
    if (rule.instead_of && call.ran != rule.instead_of) {
      return std::string(name_of(Reason::default_differs));
    }
  }
  return std::string(name_of(Reason::cell_unusable));
}

std::string nobody_text(const Process& process) {
  if (process.unsupported) return "no plugin: it has no symbol that this NCCL knows";
  if (!process.not_found.empty()) return "no plugin: " + process.not_found + " not found";
  return "no plugin";
}

}  // namespace

Tuner tuner_of(const Member* member, const Process* process) {
  using Who = Tuner::Who;
  if (process == nullptr) return {};
  if (member != nullptr && member->tuner) {
    const nccl_log::TunerReport& report = *member->tuner;
    return {
        Who::vernier, report.reason,
        fmt::format("vernier, {}{}rules active {} of {}, mode {}, reason {}{}{}", report.digest,
                    report.digest.empty() ? "" : ", ", report.active_rules, report.rules,
                    report.mode, report.reason, report.detail.empty() ? "" : ": ", report.detail)};
  }
  if (process->tuner == "vernier") return {Who::vernier, "", "vernier, which told nothing of it"};
  if (!process->tuner.empty()) {
    return {Who::other, "other-tuner",
            fmt::format("another plugin, {}{}{}", process->tuner,
                        process->tuner_path.empty() ? "" : ", ", process->tuner_path)};
  }
  if (process->unsupported || process->internal || !process->not_found.empty()) {
    return {Who::nobody, "no-plugin", nobody_text(*process)};
  }
  return {Who::not_told, "not-told", "not told"};
}

Verdict judge(const JudgedCall& call, const Tuner& tuner, const Policy* policy) {
  Verdict verdict;
  const auto collective = find_collective(call.operation);
  if (call.operation.empty()) return {"", "not-told"};
  if (!collective) return verdict;  // NCCL asks no tuner
  const bool active = tuner.who == Tuner::Who::vernier && tuner.reason == "active";
  const bool known_shape = call.ranks > 0 && call.nodes > 0 && call.nbytes;
  if (policy != nullptr && known_shape) {
    // What ran is NCCL's own choice unless a rule took.
    const Call asked{
        *collective, *call.nbytes, call.ranks, call.nodes, {}, parse_nccl_version(call.nccl), {}};
    const Explanation answer = vernier::explain(*policy, asked);
    const bool asks = answer.rule != nullptr && answer.reason != Reason::unaligned;
    if (asks) verdict.asked = rule_text(*answer.rule);
    if (!asks) {
      verdict.reason = name_of(answer.reason);
    } else if (call.path == Path::table && call.ran) {
      verdict.reason = call.ran == answer.rule->choice ? std::string(name_of(Reason::applied))
                                                       : why_aside(*answer.rule, call, *collective);
    }
  }
  if (call.path == Path::symmetric) {
    verdict.reason = "symmetric-path";
  } else if (call.path == Path::copy_engine) {
    verdict.reason = "copy-engine";
  } else if (!active && !tuner.reason.empty()) {
    // Rules cannot have applied, whatever they say.
    verdict.reason = tuner.reason;
  } else if (policy == nullptr) {
    verdict.reason = "no-policy-text";
  } else if (!known_shape) {
    verdict.reason = "not-told";
  }
  return verdict;
}

}  // namespace vernier::joblog
