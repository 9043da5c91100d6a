// SPDX-License-Identifier: Apache-2.0
#include "plugin/profiler/latency_histogram.hpp"

#include <gtest/gtest.h>

namespace vernier {
namespace {

using Histogram = LatencyHistogram;

TEST(LatencyHistogram, EveryBucketBeginsWhereTheOneBeforeEnds) {
  for (std::size_t bucket = 1; bucket < Histogram::kBuckets; ++bucket) {
    EXPECT_LT(Histogram::lower_ns(bucket - 1), Histogram::lower_ns(bucket));
    EXPECT_EQ(Histogram::bucket_of(Histogram::lower_ns(bucket)), bucket);
    EXPECT_EQ(Histogram::bucket_of(Histogram::lower_ns(bucket) - 1), bucket - 1);
  }
}

TEST(LatencyHistogram, ABucketIsASixteenthOfAnOctaveWide) {
  for (std::uint64_t latency_ns = 16; latency_ns < 1'000'000'000;
       latency_ns += 1 + latency_ns / 7) {
    const std::uint64_t lower_ns = Histogram::lower_ns(Histogram::bucket_of(latency_ns));
    EXPECT_LE(lower_ns, latency_ns);
    EXPECT_LE(static_cast<double>(latency_ns - lower_ns), static_cast<double>(lower_ns) / 16);
  }
}

TEST(LatencyHistogram, WhatIsTooLongIsInTheLastBucket) {
  EXPECT_EQ(Histogram::bucket_of(~std::uint64_t{0}), Histogram::kBuckets - 1);
}

}  // namespace
}  // namespace vernier
