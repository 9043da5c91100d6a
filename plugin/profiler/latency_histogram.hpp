// SPDX-License-Identifier: Apache-2.0
//
// How long something took, in buckets of a sixteenth of a power of two: a percentile read from it
// is within 3.2 % (at the middle of its bucket).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace vernier {

class LatencyHistogram {
 public:
  static constexpr int kPerOctave = 16;
  static constexpr int kFirstOctave = 4;  // from 16 ns on buckets are of equal ratio
  static constexpr int kOctaves = 32;
  static constexpr std::size_t kBuckets = (1 << kFirstOctave) + kOctaves * kPerOctave;

  void add(std::uint64_t latency_ns) noexcept { ++counts_[bucket_of(latency_ns)]; }

  [[nodiscard]] std::uint64_t count(std::size_t bucket) const noexcept { return counts_[bucket]; }

  // The smallest latency in a bucket.
  [[nodiscard]] static constexpr std::uint64_t lower_ns(std::size_t bucket) noexcept {
    if (bucket < (1u << kFirstOctave)) return bucket;
    const std::size_t beyond = bucket - (1u << kFirstOctave);
    return (kPerOctave + beyond % kPerOctave) << (beyond / kPerOctave);
  }

  [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t latency_ns) noexcept {
    if (latency_ns < (1u << kFirstOctave)) return latency_ns;
    const int shift = static_cast<int>(std::bit_width(latency_ns)) - 1 - kFirstOctave;
    const std::size_t bucket =
        (static_cast<std::size_t>(shift) + 1) * kPerOctave + (latency_ns >> shift) % kPerOctave;
    return std::min(bucket, kBuckets - 1);
  }

 private:
  std::array<std::uint32_t, kBuckets> counts_{};
};
static_assert(LatencyHistogram::kPerOctave == 1 << LatencyHistogram::kFirstOctave);
static_assert(LatencyHistogram::lower_ns(LatencyHistogram::bucket_of(1'000'000)) <= 1'000'000);

}  // namespace vernier
