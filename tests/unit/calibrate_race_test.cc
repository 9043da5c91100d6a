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

// Host times of a race at `point`: way i takes the caller more_us[i] longer than NCCL's own choice.
SampleRecord hosts(Point point, const std::vector<std::pair<int, float>>& more_us) {
  SampleRecord sample{kFirstRaceLaunch,         Phase::shortlist, Mode::host, point, 20,
                      {{"default", {{2}, {2}}}}};
  for (const auto& [channels, us] : more_us) {
    sample.arms.push_back({format_configuration(way(channels)), {{2 + us}, {2 + us}}});
  }
  return sample;
}

TEST(Race, IsWonByWhatCostsTheHostLessUnlessTheOtherGainsMore) {
  const auto winner_of = [](float more_us, Point at, std::optional<Configuration> below = {}) {
    Recording recording = screened({{16, 1.1}, {4, 1.1}});
    for (int round = 0; round < kRaces; ++round) race(recording, round, {{16, 1.10}, {4, 1.08}});
    recording.samples.push_back(hosts(at, {{16, more_us}, {4, 0.1f}}));
    return winner(recording, kPoint, below);
  };
  EXPECT_EQ(winner_of(0.1f, kPoint), way(16)) << "1 % of 10 us";
  EXPECT_EQ(winner_of(0.2f, kPoint), way(16)) << "2 %: 1.10 less 1.5 %";
  EXPECT_EQ(winner_of(0.3f, kPoint), way(4)) << "3 %: 1.10 less 4.5 %";
  EXPECT_EQ(winner_of(0.3f, {kPoint.collective, 2 * kPoint.nbytes}), way(4)) << "the next size";
  EXPECT_EQ(winner_of(0.3f, {kPoint.collective, 4 * kPoint.nbytes}), way(16)) << "too far away";
  EXPECT_EQ(winner_of(0.3f, {Collective::allgather, kPoint.nbytes}), way(16)) << "another call";
  EXPECT_EQ(winner_of(0.1f, kPoint, way(4)), way(16))
      << "1.08 is no 1.10, though it is the pick below";
  EXPECT_EQ(winner_of(0.3f, kPoint, way(16)), way(4)) << "nor is the pick below, less 4.5 %, 1.08";
}

TEST(Race, IsNotLostToAWayThatIsCheapAndSlow) {
  Recording recording = screened({{16, 1.1}, {4, 1.1}});
  for (int round = 0; round < kRaces; ++round) race(recording, round, {{16, 1.04}, {4, 0.99}});
  recording.samples.push_back(hosts(kPoint, {{16, 0.5f}, {4, 0.f}}));
  EXPECT_EQ(winner(recording, kPoint, {}), way(16));
}

// Which of the contenders the host bears is known from the second race on.
TEST(Race, KeepsWhatCostsTheHostLess) {
  Recording recording = screened({{1, 1.1}, {2, 1.1}, {4, 1.1}, {8, 1.1}, {16, 1.1}});
  race(recording, 0, {{16, 1.10}, {8, 1.09}, {4, 1.08}, {2, 1.07}, {1, 1.06}});
  recording.samples.push_back(hosts(kPoint, {{16, 0.5f}, {8, 0.f}, {4, 0.f}, {2, 0.f}, {1, 0.f}}));
  const std::vector<Configuration> cheaper{way(8), way(4), way(2), way(1)};
  EXPECT_EQ(contenders(recording, kPoint, 1), cheaper);
  // What later races see does not change it: a search that goes on from a file does as it did.
  recording.samples.push_back(hosts(kPoint, {{16, -5.f}, {8, 5.f}, {4, 5.f}, {2, 5.f}, {1, 5.f}}));
  recording.samples.back().launch = kFirstRaceLaunch + 1;
  recording.samples.push_back(recording.samples.back());
  EXPECT_EQ(contenders(recording, kPoint, 1), cheaper);
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
