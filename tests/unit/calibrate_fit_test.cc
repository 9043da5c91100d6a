// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "tests/unit/calibrate_judged.hpp"
#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/report.hpp"

namespace vernier::calibrate {
namespace {

TEST(Stand, NeedsCertaintyAndAGainThatMatters) {
  EXPECT_EQ(stand(exactly(1.1), exactly(1.1)), Standing::win);
  EXPECT_EQ(stand(exactly(1.1, 0.2), exactly(1.1)), Standing::tie);
  EXPECT_EQ(stand(exactly(1.1, 0.091), exactly(1.1)), Standing::tie);  // from 1.009 on
  EXPECT_EQ(stand(exactly(1.015), exactly(1.1)), Standing::tie);
  EXPECT_EQ(stand(exactly(0.9), exactly(1.1)), Standing::loss);
  const std::vector<LaunchPairs> one_launch{{{20, 20}, {10, 10}}};
  EXPECT_EQ(stand(ratio_interval(one_launch)), Standing::tie);
  EXPECT_EQ(stand(ratio_interval({})), Standing::tie);
}

TEST(Stand, LetsNothingWinThatLosesInEagerMode) {
  EXPECT_EQ(stand(exactly(1.1), exactly(0.95)), Standing::eager_loss);
  EXPECT_EQ(stand(exactly(1.1), exactly(0.95, 0.05)), Standing::win);
  EXPECT_EQ(stand(exactly(1.1), exactly(1.1), exactly(0.978)), Standing::eager_loss);
  EXPECT_EQ(stand(exactly(1.1), exactly(1.1), exactly(0.981)), Standing::win);
  EXPECT_EQ(stand(exactly(1.1), exactly(1.1), exactly(0.97, 0.05)), Standing::win);
  EXPECT_EQ(stand(exactly(1.1), exactly(0.97, 0.05), exactly(0.97, 0.05)), Standing::eager_loss)
      << "two doubts";
  EXPECT_EQ(stand(exactly(1.1), exactly(0.99, 0.05), exactly(0.97, 0.05)), Standing::win);
  EXPECT_EQ(stand(exactly(1.1), exactly(0.97, 0.05), exactly(0.99, 0.05)), Standing::win);
}

TEST(Stand, DoubtsOfOneLaunchAreNone) {
  RatioInterval doubt = exactly(0.97, 0.05);
  doubt.launches = 1;
  EXPECT_EQ(stand(exactly(1.1), doubt, doubt), Standing::win);
  doubt.launches = 2;
  EXPECT_EQ(stand(exactly(1.1), doubt, doubt), Standing::eager_loss);
}

JudgedArm seen(double ratio, double spread, double error) {
  JudgedArm arm{kTree, exactly(ratio, spread), exactly(ratio), {}, 10, Standing::tie};
  arm.standing = stand(arm.graph, arm.eager);
  arm.graph.launches = 4;
  arm.graph.error = error;
  return arm;
}

TEST(Settled, IsWhatMoreLaunchesWouldNotChange) {
  constexpr int kPlanned = 8;
  EXPECT_TRUE(is_settled(seen(1.2, 0.1, 0.02), kPlanned)) << "a gain beyond doubt";
  EXPECT_FALSE(is_settled(seen(1.1, 0.08, 0.02), kPlanned)) << "a gain with some doubt";
  EXPECT_TRUE(is_settled(seen(1.005, 0.01, 0.001), kPlanned)) << "too small a gain";
  EXPECT_FALSE(is_settled(seen(1.1, 0.3, 0.05), kPlanned)) << "may become certain";
  EXPECT_TRUE(is_settled(seen(1.02, 0.3, 0.05), kPlanned)) << "would not become certain";
  EXPECT_FALSE(is_settled(seen(1.05, 0.3, 0.04), 3 * kPlanned)) << "with many more it might";
  EXPECT_TRUE(is_settled(seen(0.9, 0.01, 0.01), kPlanned)) << "a loss";
  JudgedArm new_one = seen(0.9, 0.01, 0);
  new_one.graph.launches = 3;
  EXPECT_FALSE(is_settled(new_one, kPlanned)) << "a first look";
  EXPECT_TRUE(is_settled(new_one, 3)) << "all there will be";
}

using Blocks = std::vector<std::vector<float>>;

Recording recorded(double tree_ratio, Outcome outcome,
                   const Blocks& tree_host_us = Blocks(4, {5})) {
  Recording recording;
  recording.header = {{"plan", {{"ranks", 4}}},
                      {"machine", {{"gpu", "NVIDIA H200"}}},
                      {"nccl", {{"version", "2.28.9"}}},
                      {"set_environment", {{"NCCL_NVLS_ENABLE", "0"}}}};
  const Point at{Collective::allreduce, 1024};
  recording.surveys.push_back({at, kRingLl, {}});
  recording.checks.push_back({kScreenLaunch, at, kDefault, Outcome::exact, {}, {}});
  recording.checks.push_back({kScreenLaunch, at, kTree, outcome, {}, {}});
  for (int launch = 2; launch < 6; ++launch) {
    recording.launches.push_back({launch, 1, 32, 0, 0});
    const auto time = [&](double us) {
      return Blocks(4, {static_cast<float>(us + launch * 0.001)});
    };
    for (const auto& [mode, us] : {std::pair(Mode::graph, 8.0), std::pair(Mode::eager, 10.0)}) {
      recording.samples.push_back(
          {launch,
           Phase::validate,
           mode,
           at,
           20,
           {{"default", time(us)}, {"tree/ll", time(us / tree_ratio)}, {"null", time(us)}}});
    }
    recording.samples.push_back({launch,
                                 Phase::validate,
                                 Mode::host,
                                 at,
                                 20,
                                 {{"default", Blocks(4, {5})}, {"tree/ll", tree_host_us}}});
  }
  recording.memory.push_back({2, Algorithm::tree, 24});
  return recording;
}

TEST(FitPolicy, SaysWhereItHolds) {
  const Fit result = fit(recorded(1.2, Outcome::exact), {"name", 100});
  ASSERT_EQ(result.policy.rules.size(), 1u);
  EXPECT_EQ(result.policy.gpu, "NVIDIA H200");
  EXPECT_TRUE(result.policy.nccl->contains(22807));
  EXPECT_FALSE(result.policy.nccl->contains(22900));
  EXPECT_EQ(result.policy.environment.at("NCCL_NVLS_ENABLE"), "0");
  EXPECT_EQ(result.policy.rules[0].ranks, 4);
  EXPECT_EQ(result.policy.rules[0].nodes, 1);
  EXPECT_EQ(result.added_mib, 24);
  EXPECT_TRUE(parse_policy(write_policy(result.policy, WithEvidence::yes)).policy);
  EXPECT_NE(verdict(result).find("Use the policy"), std::string::npos);
}

TEST(FitPolicy, MayBeToLeaveNcclAlone) {
  const Fit result = fit(recorded(1.0, Outcome::exact), {"name", 100});
  EXPECT_TRUE(result.policy.rules.empty());
  EXPECT_NE(verdict(result).find("Leave NCCL alone"), std::string::npos);
}

TEST(FitPolicy, NeverProposesWhatFailedACheck) {
  for (const Outcome outcome : {Outcome::wrong, Outcome::hung, Outcome::crashed}) {
    EXPECT_TRUE(fit(recorded(1.2, outcome), {"name", 100}).policy.rules.empty());
  }
}

// The host's 5 us hide behind the GPU's 10 here; where they do not, 0.3 us more are 3 % of a call.
TEST(FitPolicy, NeverCostsAClientThatWaitsForItsHost) {
  const Fit dear = fit(recorded(1.2, Outcome::exact, Blocks(4, {5.3F})), {"name", 100});
  EXPECT_TRUE(dear.policy.rules.empty());
  EXPECT_NEAR(dear.points.at(0).arms.at(0).host_bound.ratio, 10 / 10.3, 1e-3);
  EXPECT_EQ(dear.points.at(0).arms.at(0).host_bound.pairs, 16);
  EXPECT_EQ(
      fit(recorded(1.2, Outcome::exact, Blocks(4, {5.1F})), {"name", 100}).policy.rules.size(), 1u);
  // A host that is faster is no gain to count on.
  const Fit cheap = fit(recorded(1.2, Outcome::exact, Blocks(4, {4})), {"name", 100});
  EXPECT_NEAR(cheap.points.at(0).arms.at(0).host_bound.ratio, 1, 1e-9);
}

// A loss is one whose whole interval says so.
TEST(FitPolicy, DoesNotTakeAHostThatScattersForACost) {
  const Fit result =
      fit(recorded(1.2, Outcome::exact, {{5.9F}, {4.6F}, {5.9F}, {4.6F}}), {"n", 100});
  EXPECT_LT(result.points.at(0).arms.at(0).host_bound.ratio, 0.98);
  EXPECT_EQ(result.policy.rules.size(), 1u);
}

// Where the median of all blocks lies with 95 %: 12 of 16 are enough to say, 11 are not.
TEST(FitPolicy, TakesAHostForACostThatNearlyAllBlocksTell) {
  Recording recording = recorded(1.2, Outcome::exact, {{5.5F}, {5.5F}, {5.5F}, {4.6F}});
  EXPECT_TRUE(fit(recording, {"name", 100}).policy.rules.empty());
  recording.samples.back().arms.back().times_us.front() = {4.6F};
  EXPECT_EQ(fit(recording, {"name", 100}).policy.rules.size(), 1u);
}

TEST(FitPolicy, NeverCostsAClientInEagerMode) {
  Recording recording = recorded(1.2, Outcome::exact);
  for (SampleRecord& sample : recording.samples) {
    if (sample.mode == Mode::eager) sample.arms[1].times_us = Blocks(4, {11});
  }
  EXPECT_TRUE(fit(recording, {"name", 100}).policy.rules.empty());
}

// Where the host costs 0.3 us more.
constexpr Point kDear{Collective::allreduce, 1024};

// kDear, and another point beside it.
Recording with_another(const Point& another, const Choice& own, float tree_host_us) {
  Recording recording = recorded(1.2, Outcome::exact, Blocks(4, {5.3F}));
  Recording beside = recorded(1.2, Outcome::exact, Blocks(4, {tree_host_us}));
  const auto add = [&](auto& to, auto& records) {
    for (auto& record : records) {
      record.point = another;
      to.push_back(std::move(record));
    }
  };
  beside.surveys[0].own = own;
  add(recording.surveys, beside.surveys);
  add(recording.checks, beside.checks);
  add(recording.samples, beside.samples);
  return recording;
}

Standing standing(const Recording& recording, const Point& at) {
  for (const JudgedPoint& judged : fit(recording, {"name", 100}).points) {
    if (judged.point == at) return judged.arms.at(0).standing;
  }
  throw std::logic_error("not judged");
}

TEST(FitPolicy, BoundsTheHostByTheSizesBesideOfOneOwnChoiceToo) {
  for (const std::uint64_t nbytes : {512, 2048}) {
    const Point beside{Collective::allreduce, nbytes};
    const Recording alike = with_another(beside, kRingLl, 4.9F);
    EXPECT_EQ(standing(alike, kDear), Standing::win);
    EXPECT_EQ(standing(alike, beside), Standing::win);
    const Recording unlike = with_another(beside, kRingSimple, 4.9F);
    EXPECT_EQ(standing(unlike, kDear), Standing::eager_loss);
    EXPECT_EQ(standing(unlike, beside), Standing::win);
  }
  const Point of_another{Collective::allgather, 2048};
  EXPECT_EQ(standing(with_another(of_another, kRingLl, 4.9F), kDear), Standing::eager_loss);
  Recording without_survey = with_another({Collective::allreduce, 2048}, kRingLl, 4.9F);
  without_survey.surveys.pop_back();
  EXPECT_EQ(standing(without_survey, kDear), Standing::eager_loss);
}

// A size between them at which only another way was tried takes nothing away.
TEST(FitPolicy, BoundsTheHostByTheNearestSizesThatRanTheSame) {
  Recording recording = with_another({Collective::allreduce, 2048}, kRingLl, 4.9F);
  const Point between{Collective::allreduce, 1536};
  recording.surveys.push_back({between, kRingLl, {}});
  SampleRecord other = recording.samples.front();
  other.point = between;
  other.arms[1].name = "ring/ll/8";
  recording.samples.push_back(other);
  EXPECT_EQ(standing(recording, kDear), Standing::win);
  const Recording far = with_another({Collective::allreduce, 4096}, kRingLl, 4.9F);
  EXPECT_EQ(standing(far, kDear), Standing::eager_loss);
}

// Where a limit was bisected and the way turned out wrong there, nothing was timed.
TEST(FitPolicy, ReachesOverNoSizeAtWhichACheckFailed) {
  Recording recording = with_another({Collective::allreduce, 2048}, kRingLl, 4.9F);
  ASSERT_EQ(fit(recording, {"name", 100}).policy.rules.size(), 1u);
  const Point between{Collective::allreduce, 1536};
  recording.surveys.push_back({between, kRingLl, {}});
  recording.checks.push_back({8, between, kTree, Outcome::wrong, {}, {}});
  for (const Rule& rule : fit(recording, {"name", 100}).policy.rules) {
    EXPECT_TRUE(rule.max_bytes < between.nbytes || between.nbytes < rule.min_bytes);
  }
}

// Whatever the size beside says.
TEST(FitPolicy, BoundsNoHostWithoutTimesOfTheSizeItself) {
  for (const Mode missing : {Mode::eager, Mode::host}) {
    Recording recording = with_another({Collective::allreduce, 2048}, kRingLl, 5.3F);
    std::erase_if(recording.samples, [&](const SampleRecord& sample) {
      return sample.mode == missing && sample.point == kDear;
    });
    EXPECT_EQ(standing(recording, kDear), Standing::win);
  }
}

TEST(FitPolicy, StaysWithinTheMemoryThatItMayAdd) {
  const Fit result = fit(recorded(1.2, Outcome::exact), {"name", 23});
  EXPECT_TRUE(result.policy.rules.empty());
  ASSERT_EQ(result.left_out.size(), 1u);
  EXPECT_NE(result.left_out[0].find("tree"), std::string::npos);
}

TEST(FitPolicy, CountsNoMemoryForRulesThatConfirmingTookOut) {
  Recording recording = recorded(1.2, Outcome::exact);
  const Fit before = fit(recording, {"name", 100, false});
  EXPECT_EQ(before.added_mib, 24);
  for (int launch = 20; launch < 23; ++launch) {
    recording.samples.push_back({launch,
                                 Phase::confirm,
                                 Mode::graph,
                                 kDear,
                                 20,
                                 {{"default", {{10}}}, {std::string(kPolicyArm), {{11}}}},
                                 digest(before.policy)});
  }
  const Fit after = fit(recording, {"name", 100});
  EXPECT_TRUE(after.policy.rules.empty());
  EXPECT_EQ(after.added_mib, 0);
}

}  // namespace
}  // namespace vernier::calibrate
