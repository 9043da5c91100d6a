// SPDX-License-Identifier: Apache-2.0
#include "plugin/tuner/activation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <optional>

#include "plugin/common/gpu_name.hpp"
#include "plugin/common/settings.hpp"
#include "plugin/tuner/env_selection.hpp"
#include "plugin/tuner/policy_store.hpp"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

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

// Whether all ranks are known to hold this policy. The text of an inline policy travels in the
// variable that the launcher gives to every rank. A file can differ between ranks, so ranks that
// read one would have to meet first; there is no such meeting yet, and they only observe.
bool all_ranks_hold(const LoadedPolicy& policy) {
  return policy.source() == PolicySource::inline_text;
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

// GPUs of one communicator can differ, so this verdict could differ by rank: it only warns.
void warn_about_gpu(const Policy& policy, const NcclLog& log) {
  if (!policy.gpu) return;
  const auto name = find_gpu_name();
  if (name && gpu_matches(*policy.gpu, *name)) return;
  log.warn_once(
      "gpu", fmt::format("the rules were measured on {}, this GPU is {}; what was measured "
                         "may not hold here",
                         in_quotes(*policy.gpu), name ? in_quotes(*name) : "not known to vernier"));
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

}  // namespace

Activation activate(const CommunicatorFacts& facts, const NcclLog& log) {
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

  warn_about_unknown_variables(log);
  const auto setting = get_env("NCCL_VERNIER_POLICY");
  if (!setting || setting->empty()) return inert(Reason::no_policy);
  if (facts.nranks <= 1) return inert(Reason::one_rank);

  const std::string mode_text = mode_setting();
  const auto mode = parse_mode(mode_text);
  if (!mode) {
    return inert_with_warning(
        Reason::mode,
        fmt::format("NCCL_VERNIER_MODE is {}; allowed: apply, observe, off", in_quotes(mode_text)));
  }
  if (*mode == Mode::off) return inert(Reason::mode, "off");
  if (batch_invariant()) return inert(Reason::batch_invariant);
  if (facts.tuner_abi < 3) {
    return inert_with_warning(Reason::old_nccl,
                              "this NCCL has no cost table to check a choice against; rules need "
                              "NCCL 2.22 or later");
  }

  result.policy = load_policy(*setting);
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
  warn_about_gpu(policy, log);
  result.table = std::move(table);
  if (*mode == Mode::observe) return inert(Reason::mode, "observe");
  if (!all_ranks_hold(*result.policy)) {
    return inert_with_warning(Reason::no_agreement,
                              "a policy file may differ between ranks; give the policy inline: "
                              "vernier policy export --format inline");
  }
  result.reason = Reason::active;
  return result;
}

std::string describe(const Activation& activation, const CommunicatorFacts& facts) {
  const std::string mode = mode_setting();
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

}  // namespace vernier
