// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tools/calibrate/confirm.hpp"

namespace vernier::calibrate {
namespace {

constexpr Choice kTree{Algorithm::tree, Protocol::ll};

Rule rule(std::uint64_t min_bytes, std::uint64_t max_bytes) {
  Rule made;
  made.collective = Collective::allreduce;
  made.min_bytes = min_bytes;
  made.max_bytes = max_bytes;
  made.choice = kTree;
  return made;
}

JudgedPoint judged(std::uint64_t nbytes) {
  JudgedPoint point{};
  point.point = {Collective::allreduce, nbytes};
  return point;
}

std::vector<std::uint64_t> sizes(const std::vector<Point>& points) {
  std::vector<std::uint64_t> all;
  for (const Point& point : points) all.push_back(point.nbytes);
  return all;
}

TEST(HeldOut, AreTwoSizesInEachRuleThatNobodyHasMeasured) {
  Policy policy;
  policy.rules = {rule(1024, 65536), rule(1 << 20, 4 << 20)};
  const auto found = sizes(held_out_points(policy, {judged(1024), judged(65536)}, 2, 2));
  ASSERT_EQ(found.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_GT(found[i], policy.rules[i / 2].min_bytes);
    EXPECT_LT(found[i], policy.rules[i / 2].max_bytes);
    EXPECT_EQ(found[i] % 2, 0u) << "whole elements";
  }
  const auto others = sizes(held_out_points(policy, {judged(found[0])}, 2, 2));
  EXPECT_EQ(others.size(), 3u) << "one of them has been measured";
}

Rule aligned_rule(std::uint64_t min_bytes, std::uint64_t max_bytes, int ranks) {
  Rule made = rule(min_bytes, max_bytes);
  made.collective = Collective::allgather;
  made.ranks = ranks;
  made.alignment = 16;
  return made;
}

TEST(HeldOut, OfARuleForAlignedSizesAreAligned) {
  Policy policy;
  policy.rules = {aligned_rule(1024, 65536, 3)};
  const auto found = sizes(held_out_points(policy, {}, 3, 2));
  ASSERT_EQ(found.size(), 2u);
  for (const std::uint64_t nbytes : found) EXPECT_EQ(nbytes % 48, 0u) << nbytes;
}

TEST(HeldOut, OfANarrowRuleIsItsFirstSize) {
  Policy policy;
  policy.rules = {aligned_rule(4100, 4130, 2)};
  EXPECT_EQ(sizes(held_out_points(policy, {}, 2, 2)), std::vector<std::uint64_t>{4128});
}

TEST(HeldOut, OfARuleForOneSizeIsThatSize) {
  Policy policy;
  policy.rules = {rule(4096, 4096)};
  EXPECT_EQ(sizes(held_out_points(policy, {judged(4096)}, 2, 2)), std::vector<std::uint64_t>{4096});
}

// Three launches, in which the policy takes `policy_us` where NCCL takes 10.
SampleRecord confirm(int launch, std::uint64_t nbytes, float policy_us) {
  return {launch,
          Phase::confirm,
          Mode::graph,
          {Collective::allreduce, nbytes},
          20,
          {{"default", {{10}, {10}}}, {std::string(kPolicyArm), {{policy_us}, {policy_us}}}},
          "sha256:a"};
}

TEST(Confirmed, IsTheRatioOverLaunches) {
  Recording recording;
  for (int launch = 12; launch < 15; ++launch) {
    recording.samples.push_back(confirm(launch, 2048, 8));
    recording.samples.push_back(confirm(launch, 4096, 20));
  }
  // Another policy's, and a point that not all launches have seen.
  for (int launch = 12; launch < 15; ++launch) {
    recording.samples.push_back(confirm(launch, 1024, 20));
    recording.samples.back().policy = "sha256:b";
  }
  recording.samples.push_back(confirm(12, 8192, 20));
  const auto points = confirmed_points(recording, "sha256:a");
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].graph.launches, 3);
  EXPECT_NEAR(points[0].graph.ratio, 1.25, 1e-6);
  EXPECT_NEAR(points[1].graph.ratio, 0.5, 1e-6);
}

std::vector<std::uint64_t> sizes_of(const std::vector<ConfirmedPoint>& points) {
  std::vector<std::uint64_t> all;
  for (const ConfirmedPoint& one : points) all.push_back(one.point.nbytes);
  return all;
}

TEST(Confirmed, WhatLookedSlowIsDecidedByASecondLookAlone) {
  Recording recording;
  for (int launch = 12; launch < 15; ++launch) {
    recording.samples.push_back(confirm(launch, 2048, 10.05f));
    recording.samples.push_back(confirm(launch, 4096, 9.9f));
    EXPECT_EQ(doubtful_points(recording, "sha256:a").size(), launch == 14 ? 1u : 0u);
  }
  EXPECT_EQ(sizes(doubtful_points(recording, "sha256:a")), std::vector<std::uint64_t>{2048});
  EXPECT_TRUE(doubtful_points(recording, "sha256:b").empty());
  for (int launch = 15; launch < 20; ++launch) {
    // Until it is over, the first look counts.
    EXPECT_NEAR(confirmed_points(recording, "sha256:a")[0].graph.ratio, 1 / 1.005, 1e-6);
    recording.samples.push_back(confirm(launch, 2048, 8));
  }
  const auto points = confirmed_points(recording, "sha256:a");
  EXPECT_EQ(sizes_of(points), (std::vector<std::uint64_t>{2048, 4096}));
  EXPECT_EQ(points[0].graph.launches, 5);
  EXPECT_NEAR(points[0].graph.ratio, 1.25, 1e-6);
  EXPECT_NEAR(points[0].first_look, 1 / 1.005, 1e-6);
  // What the second look says does not change what the first one doubted, when a run goes on.
  EXPECT_EQ(sizes(doubtful_points(recording, "sha256:a")), std::vector<std::uint64_t>{2048});
}

// A recording may know such sizes of a policy whose rule held there.
TEST(TakeOutLosers, ASizeAtWhichARuleDoesNotHoldSaysNothingOfIt) {
  ConfirmedPoint loses{{Collective::allgather, 4096 + 16}, {}, 1};
  loses.graph.ratio = loses.graph.high95 = 0.9;
  std::vector<Rule> rules{aligned_rule(1024, 8192, 2)};
  EXPECT_TRUE(take_out_losers(rules, {loses}).empty());
  loses.point.nbytes = 4096 + 32;
  EXPECT_EQ(take_out_losers(rules, {loses}).size(), 1u);
}

TEST(TakeOutLosers, KeepsWhatGainsAndNamesWhatLost) {
  std::vector<Rule> rules{rule(1024, 2047), rule(2048, 4095), rule(4096, 8192)};
  ConfirmedPoint gains{{Collective::allreduce, 1500}, {}, 1};
  gains.graph.ratio = 1.1;
  gains.graph.high95 = 1.3;
  ConfirmedPoint loses{{Collective::allreduce, 3000}, {}, 1};
  loses.graph.ratio = 0.98;
  loses.graph.high95 = 1.2;
  ConfirmedPoint noise{{Collective::allreduce, 5000}, {}, 1};
  noise.graph.ratio = 0.995;
  noise.graph.high95 = 1.01;
  const auto lines = take_out_losers(rules, {gains, loses, noise});
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].min_bytes, 1024u);
  EXPECT_EQ(rules[1].min_bytes, 4096u);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("0.980 times as fast at 3000"), std::string::npos) << lines[0];

  noise.graph.high95 = 0.999;  // a small loss, but a certain one
  EXPECT_EQ(take_out_losers(rules, {noise}).size(), 1u);
  EXPECT_EQ(rules.size(), 1u);
}

}  // namespace
}  // namespace vernier::calibrate
