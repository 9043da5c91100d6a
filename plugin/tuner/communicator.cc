// SPDX-License-Identifier: Apache-2.0
#include "plugin/tuner/communicator.hpp"

#include <fmt/format.h>

#include "plugin/common/c_edge.hpp"
#include "plugin/tuner/decision_log.hpp"
#include "plugin/tuner/policy_store.hpp"
#include "vernier/policy.hpp"

namespace vernier {

std::unique_ptr<Communicator> Communicator::create(const CommunicatorFacts& facts,
                                                   const NcclLog& log) {
  Activation activation = activate(facts, log);
  std::unique_ptr<Communicator> communicator;
  if (activation.table != nullptr) communicator = std::make_unique<Communicator>(activation, log);
  // Nothing that can fail may stand between the verdict and obeying it.
  activation.settle();
  if (activation.active()) {
    communicator->apply();
  } else if (activation.reason != Reason::mode) {
    communicator.reset();  // the other ranks do not agree: NCCL is left alone
  }
  guard([&] {
    report(activation, facts, log);
    log_decision(activation, facts, log);
  });
  return communicator;
}

Communicator::Communicator(const Activation& activation, NcclLog log)
    : rules_(activation.table),
      observed_(activation.policy->policy()->rules.size()),
      policy_(activation.policy),
      log_(log) {}

void Communicator::observe(int collective, std::size_t nbytes, const CostTable& costs) noexcept {
  const Decision decision = decide(*rules_, collective, nbytes, costs);
  if (decision.range == nullptr || observed_[decision.range->rule]) return;
  guard([&] {
    observed_[decision.range->rule] = true;
    const Rule& rule = policy_->policy()->rules[decision.range->rule];
    log_.info(fmt::format("observed {} of {} bytes: the rule at line {} for {} would have been: {}",
                          name_of(rule.collective), nbytes, rule.where.line,
                          format_choice(rule.choice), name_of(decision.reason)));
  });
}

}  // namespace vernier
