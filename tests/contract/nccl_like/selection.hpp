// SPDX-License-Identifier: Apache-2.0
//
// From cost table to choice, and from choice to channels.
#pragma once

#include <span>

#include "tests/contract/nccl_like/api.h"
#include "tests/contract/nccl_like/cost_model.hpp"
#include "tests/contract/nccl_like/release_facts.hpp"

namespace vernier::contract {

struct Selected {
  int cell = -1;           // index into the table; -1: none is usable, or a symmetric kernel won
  bool symmetric = false;  // 2.31+
};

// `before` is NCCL's prediction, `after` what the tuner left of it. symmetric_us < 0: no such
// kernel.
[[nodiscard]] Selected select_cell(const ReleaseFacts& facts, std::span<const float> before,
                                   std::span<const float> after, double symmetric_us);

// Whether a symmetric-memory kernel runs without the tuner being asked (2.27 to 2.30).
[[nodiscard]] bool bypasses_tuner(const ReleaseFacts& facts, const NcclLikeShape& shape, int ops,
                                  double symmetric_us);

struct Ran {
  int algorithm;
  int protocol;
  bool allgatherv;
};

// NCCL's own number for a message of this size.
[[nodiscard]] int default_channels(const NcclLikeShape& shape, const Operation& operation,
                                   const Ran& ran);

struct Channels {
  int channels;
  NcclLikeDamage damage;
};

// `requested` is what the tuner left in *nChannels.
[[nodiscard]] Channels apply_channels(const ReleaseFacts& facts, const NcclLikeShape& shape,
                                      const Ran& ran, int by_default, int requested);

}  // namespace vernier::contract
