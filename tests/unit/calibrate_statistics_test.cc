// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/statistics.hpp"

namespace vernier::calibrate {
namespace {

LaunchPairs launch_of(double ratio) { return {{10 * ratio}, {10}}; }

TEST(Median, IsTheMiddleOrTheMeanOfTheMiddleTwo) {
  EXPECT_EQ(median({7}), 7);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 3, 2}), 2.5);
}

// Logarithms of 1.1, 1.2, 1.3 and 1.4 are 0.09531, 0.18232, 0.26236 and 0.33647: mean 0.21912,
// standard deviation 0.10380, so a standard error of 0.051901; Student's t of 3 degrees of freedom
// is 3.182 and 5.841.
TEST(LaunchInterval, OfFourLaunchesIsAsComputedByHand) {
  const RatioInterval interval =
      ratio_interval({launch_of(1.1), launch_of(1.2), launch_of(1.3), launch_of(1.4)});
  EXPECT_NEAR(interval.ratio, 1.24498, 1e-5);
  EXPECT_NEAR(interval.low95, 1.05545, 1e-5);
  EXPECT_NEAR(interval.high95, 1.46854, 1e-5);
  EXPECT_NEAR(interval.low99, 0.91940, 1e-5);
  EXPECT_NEAR(interval.high99, 1.68585, 1e-5);
}

TEST(LaunchInterval, LeavesOutLaunchesWithoutPairsAndPairsWithoutAPartner) {
  EXPECT_EQ(ratio_interval({}).launches, 0);
  const RatioInterval interval = ratio_interval({{{}, {}}, {{12, 11, 99}, {10, 10}}});
  EXPECT_EQ(interval.launches, 1);
  EXPECT_EQ(interval.pairs, 2);
  EXPECT_NEAR(interval.ratio, 1.15, 1e-12);
}

// More pairs of the same launches make a launch more certain of itself, not of the next one.
TEST(LaunchInterval, IsNoNarrowerForMorePairsOfTheSameLaunches) {
  const RatioInterval few = ratio_interval({launch_of(1.1), launch_of(1.2)});
  const LaunchPairs a{{11, 11, 11, 11}, {10, 10, 10, 10}};
  const LaunchPairs b{{12, 12, 12, 12}, {10, 10, 10, 10}};
  const RatioInterval many = ratio_interval({a, b});
  EXPECT_EQ(many.pairs, 8);
  EXPECT_DOUBLE_EQ(many.low99, few.low99);
  EXPECT_DOUBLE_EQ(many.high99, few.high99);
}

// Launches are a few per cent off for life, captures within them a little more.
TEST(LaunchInterval, ExcludesTheTruthAtNinetyNinePercentInAtMostOneAndAHalfOfAHundred) {
  std::mt19937 random(3);
  std::normal_distribution<double> of_launch(0, 0.03);
  std::normal_distribution<double> of_capture(0, 0.05);
  constexpr int kTrials = 4000;
  for (const int launches : {2, 4, 8, 16}) {
    int outside = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
      std::vector<LaunchPairs> times;
      for (int i = 0; i < launches; ++i) {
        const double communicator = of_launch(random);
        LaunchPairs& launch = times.emplace_back();
        for (int pair = 0; pair < 8; ++pair) {
          launch.reference_us.push_back(12 * std::exp(communicator + of_capture(random)));
          launch.candidate_us.push_back(10 * std::exp(of_capture(random)));
        }
      }
      const RatioInterval interval = ratio_interval(times);
      if (interval.low99 > 1.2 || interval.high99 < 1.2) ++outside;
    }
    EXPECT_LE(outside, 0.015 * kTrials) << launches << " launches";
    EXPECT_GE(outside, 0.005 * kTrials) << launches << " launches: wider than it says";
  }
}

TEST(Effort, IsBoundedHoweverLongACallTakes) {
  for (double us = 0.1; us < 1e6; us *= 1.5) {
    const Effort graph = effort_for(Mode::graph, us);
    EXPECT_GE(graph.operations, 3);
    EXPECT_LE(graph.operations, 20);
    EXPECT_GE(graph.replays, 3);
    EXPECT_LE(graph.replays, 7);
    const Effort eager = effort_for(Mode::eager, us);
    EXPECT_GE(eager.operations, 5);
    EXPECT_LE(eager.operations, 50);
    EXPECT_EQ(eager.replays, 1);
  }
}

TEST(Effort, FallsAsCallsTakeLonger) {
  EXPECT_EQ(effort_for(Mode::graph, 1).operations, 20);
  EXPECT_EQ(effort_for(Mode::graph, 1e5).operations, 3);
  EXPECT_EQ(effort_for(Mode::eager, 1).operations, 50);
  EXPECT_EQ(effort_for(Mode::eager, 1e5).operations, 5);
  EXPECT_LT(expected_s(Mode::graph, 2, 8, 10), expected_s(Mode::graph, 2, 8, 1000));
}

}  // namespace
}  // namespace vernier::calibrate
