// SPDX-License-Identifier: Apache-2.0
#include "plugin/tuner/activation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <mutex>
#include <optional>

#include "plugin/common/gpu_name.hpp"
#include "plugin/common/process_lifetime.hpp"
#include "plugin/common/settings.hpp"
#include "plugin/tuner/env_selection.hpp"
#include "plugin/tuner/policy_store.hpp"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

constexpr char kMeetingDirectory[] = "/dev/shm";

int to_int(std::size_t count) { return static_cast<int>(std::min<std::size_t>(count, INT_MAX)); }

void warn_about_unknown_variables(const NcclLog& log) {
  std::vector<std::string_view> known;
  for (const Variable& variable : kVariables) known.push_back(variable.name);
  for (const std::string& name : find_unknown_variables()) {
    const std::string_view likely = nearest(name, known);
    log.warn_once("unknown variable " + name,
                  fmt::format("{} is no variable of vernier and is ignored{}", in_quotes(name),
                              likely.empty() ? "" : fmt::format("; did you mean {}?", likely)));
  }
}

// An empty variable is one that is not set.
std::string mode_setting() {
  const auto value = get_env("NCCL_VERNIER_MODE");
  return value && !value->empty() ? *value : "apply";
}

// vLLM promises bitwise equal results then; a change of algorithm or channels would break that.
bool batch_invariant() {
  const auto value = get_env("VLLM_BATCH_INVARIANT");
  return value && !value->empty() && *value != "0";
}

// Why ranks cannot meet; empty where they can.
std::string_view why_no_meeting(const CommunicatorFacts& facts) {
  if (facts.nnodes > 1) return "with several nodes a file may differ between ranks";
  if (!facts.comm_id) return "before NCCL 2.28.3 ranks cannot compare their files";
  // It makes commId the same in one run and the next.
  if (get_env("NCCL_COMM_ID")) return "under NCCL_COMM_ID ranks cannot compare their files";
  return {};
}

// How to say it to every rank at once. `setting`: NCCL_VERNIER_POLICY.
std::string advise_inline(std::string_view setting) {
  return fmt::format(
      "give every rank the policy itself: vernier env --inline --format sh --policy {} prints the "
      "line",
      setting);
}

std::chrono::milliseconds meeting_timeout(const NcclLog& log) {
  const std::string text = get_env("NCCL_VERNIER_AGREE_TIMEOUT_MS").value_or("");
  const std::optional<int> timeout_ms = parse_timeout_ms(text);
  if (!timeout_ms && !text.empty()) {
    log.warn_once("timeout", fmt::format("NCCL_VERNIER_AGREE_TIMEOUT_MS is {}; allowed: 1 to {}; "
                                         "{} is used",
                                         in_quotes(text), kMaxTimeoutMs, kDefaultTimeoutMs));
  }
  return std::chrono::milliseconds(timeout_ms.value_or(kDefaultTimeoutMs));
}

// A process that waited in vain and met nobody is probably in a container of its own. It would wait
// for each communicator again: until it meets somebody, only a tenth of the time.
std::atomic<bool> met_nobody{false};

std::string environment_of(const Policy& policy) {
  std::string text;
  for (const auto& [name, wanted] : policy.environment) {
    text += fmt::format("{}={}\n", name, get_env(name.c_str()).value_or(""));
  }
  return text;
}

std::optional<std::string> find_environment_difference(const Policy& policy) {
  for (const auto& [name, wanted] : policy.environment) {
    const auto value = get_env(name.c_str());
    if (value == wanted) continue;
    return fmt::format("the rules were measured with {}={}, which is {}", name, in_quotes(wanted),
                       value ? "set to " + in_quotes(*value) : "not set");
  }
  return std::nullopt;
}

void warn_about_hidden_rules(const Policy& policy, int nranks, int nnodes, const NcclLog& log) {
  const auto algo = get_env("NCCL_ALGO");
  const auto proto = get_env("NCCL_PROTO");
  if (!algo && !proto) return;
  const EnvSelection selection(algo, proto);
  std::size_t rules = 0;
  std::size_t hidden = 0;
  for (const Rule& rule : policy.rules) {
    if (!rule.matches_shape(nranks, nnodes)) continue;
    ++rules;
    hidden += !selection.allows(rule.collective, rule.choice);
  }
  if (hidden == 0) return;
  log.warn_once("hidden rules",
                fmt::format("{}{}{} hides {} of {} rules: NCCL disables what they choose",
                            algo ? "NCCL_ALGO=" + in_quotes(*algo) : "", algo && proto ? " " : "",
                            proto ? "NCCL_PROTO=" + in_quotes(*proto) : "", hidden, rules));
}

std::optional<std::string> find_gpu_difference(const Policy& policy) {
  if (!policy.gpu) return std::nullopt;
  const auto name = find_gpu_name();
  if (name && gpu_matches(*policy.gpu, *name)) return std::nullopt;
  return fmt::format("the rules were measured on {}, this GPU is {}", in_quotes(*policy.gpu),
                     name ? in_quotes(*name) : "not known to vernier");
}

struct Objection {
  Reason reason;
  std::string detail;
};

// What [match] nccl says against the libnccl that loaded us.
std::optional<Objection> judge_nccl(const Policy& policy, std::optional<int> version) {
  if (!policy.nccl) return std::nullopt;
  if (!version) {
    return Objection{Reason::unknown_nccl,
                     fmt::format("the rules need NCCL {}, and this NCCL does not tell its version "
                                 "(linked statically?)",
                                 policy.nccl->text())};
  }
  if (policy.nccl->contains(*version)) return std::nullopt;
  return Objection{Reason::wrong_nccl,
                   fmt::format("the rules need NCCL {}, this is {}", policy.nccl->text(),
                               format_nccl_version(*version))};
}

// What this rank would do by itself. `meets`: the others will know.
Activation judge_alone(const std::string& setting, Mode mode, bool meets,
                       const CommunicatorFacts& facts, const NcclLog& log) {
  Activation result;
  const auto inert = [&result](Reason reason, std::string detail = {}) {
    result.reason = reason;
    result.detail = std::move(detail);
    return std::move(result);
  };
  // As inert, for what the user will want to change.
  const auto inert_with_warning = [&](Reason reason, std::string detail) {
    log.warn_once(name_of(reason),
                  fmt::format("rules do not apply ({}): {}", name_of(reason), detail));
    return inert(reason, std::move(detail));
  };

  if (mode == Mode::off) return inert(Reason::mode, "off");
  if (batch_invariant()) return inert(Reason::batch_invariant);
  if (facts.tuner_abi < 3) {
    return inert_with_warning(Reason::old_nccl,
                              "this NCCL has no cost table to check a choice against; rules need "
                              "NCCL 2.22 or later");
  }

  result.policy = load_policy(setting);
  if (!result.policy->policy()) {
    return inert_with_warning(Reason::bad_policy, result.policy->problem());
  }
  const Policy& policy = *result.policy->policy();
  if (auto objection = judge_nccl(policy, facts.nccl_version)) {
    return inert_with_warning(objection->reason, std::move(objection->detail));
  }
  if (auto difference = find_environment_difference(policy)) {
    return inert_with_warning(Reason::environment, std::move(*difference));
  }

  const int nranks = to_int(facts.nranks);
  const int nnodes = to_int(facts.nnodes);
  auto table = result.policy->table(nranks, nnodes, allgather_channels(facts.nccl_version));
  if (table->size() == 0) return inert(Reason::no_rules);
  warn_about_hidden_rules(policy, nranks, nnodes, log);
  if (auto difference = find_gpu_difference(policy)) {
    if (meets) return inert_with_warning(Reason::wrong_gpu, std::move(*difference));
    // GPUs of one communicator can differ, and nobody would tell the other ranks.
    log.warn_once("gpu", *difference + "; what was measured may not hold here");
  }
  result.table = std::move(table);
  if (mode == Mode::observe) return inert(Reason::mode, "observe");
  result.reason = Reason::active;
  return result;
}

// Why the meeting did not let this rank's rules apply.
std::string explain_verdict(const Activation& activation, std::size_t nranks) {
  const Meeting& meeting = *activation.meeting;
  const std::vector<Ballot> present = meeting.present();
  switch (activation.verdict) {
    case Verdict::none: return fmt::format("ranks cannot meet: {}", meeting.problem());
    case Verdict::missing: {
      const auto waited = std::chrono::duration<double>(meeting.timeout()).count();
      const std::string missing = describe_missing(present, nranks);
      return fmt::format(
          "{} of {} ranks met within {} s: {}; the others{} are late, have no vernier, "
          "or are in containers that do not share /dev/shm (docker: --ipc=host)",
          present.size(), nranks, waited, describe_voters(present),
          missing.empty() ? "" : " (" + missing + ")");
    }
    case Verdict::died:
      return fmt::format("one of {} ended while ranks met", describe_voters(present));
    case Verdict::active:
    case Verdict::differ: break;
  }
  return fmt::format("ranks would decide differently: {}", describe_differences(present));
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

  const std::string mode_text = result.mode;
  const auto mode = parse_mode(mode_text);
  if (mode) {
    result = judge_alone(*setting, *mode, meets, facts, log);
    result.mode = mode_text;
  } else {
    result.reason = Reason::mode;
    result.detail =
        fmt::format("NCCL_VERNIER_MODE is {}; allowed: apply, observe, off", in_quotes(mode_text));
    log.warn_once(name_of(result.reason), "rules do not apply (mode): " + result.detail);
  }

  result.setting = *setting;
  if (meets) {
    // Ranks whose rules do not apply come too, so that the others learn it at once.
    const LoadedPolicy* const policy = result.policy.get();
    const bool readable = policy != nullptr && policy->policy();
    const Ballot ballot = make_ballot(
        {.reason = result.reason,
         .allgather_channels = allgather_channels(facts.nccl_version) == AllGatherChannels::keep,
         .policy_digest = readable ? policy->digest() : "",
         .mode = mode_text,
         .batch_invariant = batch_invariant(),
         .environment = readable ? environment_of(*policy->policy()) : ""});
    const auto timeout =
        std::max(meeting_timeout(log) / (met_nobody ? 10 : 1), std::chrono::milliseconds(1));
    const MeetingKey key{*facts.comm_id, to_int(facts.nranks), get_env("NCCL_HOSTID").value_or("")};
    result.meeting = std::make_unique<Meeting>(key, ballot, timeout, kMeetingDirectory);
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
  bool alone = false;
  if (activation.verdict != Verdict::none) {
    alone = activation.verdict == Verdict::missing && activation.meeting->present().size() == 1;
    met_nobody = alone;
  }
  if (activation.meeting != nullptr && activation.reason == Reason::no_agreement) {
    activation.detail = explain_verdict(activation, facts.nranks);
    if (alone) activation.detail += "; " + advise_inline(activation.setting);
    log.warn_once(name_of(activation.reason),
                  "rules do not apply (no-agreement): " + activation.detail);
  }
  if (activation.active()) report_change(activation.policy->digest(), log);
  log.info(info_text(activation, facts));
}

}  // namespace vernier
