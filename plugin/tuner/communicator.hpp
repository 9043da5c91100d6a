// SPDX-License-Identifier: Apache-2.0
//
// The context of one communicator: what NCCL hands back with every call. NCCL serialises the calls
// of one communicator (2.22 to 2.30), so nothing here is locked. A null pointer stands for "leave
// NCCL alone" and costs one comparison per call.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "plugin/tuner/activation.hpp"
#include "vernier/decide.hpp"

namespace vernier {

class Communicator {
 public:
  // Decides whether rules apply and logs it. Null when there is nothing to apply or to observe.
  [[nodiscard]] static std::unique_ptr<Communicator> create(const CommunicatorFacts& facts,
                                                            const NcclLog& log);

  // Observes the table of `activation` until apply() is called.
  Communicator(const Activation& activation, NcclLog log);
  void apply() noexcept { observing_ = false; }

  // HOT PATH: one call per collective, at capture for a CUDA graph. Writes the decision into
  // NCCL's table and channel count, or nothing.
  void get_coll_info(int collective, std::size_t nbytes, float* costs, int algorithms,
                     int protocols, int* channels) noexcept {
    if (observing_) [[unlikely]] {
      observe(collective, nbytes, CostTable{costs, algorithms, protocols});
      return;
    }
    const Decision decision = decide(*rules_, collective, nbytes, {costs, algorithms, protocols});
    if (decision.reason != Reason::applied) return;
    costs[decision.cell] = decision.cost;
    if (decision.channels != 0) *channels = decision.channels;
  }

 private:
  // Logs what a rule would have done, the first time it would have.
  __attribute__((cold, noinline)) void observe(int collective, std::size_t nbytes,
                                               const CostTable& costs) noexcept;

  std::shared_ptr<const DecisionTable> rules_;
  bool observing_ = true;
  std::vector<bool> observed_;  // by rule of the policy
  std::shared_ptr<LoadedPolicy> policy_;
  NcclLog log_;
};

}  // namespace vernier
