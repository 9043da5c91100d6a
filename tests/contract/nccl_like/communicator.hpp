// SPDX-License-Identifier: Apache-2.0
//
// One rank of a communicator: creation, one group at a time, destruction.
#pragma once

#include <memory>
#include <span>

#include "tests/contract/nccl_like/api.h"
#include "tests/contract/nccl_like/cost_model.hpp"
#include "tests/contract/nccl_like/env_selection.hpp"
#include "tests/contract/nccl_like/release_facts.hpp"
#include "tests/contract/nccl_like/selection.hpp"
#include "tests/contract/nccl_like/tuner_adapter.hpp"

struct NcclLikeComm {
 public:
  // nullptr where creation fails; `result` says how.
  [[nodiscard]] static std::unique_ptr<NcclLikeComm> create(
      const vernier::contract::ReleaseFacts& facts, const NcclLikeShape& shape,
      ncclResult_t& result);
  ~NcclLikeComm();
  NcclLikeComm(const NcclLikeComm&) = delete;
  NcclLikeComm& operator=(const NcclLikeComm&) = delete;

  void describe(NcclLikeCommFacts& facts) const;
  void ask(const NcclLikeCall& call, NcclLikeOutcome& outcome);

 private:
  struct Pending;  // one group on its way from table to choice

  NcclLikeComm(const vernier::contract::ReleaseFacts& facts, const NcclLikeShape& shape);

  void ask_tuner(const Pending& pending, std::span<float> table, NcclLikeOutcome& outcome);
  void ask_tuner_v2(const Pending& pending, std::span<float> table, NcclLikeOutcome& outcome);
  void choose(const Pending& pending, std::span<const float> before, std::span<const float> after,
              NcclLikeOutcome& outcome) const;
  void choose_as_tuner_said(const Pending& pending, std::span<const float> before,
                            NcclLikeOutcome& outcome) const;
  void run(const Pending& pending, int cell, NcclLikeOutcome& outcome) const;
  void cut_into_chunks(const Pending& pending, NcclLikeOutcome& outcome) const;

  const vernier::contract::ReleaseFacts& facts_;
  NcclLikeShape shape_;
  vernier::contract::EnvSelection env_;
  vernier::contract::TunerAdapter tuner_;
  bool opened_here_ = false;
  ncclResult_t init_result_ = ncclSuccess;
};
