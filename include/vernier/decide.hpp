// SPDX-License-Identifier: Apache-2.0
//
// HOT PATH. What to do with one call: a pure function of (table, collective, bytes, NCCL's costs),
// so that every rank that holds the same policy decides alike. The plugin writes the result into
// NCCL's table; `vernier policy explain` prints it. No allocation, no locks, no logging.
#pragma once

#include <bit>
#include <cstdint>
#include <utility>

#include "vernier/decision_table.hpp"
#include "vernier/reason.hpp"

namespace vernier {

// Ranks apply rules together only if theirs are equal. Raised when the same policy and the same
// costs can lead to another decision than in an earlier release.
inline constexpr int kDecisionSemantics = 1;

// NCCL's prediction for one call: a contiguous float[algorithms][protocols], in microseconds.
struct CostTable {
  const float* costs;
  int algorithms;
  int protocols;
};

struct Decision {
  Reason reason;  // `applied`: write `cost` to `cell`, and `channels` unless 0
  int cell;       // index into CostTable::costs
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

constexpr std::uint32_t cheaper(std::uint32_t a, std::uint32_t b) noexcept { return b < a ? b : a; }

// The cheapest of `cells` costs, as bits; kUnusableBits when none is usable.
inline std::uint32_t cheapest(const float* costs, int cells) noexcept {
  std::uint32_t best = kUnusableBits;
  for (int cell = 0; cell < cells; ++cell) best = cheaper(best, bits_of(costs[cell]));
  return best;
}

// The same, unrolled.
template <std::size_t... kCell>
std::uint32_t cheapest(const float* costs, std::index_sequence<kCell...>) noexcept {
  std::uint32_t best = kUnusableBits;
  ((best = cheaper(best, bits_of(costs[kCell]))), ...);
  return best;
}

// Whether `cell` is NCCL's own choice: the first of the cheapest, in its scan order.
inline bool is_own_choice(CostTable costs, int cell, std::uint32_t best) noexcept {
  if (bits_of(costs.costs[cell]) != best) return false;
  for (int earlier = 0; earlier < cell; ++earlier) {
    if (bits_of(costs.costs[earlier]) == best) return false;
  }
  return true;
}

// Whether a cell of the table names this algorithm and protocol.
inline bool has_cell(CostTable costs, int algorithm, int protocol) noexcept {
  return algorithm < costs.algorithms && protocol < costs.protocols;
}

// NCCL multiplies ring costs by 1,024 for FP8 on more than 8 ranks (2.24+), which is all a tuner
// can see of the datatype. A ring row that far above the best other cell is kept out of reach.
inline constexpr std::uint32_t kTimes64 = 6u << 23;  // added to the bits of a normal float
__attribute__((cold, noinline)) inline bool ring_is_held_back(CostTable costs,
                                                              std::uint32_t best) noexcept {
  const float* const row = costs.costs + NCCL_ALGO_RING * costs.protocols;
  return cheapest(row, costs.protocols) > best + kTimes64;
}

}  // namespace detail

[[nodiscard]] inline Decision decide(const DecisionTable& table, int collective,
                                     std::uint64_t nbytes, CostTable costs) noexcept {
  using detail::bits_of;
  using detail::kUnusableBits;

  const Range* const range = table.find(collective, nbytes);
  if (range == nullptr) return {Reason::no_match, 0, 0, 0, nullptr};
  const auto leave = [range](Reason reason) { return Decision{reason, 0, 0, 0, range}; };
  if (range->alignment != 0 && nbytes % (range->alignment * table.nranks()) != 0) [[unlikely]] {
    return leave(Reason::unaligned);
  }

  // 7 algorithms x 3 protocols since NCCL 2.23; 2.22 has 6, and forks have other numbers.
  const int cells = costs.algorithms * costs.protocols;
  const std::uint32_t best = cells == 21
                                 ? detail::cheapest(costs.costs, std::make_index_sequence<21>())
                                 : detail::cheapest(costs.costs, cells);

  if (range->instead_of_algorithm != Range::kAny) {
    const int own = range->instead_of_algorithm * costs.protocols + range->instead_of_protocol;
    if (!detail::has_cell(costs, range->instead_of_algorithm, range->instead_of_protocol) ||
        !detail::is_own_choice(costs, own, best)) {
      return leave(Reason::default_differs);
    }
  }
  if (!detail::has_cell(costs, range->algorithm, range->protocol)) {
    return leave(Reason::cell_unusable);
  }
  const int cell = range->algorithm * costs.protocols + range->protocol;
  const std::uint32_t cost = bits_of(costs.costs[cell]);
  if (cost >= kUnusableBits) return leave(Reason::cell_unusable);
  if (cost > best + detail::kTimes64 && range->algorithm == NCCL_ALGO_RING &&
      detail::ring_is_held_back(costs, best)) {
    return leave(Reason::fp8_protected);
  }
  if (detail::is_own_choice(costs, cell, best)) {
    return {Reason::applied, cell, std::bit_cast<float>(cost), range->channels, range};
  }
  if (best <= 1) return leave(Reason::zero_cost);  // 1: the smallest float above 0
  // The float just below the best, not 0: from NCCL 2.31 on, 0 would also beat symmetric-memory
  // kernels that are predicted, rightly, to be faster than every cell of this table.
  return {Reason::applied, cell, std::bit_cast<float>(best - 1), range->channels, range};
}

}  // namespace vernier
