// SPDX-License-Identifier: Apache-2.0
//
// HOT PATH. What to do with one call: a pure function of (table, collective, bytes, NCCL's costs),
// so that every rank that holds the same policy decides alike. The plugin writes the result into
// NCCL's table; `vernier policy explain` prints it. No allocation, no locks, no logging.
#pragma once

#include <bit>
#include <cstdint>

#include "vernier/decision_table.hpp"
#include "vernier/reason.hpp"

namespace vernier {

// NCCL's prediction for one call: a contiguous float[algorithms][protocols], in microseconds.
struct CostTable {
  const float* costs;
  int algorithms;
  int protocols;
};

struct Decision {
  Reason reason;       // `applied`: write `cost` to `cell`, and `channels` unless 0
  int cell;            // index into CostTable::costs
  float cost;
  int channels;        // 0: leave NCCL's number
  const Range* range;  // the rule that matched; nullptr exactly when the reason is no_match
};

namespace detail {

// A cell is usable when it is finite, not negative and below 3.6e9 (NCCL 2.22 to 2.28 never pick
// more). Such floats order as their bit patterns do, and everything else is larger than all of
// them, which makes "usable and cheaper" one unsigned comparison. -0.0 counts as negative.
inline constexpr std::uint32_t kUnusableBits = std::bit_cast<std::uint32_t>(3.6e9f);

constexpr std::uint32_t bits_of(float cost) noexcept { return std::bit_cast<std::uint32_t>(cost); }

}  // namespace detail

[[nodiscard]] inline Decision decide(const DecisionTable& table, int collective,
                                     std::uint64_t nbytes, CostTable costs) noexcept {
  using detail::bits_of;
  using detail::kUnusableBits;

  const Range* const range = table.find(collective, nbytes);
  if (range == nullptr) return {Reason::no_match, 0, 0, 0, nullptr};
  const auto leave = [range](Reason reason) { return Decision{reason, 0, 0, 0, range}; };

  // NCCL's own choice: the cheapest usable cell, the first of equals (its scan order).
  std::uint32_t best = kUnusableBits;
  int best_cell = -1;
  const int cells = costs.algorithms * costs.protocols;
  for (int cell = 0; cell < cells; ++cell) {
    const std::uint32_t cost = bits_of(costs.costs[cell]);
    best_cell = cost < best ? cell : best_cell;
    best = cost < best ? cost : best;
  }

  if (range->instead_of_algorithm != Range::kAny &&
      range->instead_of_algorithm * costs.protocols + range->instead_of_protocol != best_cell) {
    return leave(Reason::default_differs);
  }
  if (range->algorithm >= costs.algorithms || range->protocol >= costs.protocols) {
    return leave(Reason::cell_unusable);
  }
  const int cell = range->algorithm * costs.protocols + range->protocol;
  if (bits_of(costs.costs[cell]) >= kUnusableBits) return leave(Reason::cell_unusable);

  // NCCL multiplies ring costs by 1,024 for FP8 on more than 8 ranks (2.24+), which is all a tuner
  // can see of the datatype. A ring row that far above the rest is kept out of reach.
  if (range->algorithm == NCCL_ALGO_RING) {
    std::uint32_t ring = kUnusableBits;
    for (int protocol = 0; protocol < costs.protocols; ++protocol) {
      const std::uint32_t cost = bits_of(costs.costs[NCCL_ALGO_RING * costs.protocols + protocol]);
      ring = cost < ring ? cost : ring;
    }
    if (std::bit_cast<float>(ring) > 64.0f * std::bit_cast<float>(best)) {
      return leave(Reason::fp8_protected);
    }
  }

  if (cell == best_cell) return {Reason::applied, cell, costs.costs[cell], range->channels, range};
  if (best == 0) return leave(Reason::zero_cost);
  // The float just below the best, not 0: from NCCL 2.31 on, 0 would also beat symmetric-memory
  // kernels that are predicted, rightly, to be faster than every cell of this table.
  return {Reason::applied, cell, std::bit_cast<float>(best - 1), range->channels, range};
}

}  // namespace vernier
