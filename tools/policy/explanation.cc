// SPDX-License-Identifier: Apache-2.0
#include "tools/policy/explanation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/policy/rule_text.hpp"
#include "vernier/decide.hpp"

namespace vernier {
namespace {

constexpr int kProtocols = static_cast<int>(kProtocolNames.size());

// NCCL 2.29 and 2.30: see AllGatherChannels.
bool ignores_allgather_channels(const Call& call) {
  return call.collective == Collective::allgather && call.nccl &&
         allgather_channels(call.nccl) == AllGatherChannels::ignore;
}

// A table in which NCCL's own choice is the cheapest and every cell that can exist is usable.
std::vector<float> made_up_costs(const Call& call, Choice own) {
  // NCCL 2.22 has no pat, which is the last row.
  const int algorithms =
      static_cast<int>(kAlgorithmNames.size()) - (call.nccl && *call.nccl < 22300 ? 1 : 0);
  std::vector<float> costs(static_cast<std::size_t>(algorithms * kProtocols), -1.0f);
  for (std::size_t cell = 0; cell < costs.size(); ++cell) {
    const Choice choice{static_cast<Algorithm>(cell / kProtocols),
                        static_cast<Protocol>(cell % kProtocols)};
    const bool too_few_nodes = choice.algorithm == Algorithm::nvls_tree && call.nodes == 1;
    if (choice == own) {
      costs[cell] = 1.0f;
    } else if (is_possible(call.collective, choice) && !too_few_nodes) {
      costs[cell] = 2.0f;
    }
  }
  return costs;
}

// Where nobody says what NCCL's own choice is, it is what the rule was measured against, or else
// ring with another protocol than the rule's: every collective has that.
Choice own_choice(const Call& call, const Rule& rule) {
  if (call.own_choice) return *call.own_choice;
  if (rule.instead_of) return *rule.instead_of;
  return {Algorithm::ring, rule.choice.protocol == Protocol::ll ? Protocol::simple : Protocol::ll};
}

Decision decide_call(const DecisionTable& table, const Call& call, Choice own) {
  const std::vector<float> costs = made_up_costs(call, own);
  return decide(table, static_cast<int>(call.collective), call.nbytes,
                {costs.data(), static_cast<int>(costs.size()) / kProtocols, kProtocols});
}

std::string call_text(const Call& call) {
  std::string bytes = format_bytes(call.nbytes);
  if (has_parts(call.collective)) {
    const auto ranks = static_cast<std::uint64_t>(call.ranks);
    bytes += " over all ranks";
    if (call.nbytes % ranks == 0) {
      bytes += fmt::format(", {} each", format_bytes(call.nbytes / ranks));
    }
  }
  return fmt::format("{} ({}) on {}", name_of(call.collective), bytes,
                     shape_text(call.ranks, call.nodes));
}

std::string applied_text(const Explanation& result, const Call& call) {
  const Rule& rule = *result.rule;
  const std::string choice = choice_text(*result.choice, result.channels);
  const auto own = call.own_choice ? call.own_choice : rule.instead_of;
  if (!own) return choice + " instead of whatever NCCL would choose";
  if (own != rule.choice) return fmt::format("{} instead of {}", choice, format_choice(*own));
  if (result.channels) return "NCCL's own choice with other channels: " + choice;
  return fmt::format("NCCL's own choice, {}: the rule changes nothing", choice);
}

// Why NCCL's own choice stays.
std::string refusal_text(const Policy& policy, const Explanation& result, const Call& call) {
  switch (result.reason) {
    case Reason::one_rank: return "with one rank NCCL asks no tuner";
    case Reason::old_nccl:
      return fmt::format("NCCL {} has no cost table, rules need 2.22 or later",
                         format_nccl_version(*call.nccl));
    case Reason::wrong_nccl:
      return fmt::format("the rules need NCCL {}, this is {}", policy.nccl->text(),
                         format_nccl_version(*call.nccl));
    case Reason::no_rules:
      return fmt::format("no rule is for {}", shape_text(call.ranks, call.nodes));
    case Reason::no_match: return "no rule matches";
    case Reason::unaligned:
      return fmt::format("the rule is for where the bytes of a rank are a multiple of {}",
                         *result.rule->alignment);
    case Reason::default_differs:
      return fmt::format("the rule is for where that is {}, {}",
                         format_choice(*result.rule->instead_of),
                         call.own_choice && call.own_choice != result.rule->instead_of
                             ? "not " + format_choice(*call.own_choice)
                             : "which this NCCL does not have");
    case Reason::cell_unusable:
      return fmt::format("{} does not exist there", format_choice(result.rule->choice));
    default: return std::string(name_of(result.reason));
  }
}

void find_neighbours(const Policy& policy, const Call& call, Explanation& result) {
  for (const Rule& rule : policy.rules) {
    if (rule.collective != call.collective) continue;
    if (!rule.matches_shape(call.ranks, call.nodes)) {
      const bool listed =
          std::any_of(result.shapes.begin(), result.shapes.end(), [&rule](const Rule* other) {
            return other->ranks == rule.ranks && other->nodes == rule.nodes;
          });
      if (!listed) result.shapes.push_back(&rule);
    } else if (rule.max_bytes < call.nbytes) {
      if (result.below == nullptr || rule.max_bytes > result.below->max_bytes) result.below = &rule;
    } else if (result.above == nullptr || rule.min_bytes < result.above->min_bytes) {
      result.above = &rule;
    }
  }
  if (result.below != nullptr || result.above != nullptr) result.shapes.clear();
}

Condition judge(std::string what, std::optional<bool> holds, std::string text) {
  using Verdict = Condition::Verdict;
  const Verdict known = holds.value_or(false) ? Verdict::holds : Verdict::differs;
  return {std::move(what), holds ? known : Verdict::not_checked, std::move(text)};
}

void judge_match(const Policy& policy, const Call& call, std::vector<Condition>& conditions) {
  if (policy.nccl) {
    conditions.push_back(judge(
        "match nccl", call.nccl ? std::optional(policy.nccl->contains(*call.nccl)) : std::nullopt,
        fmt::format("{}{}", policy.nccl->text(),
                    call.nccl ? ", this is " + format_nccl_version(*call.nccl)
                              : "; --nccl was not given")));
  }
  if (policy.gpu) {
    const auto holds = call.gpu ? std::optional(gpu_matches(*policy.gpu, *call.gpu)) : std::nullopt;
    // GPUs of one communicator can differ, so the plugin warns, and decides as everywhere.
    conditions.push_back(
        judge("match gpu", holds,
              fmt::format("{}{}{}", *policy.gpu,
                          call.gpu ? ", this is " + *call.gpu : "; --gpu was not given",
                          holds == false ? "; the rules apply nevertheless, with a warning" : "")));
  }
  for (const auto& [name, value] : policy.environment) {
    conditions.push_back(
        judge("environment", std::nullopt, fmt::format("{}={} has to be set", name, value)));
  }
  if (call.ranks > 1) {
    conditions.push_back(judge("ranks", std::nullopt,
                               "every rank has to hold this policy, as with an inline: value"));
  }
}

void judge_rule(const Call& call, Explanation& result) {
  const Rule& rule = *result.rule;
  const auto add = [&result](const char* what, std::optional<bool> holds, std::string text) {
    result.conditions.push_back(judge(what, holds, std::move(text)));
  };
  if (rule.alignment) {
    add("alignment", result.reason != Reason::unaligned,
        fmt::format("the bytes of a rank have to be a multiple of {}", *rule.alignment));
  }
  if (result.reason == Reason::unaligned) return;
  if (rule.instead_of) {
    const bool differs = result.reason == Reason::default_differs;
    if (call.own_choice) {
      add("default", !differs, format_choice(*call.own_choice));
    } else if (differs) {
      add("default", false, format_choice(*rule.instead_of) + " does not exist there");
    } else {
      add("default", std::nullopt,
          fmt::format("{} is assumed, the rule's instead_of; --default was not given",
                      format_choice(*rule.instead_of)));
    }
  }
  if (rule.channels && call.collective == Collective::allgather) {
    const bool ignored = ignores_allgather_channels(call);
    add("channels", call.nccl ? std::optional(!ignored) : std::nullopt,
        fmt::format("{}; NCCL 2.29 and 2.30 make vernier ignore those of allgather{}",
                    ignored ? "ignored" : count_of(*rule.channels, "channel"),
                    call.nccl ? "" : "; --nccl was not given"));
  }
  const std::string choice = format_choice(rule.choice);
  if (result.reason == Reason::cell_unusable) {
    add("usable", false, choice + " does not exist there");
  } else {
    add("usable", std::nullopt, choice + " is assumed to be usable on that machine");
  }
}

// What keeps every rule from applying on such a communicator, in the plugin's order.
std::optional<Reason> communicator_reason(const Policy& policy, const Call& call,
                                          const DecisionTable& table) {
  if (call.ranks == 1) return Reason::one_rank;
  if (call.nccl && *call.nccl < 22200) return Reason::old_nccl;
  if (call.nccl && policy.nccl && !policy.nccl->contains(*call.nccl)) return Reason::wrong_nccl;
  if (table.size() == 0) return Reason::no_rules;
  return std::nullopt;
}

}  // namespace

Explanation explain(const Policy& policy, const Call& call) {
  const DecisionTable table = compile(
      policy, call.ranks, call.nodes,
      ignores_allgather_channels(call) ? AllGatherChannels::ignore : AllGatherChannels::keep);
  Explanation result{};
  judge_match(policy, call, result.conditions);
  const Range* const range = table.find(static_cast<int>(call.collective), call.nbytes);
  if (const auto reason = communicator_reason(policy, call, table)) {
    result.reason = *reason;
  } else if (range == nullptr) {
    result.reason = Reason::no_match;
  } else {
    result.rule = &policy.rules[range->rule];
    const Decision decision = decide_call(table, call, own_choice(call, *result.rule));
    result.reason = decision.reason;
    judge_rule(call, result);
    if (decision.reason == Reason::applied) {
      result.choice = result.rule->choice;
      if (decision.channels != 0) result.channels = decision.channels;
    }
  }
  if (result.reason == Reason::no_match || result.reason == Reason::no_rules) {
    find_neighbours(policy, call, result);
  }
  result.answer =
      fmt::format("{}: {}", call_text(call),
                  result.choice ? applied_text(result, call)
                                : "NCCL's own choice stays, " + refusal_text(policy, result, call));
  return result;
}

}  // namespace vernier
