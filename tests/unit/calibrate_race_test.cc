// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/race.hpp"

namespace vernier::calibrate {
namespace {

const Point kPoint{Collective::allreduce, 8192};

Configuration way(int channels) { return {Choice{Algorithm::ring, Protocol::ll}, channels}; }

// One record: the default takes 10 us, way i 10 / ratios[i] us.
SampleRecord record(int launch, Phase phase, const std::vector<std::pair<int, double>>& ratios) {
  SampleRecord sample{launch, phase, Mode::graph, kPoint, 20, {{"default", {{10}, {10}}}}};
  for (const auto& [channels, ratio] : ratios) {
    const auto time_us = static_cast<float>(10 / ratio);
    sample.arms.push_back({format_configuration(way(channels)), {{time_us}, {time_us}}});
  }
  return sample;
}

Recording screened(const std::vector<std::pair<int, double>>& ratios) {
  Recording recording;
  for (const auto& [channels, ratio] : ratios) {
    recording.checks.push_back({kScreenLaunch, kPoint, way(channels), Outcome::exact, {}, {}});
  }
  recording.samples.push_back(record(kScreenLaunch, Phase::screen, ratios));
  return recording;
}

void race(Recording& recording, int round, const std::vector<std::pair<int, double>>& ratios) {
  recording.samples.push_back(record(kFirstRaceLaunch + round, Phase::shortlist, ratios));
}

TEST(Race, StartsWithTheBestOfTheScreenThatAreNotHopeless) {
  std::vector<std::pair<int, double>> ratios{{1, 0.96}, {2, 1.2}};
  for (int channels = 3; channels <= 12; ++channels)
    ratios.emplace_back(channels, 1.0 + channels * 1e-3);
  const auto first = contenders(screened(ratios), kPoint, 0);
  ASSERT_EQ(first.size(), kRaceWidths[0]);
  EXPECT_EQ(first[0], way(2));
  EXPECT_EQ(first[1], way(12));
  EXPECT_TRUE(contenders(screened({{1, 0.96}}), kPoint, 0).empty());
}

TEST(Race, LeavesOutWhatNeverRanRight) {
  Recording recording = screened({{1, 1.1}, {2, 1.2}});
  recording.checks[1].outcome = Outcome::wrong;
  EXPECT_EQ(contenders(recording, kPoint, 0), std::vector<Configuration>{way(1)});
}

TEST(Race, LeavesOutWhatFailedWhileItWasTimed) {
  Recording recording = screened({{1, 1.1}, {2, 1.2}});
  recording.checks.push_back({kScreenLaunch, kPoint, way(2), Outcome::hung, {}, {}});
  EXPECT_EQ(contenders(recording, kPoint, 0), std::vector<Configuration>{way(1)});
}

// A launch that favours one way does not decide alone.
TEST(Race, IsRatedByAllLaunches) {
  Recording recording = screened({{1, 1.1}, {2, 1.1}, {4, 1.1}});
  race(recording, 0, {{1, 1.1}, {2, 1.3}, {4, 1.12}});
  race(recording, 1, {{1, 1.1}, {2, 0.9}, {4, 1.12}});
  EXPECT_EQ(contenders(recording, kPoint, 2), (std::vector<Configuration>{way(4), way(1)}))
      << "1.12, 1.1 and 1.08";
  race(recording, 2, {{4, 1.12}, {1, 1.15}});
  EXPECT_EQ(winner(recording, kPoint, {}), way(4)) << "1.12 and 1.116";
}

TEST(Race, IsWonByNobodyWhereNcclIsAsFast) {
  Recording recording = screened({{1, 1.1}});
  race(recording, 0, {{1, 1.02}});
  race(recording, 1, {{1, 0.98}});
  race(recording, 2, {{1, 0.99}});
  EXPECT_EQ(winner(recording, kPoint, {}), std::nullopt);
}

TEST(Race, PrefersThePickOfTheSizeBelowWhereItIsAboutAsGood) {
  Recording recording = screened({{1, 1.1}, {2, 1.1}});
  for (int round = 0; round < kRaces; ++round) race(recording, round, {{1, 1.10}, {2, 1.09}});
  EXPECT_EQ(winner(recording, kPoint, {}), way(1));
  EXPECT_EQ(winner(recording, kPoint, way(2)), way(2));
  EXPECT_EQ(winner(recording, kPoint, way(3)), way(1)) << "it did not run";
}

}  // namespace
}  // namespace vernier::calibrate
