// SPDX-License-Identifier: Apache-2.0
//
// An invented cost model, used where a test does not bring its own: latency plus bytes over
// bandwidth, with the same cells usable as in NCCL. Its numbers describe no machine; they only make
// the default choice change with size.
#pragma once

#include <cstddef>
#include <span>

#include "tests/contract/nccl_like/api.h"
#include "tests/contract/nccl_like/env_selection.hpp"
#include "tests/contract/nccl_like/release_facts.hpp"

namespace vernier::contract {

struct Operation {
  ncclFunc_t func;  // as the tuner is asked: AllGatherV is AllGather
  std::size_t nbytes;
  int pipe_ops;
  int batch;  // collectives merged into this decision
  bool fp8;
};

// Fills `table` ([algorithms][protocols]) with predicted microseconds, -1 where a combination
// cannot run on this shape.
void predict(const NcclLikeShape& shape, const Operation& operation, int algorithms, int protocols,
             std::span<float> table);

// What NCCL does to the prediction before a tuner sees it: NCCL_ALGO and NCCL_PROTO, then FP8.
void restrict_table(const ReleaseFacts& facts, const NcclLikeShape& shape,
                    const Operation& operation, const EnvSelection& env, int algorithms,
                    int protocols, std::span<float> table);

}  // namespace vernier::contract
