// SPDX-License-Identifier: Apache-2.0
//
// HOT PATH. The compiled policy of one communicator shape: for each collective, ranges of bytes in
// ascending order that do not overlap. Immutable once built, so any number of threads may read it.
// No allocation, no locks, no logging in find().
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "vernier/names.hpp"

namespace vernier {

// One rule, resolved. Algorithms and protocols are NCCL's numbers.
struct Range {
  std::uint64_t min_bytes;  // inclusive; the upper end lives in the searched array
  std::uint16_t rule;       // index into Policy::rules
  std::uint8_t algorithm;
  std::uint8_t protocol;
  std::uint8_t instead_of_algorithm;  // kAny: whatever NCCL's own choice is
  std::uint8_t instead_of_protocol;
  std::uint8_t channels;  // 0: leave NCCL's number

  static constexpr std::uint8_t kAny = 0xff;
};
static_assert(sizeof(Range) == 16, "four ranges share a cache line");

class DecisionTable {
 public:
  // Used by compile() only: ranges of one collective, ascending, not overlapping; max_bytes[i] is
  // the inclusive upper end of ranges[i].
  void set(Collective collective, std::vector<std::uint64_t> max_bytes, std::vector<Range> ranges);

  [[nodiscard]] std::size_t size() const {
    std::size_t total = 0;
    for (const PerCollective& one : collectives_) total += one.ranges.size();
    return total;
  }

  // The range that holds `nbytes`, or nullptr. `collective` is NCCL's number; any value is safe.
  //
  // A log-linear index (64 buckets per power of two) narrows the search to the few ranges that end
  // in the bucket of nbytes; a binary search without branches finishes it. Worst case, all ranges
  // in one bucket: one step per doubling of rules.
  [[nodiscard]] const Range* find(int collective, std::uint64_t nbytes) const noexcept {
    if (static_cast<unsigned>(collective) >= collectives_.size()) return nullptr;
    const PerCollective& table = collectives_[static_cast<unsigned>(collective)];
    if (table.ranges.empty() || nbytes > table.max_bytes.back()) return nullptr;

    const std::size_t bucket = bucket_of(nbytes);
    std::size_t at = table.first[bucket];
    // first[bucket + 1] itself is a candidate: the first range that ends beyond the bucket.
    std::size_t candidates = table.first[bucket + 1] - at + 1;
    const std::uint64_t* const max_bytes = table.max_bytes.data();
    while (candidates > 1) {
      const std::size_t half = candidates / 2;
      at += (max_bytes[at + half - 1] < nbytes) * half;  // a product, so that no branch is taken
      candidates -= half;
    }
    const Range* const range = &table.ranges[at];
    return range->min_bytes <= nbytes ? range : nullptr;
  }

 private:
  static constexpr unsigned kSubBits = 6;  // 64 buckets per power of two
  static constexpr std::size_t kBuckets = (64 - kSubBits + 1) << kSubBits;

  // Monotonic in nbytes: exact below 64, then six bits after the leading one.
  static constexpr std::size_t bucket_of(std::uint64_t nbytes) noexcept {
    const unsigned width = static_cast<unsigned>(std::bit_width(nbytes | ((1u << kSubBits) - 1)));
    const unsigned shift = width - kSubBits - (width > kSubBits);
    return (static_cast<std::size_t>(width - kSubBits) << kSubBits) +
           static_cast<std::size_t>((nbytes >> shift) & ((1u << kSubBits) - 1));
  }

  struct PerCollective {
    std::vector<std::uint64_t> max_bytes;
    std::vector<Range> ranges;
    // first[b]: the first range whose upper end is in bucket b or later, capped at the last range.
    std::vector<std::uint16_t> first;
  };
  std::array<PerCollective, kCollectiveNames.size()> collectives_;
};

}  // namespace vernier
