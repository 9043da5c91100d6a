// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tools/calibrate/floors.hpp"

namespace vernier::calibrate {
namespace {

using Against = WindowsFloor::Against;

const Point kSmall{Collective::allreduce, 8192};
const Point kLarge{Collective::allreduce, 131072};

FloorRecord windows(int launch, const Point& point, float default_us, float windows_us) {
  FloorRecord record{launch, FloorKind::windows, point, 20};
  record.arms = {{"default", {{default_us}, {default_us}}}, {"windows", {{windows_us}}}};
  record.arms[1].times_us.push_back({windows_us * 1.01f});
  return record;
}

FloorRecord failed(FloorKind kind, const char* why) {
  FloorRecord record{4, kind};
  record.not_measured = why;
  return record;
}

// A policy whose rule gains `ratio` at kSmall.
Fit fit_with_rule(double ratio) {
  Fit fit;
  const Configuration tuned{Choice{Algorithm::tree, Protocol::ll}, 0};
  JudgedPoint judged{kSmall, false, {Algorithm::ring, Protocol::ll}, 10, {}, {}};
  JudgedArm arm{tuned, {}, {}, {}, 0, Standing::win};
  arm.graph.ratio = ratio;
  judged.arms.push_back(arm);
  fit.points.push_back(judged);
  Rule rule{};
  rule.collective = Collective::allreduce;
  rule.min_bytes = rule.max_bytes = kSmall.nbytes;
  rule.choice = *tuned.choice;
  fit.policy.rules.push_back(rule);
  return fit;
}

Recording recorded() {
  Recording recording;
  for (int launch = 4; launch < 7; ++launch) {
    const float wobble = 1 + 0.002f * static_cast<float>(launch);
    recording.floors.push_back(windows(launch, kSmall, 10, 5 * wobble));
    recording.floors.push_back(windows(launch, kLarge, 10, 15 * wobble));
  }
  return recording;
}

TEST(Floors, WindowsAreComparedWithWhatThePolicyGains) {
  const Floors without = find_floors(recorded(), Fit{});
  ASSERT_EQ(without.windows.size(), 2u);
  EXPECT_EQ(without.windows[0].policy, Against::faster);
  EXPECT_EQ(without.windows[0].policy_us, 10);
  EXPECT_EQ(without.windows[1].policy, Against::slower);

  const Floors beaten = find_floors(recorded(), fit_with_rule(2.5));
  EXPECT_EQ(beaten.windows[0].policy, Against::slower);
  EXPECT_DOUBLE_EQ(beaten.windows[0].policy_us, 4);
  // Neither is called better where the policy's gain lies in the interval.
  EXPECT_EQ(find_floors(recorded(), fit_with_rule(1.975)).windows[0].policy, Against::same);
  EXPECT_NE(floors_text(beaten).find("none is faster"), std::string::npos) << floors_text(beaten);
}

TEST(Floors, OneLaunchSaysNothing) {
  Recording recording;
  recording.floors = {windows(4, kSmall, 10, 5)};
  EXPECT_EQ(find_floors(recording, Fit{}).windows.at(0).policy, Against::same);
}

TEST(Floors, WhatWasNotMeasuredIsSaidWithTheReason) {
  EXPECT_TRUE(find_floors(Recording{}, Fit{}).empty());
  Recording recording;
  recording.floors = {failed(FloorKind::wire, "hung: no answer in time"),
                      failed(FloorKind::windows, "not in this NCCL")};
  const Floors floors = find_floors(recording, Fit{});
  EXPECT_FALSE(floors.empty());
  EXPECT_EQ(
      floors_text(floors),
      "What no tuning reaches: the wire was not measured (hung: no answer in time); symmetric "
      "windows were not measured (not in this NCCL).");
  // What was measured before it failed stays.
  Recording partly = recorded();
  partly.floors.push_back(failed(FloorKind::windows, "crashed"));
  const std::string text = floors_text(find_floors(partly, Fit{}));
  EXPECT_NE(text.find("1 is faster (most at allreduce 8KiB"), std::string::npos) << text;
  EXPECT_NE(text.find("not measured further (crashed)"), std::string::npos) << text;
}

}  // namespace
}  // namespace vernier::calibrate
