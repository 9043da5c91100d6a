// SPDX-License-Identifier: Apache-2.0
#include "plugin/tuner/activation.hpp"

#include <fmt/format.h>

#include <mutex>
#include <vector>

#include "plugin/common/process_lifetime.hpp"
#include "plugin/common/unknown_variables.hpp"
#include "plugin/tuner/policy_store.hpp"
#include "plugin/tuner/rank_agreement.hpp"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

// An empty variable is one that is not set.
std::string mode_setting() {
  const auto value = get_env("NCCL_VERNIER_MODE");
  return value && !value->empty() ? *value : "apply";
}

// A file may be replaced while a process runs.
void report_change(const std::string& digest, const NcclLog& log) {
  struct Latest {
    std::mutex mutex;
    std::string digest;  // of the latest communicator whose rules apply
  };
  static ProcessLifetime<Latest> latest;
  const std::lock_guard lock(latest->mutex);
  if (!latest->digest.empty() && latest->digest != digest) {
    log.info(
        fmt::format("the policy has changed: was {}, is {} from this communicator on; those "
                    "made before, and captured graphs, keep the old choice",
                    latest->digest, digest));
  }
  latest->digest = digest;
}

std::string info_text(const Activation& activation, const CommunicatorFacts& facts) {
  const std::string& mode = activation.mode;
  std::string policy = "no policy";
  std::size_t rules = 0;
  if (activation.policy != nullptr && activation.policy->policy()) {
    policy = fmt::format("policy {} {}", in_quotes(activation.policy->policy()->name),
                         activation.policy->digest());
    rules = activation.policy->policy()->rules.size();
  }
  return fmt::format(
      "vernier {}: ranks {}, nodes {}, NCCL {}, tuner v{}, {}, rules active {} of {}, "
      "mode {}, reason {}{}{}",
      VERNIER_VERSION, facts.nranks, facts.nnodes,
      facts.nccl_version ? format_nccl_version(*facts.nccl_version) : "of unknown version",
      facts.tuner_abi, policy, activation.active() ? activation.table->size() : 0, rules,
      parse_mode(mode) ? mode : in_quotes(mode), name_of(activation.reason),
      activation.detail.empty() ? "" : ": ", activation.detail);
}

}  // namespace

Activation activate(const CommunicatorFacts& facts, const NcclLog& log) {
  Activation result;
  result.mode = mode_setting();
  warn_about_unknown_variables(log);
  const auto setting = get_env("NCCL_VERNIER_POLICY");
  if (!setting || setting->empty()) return result;
  if (facts.nranks <= 1) {
    result.reason = Reason::one_rank;
    return result;
  }
  const bool in_file = !setting->starts_with(kInlinePrefix);
  const std::string_view alone = why_no_meeting(facts);
  const bool meets = in_file && alone.empty();

  if (const auto mode = parse_mode(result.mode)) {
    static_cast<Judgement&>(result) = judge_alone(*setting, *mode, meets, facts, log);
  } else {
    result.reason = Reason::mode;
    result.detail = fmt::format("NCCL_VERNIER_MODE is {}; allowed: apply, observe, off",
                                in_quotes(result.mode));
    log.warn_once(name_of(result.reason), "rules do not apply (mode): " + result.detail);
  }

  result.setting = *setting;
  if (meets) {
    // Ranks whose rules do not apply come too, so that the others learn it at once.
    result.meeting = prepare_meeting(result, result.mode, facts, log);
  } else if (in_file && result.active()) {
    result.reason = Reason::no_agreement;
    result.detail = fmt::format("{}; {}", alone, advise_inline(*setting));
    log.warn_once(name_of(result.reason), "rules do not apply (no-agreement): " + result.detail);
  }
  return result;
}

void Activation::settle() noexcept {
  if (meeting == nullptr) return;
  verdict = meeting->attend();
  if (active() && verdict != Verdict::active) reason = Reason::no_agreement;
}

void report(Activation& activation, const CommunicatorFacts& facts, const NcclLog& log) {
  if (activation.meeting != nullptr) remember(*activation.meeting, activation.verdict);
  if (activation.meeting != nullptr && activation.reason == Reason::no_agreement) {
    activation.detail =
        explain_verdict(*activation.meeting, activation.verdict, facts.nranks, activation.setting);
    log.warn_once(name_of(activation.reason),
                  "rules do not apply (no-agreement): " + activation.detail);
  }
  if (activation.active()) report_change(activation.policy->digest(), log);
  log.info(info_text(activation, facts));
}

}  // namespace vernier
