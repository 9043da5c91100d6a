// SPDX-License-Identifier: Apache-2.0
#include "plugin/tuner/guards.hpp"

#include <fmt/format.h>

#include <optional>

#include "plugin/common/gpu_name.hpp"
#include "plugin/tuner/policy_store.hpp"
#include "vernier/env_selection.hpp"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

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

}  // namespace

bool batch_invariant() {
  const auto value = get_env("VLLM_BATCH_INVARIANT");
  return value && !value->empty() && *value != "0";
}

Judgement judge_alone(const std::string& setting, Mode mode, bool meets,
                      const CommunicatorFacts& facts, const NcclLog& log) {
  Judgement result;
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

}  // namespace vernier
