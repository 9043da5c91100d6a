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
  std::uint8_t channels;   // 0: leave NCCL's number
  std::uint8_t alignment;  // of the part of a rank, in bytes; 0: any

  static constexpr std::uint8_t kAny = 0xff;
};
static_assert(sizeof(Range) == 16, "four ranges share a cache line");

class DecisionTable {
 public:
  explicit DecisionTable(int nranks) : nranks_(static_cast<std::uint64_t>(nranks)) {}

  // Used by compile() only: ranges of one collective, ascending, not overlapping; max_bytes[i] is
  // the inclusive upper end of ranges[i].
  void set(Collective collective, std::vector<std::uint64_t> max_bytes, std::vector<Range> ranges);

  [[nodiscard]] std::size_t size() const {
    std::size_t total = 0;
    for (const PerCollective& one : collectives_) total += one.ranges.size();
    return total;
  }

  [[nodiscard]] std::uint64_t nranks() const noexcept { return nranks_; }

  // The range that holds `nbytes`, or nullptr. `collective` is NCCL's number; any value is safe.
  //
  // A log-linear index (128 buckets per power of two) narrows the search to the few ranges that end
  // in the bucket of nbytes; a binary search without branches finishes it. Worst case, all ranges
  // in one bucket: one step per doubling of rules.
  [[nodiscard]] const Range* find(int collective, std::uint64_t nbytes) const noexcept {
    if (static_cast<unsigned>(collective) >= collectives_.size()) return nullptr;
    const PerCollective& table = collectives_[static_cast<unsigned>(collective)];
    if (nbytes >= table.end_bytes) return nullptr;

    const std::uint16_t* const first = &table.first[bucket_of(nbytes)];
    std::size_t at = first[0];
    // Candidates end with first[1]: the first range that ends beyond the bucket. A step may look
    // beyond it, where larger limits or the padding make the comparison false.
    if (const std::size_t more = first[1] - at; more != 0) {
      const std::uint64_t* const max_bytes = table.max_bytes.data();
      for (std::size_t step = std::size_t{1} << (std::bit_width(more) - 1); step != 0; step /= 2) {
        at = max_bytes[at + step - 1] < nbytes ? at + step : at;
      }
    }
    const Range* const range = &table.ranges[at];
    return range->min_bytes <= nbytes ? range : nullptr;
  }

 private:
  // Exponent and seven bits of mantissa of the number as a double: monotonic in nbytes.
  static std::size_t bucket_of(std::uint64_t nbytes) noexcept {
    constexpr std::uint64_t kOne = std::bit_cast<std::uint64_t>(1.0) >> 45;
    const auto number = static_cast<double>(static_cast<std::int64_t>(nbytes | 1));
    return static_cast<std::size_t>((std::bit_cast<std::uint64_t>(number) >> 45) - kOne);
  }

  struct alignas(64) PerCollective {
    std::uint64_t end_bytes = 0;           // the first size beyond all ranges; 0 without ranges
    std::vector<std::uint64_t> max_bytes;  // upper ends, inclusive; then padding for the search
    std::vector<Range> ranges;
    // first[b]: the first range whose upper end is in bucket b or later, capped at the last range.
    std::vector<std::uint16_t> first;
  };
  std::uint64_t nranks_;
  std::array<PerCollective, kCollectiveNames.size()> collectives_;
};

}  // namespace vernier
