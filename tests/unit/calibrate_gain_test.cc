// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tools/calibrate/gain.hpp"
#include "tools/workload/routes.hpp"

namespace vernier::calibrate {
namespace {

using workload::Call;
using workload::Workload;

constexpr Choice kRingLl{Algorithm::ring, Protocol::ll};
const Configuration kTree{Choice{Algorithm::tree, Protocol::ll}, 0};
constexpr Shape kShape{2, 1, 2};
const std::string kToNccl(workload::kNccl);

// 8 KiB takes 20 us and tree saves about 2 of them; 16 KiB takes 30 us and has no rule.
Fit fit_of(std::map<int, double> graph_saved_us, std::map<int, double> eager_saved_us) {
  Fit fit;
  JudgedArm arm{
      kTree, {}, {}, {}, 18, Standing::win, std::move(graph_saved_us), std::move(eager_saved_us)};
  fit.points.push_back({{Collective::allreduce, 8192}, false, kRingLl, 20, {}, {arm}});
  fit.points.push_back({{Collective::allreduce, 16384}, false, kRingLl, 30, {}, {}});
  Rule rule;
  rule.collective = Collective::allreduce;
  rule.min_bytes = rule.max_bytes = 8192;
  rule.choice = *kTree.choice;
  fit.policy.rules.push_back(rule);
  return fit;
}

Call call(std::uint64_t nbytes, std::uint64_t calls, bool captured = true) {
  return {Collective::allreduce, nbytes, 2, 1, calls, captured, "x", kToNccl};
}

Workload steps(std::vector<workload::Step> all) {
  Workload traffic{"a model", {}, {}, std::move(all)};
  traffic.sizes = workload::sizes_of(traffic.steps);
  return traffic;
}

TEST(Gain, IsCallsTimesWhatTheRuleSavesOfEach) {
  const Fit fit = fit_of({{2, 1.9}, {3, 2.0}, {4, 2.1}}, {{2, 1}, {3, 1}, {4, 1}});
  const Prediction prediction =
      predict(fit,
              steps({{workload::Phase::decode, 1, {call(8192, 100), call(8192, 10, false)}},
                     {workload::Phase::decode, 2, {call(16384, 100)}},
                     {workload::Phase::prefill, 9, {call(8192, 1000)}}}),
              kShape);
  ASSERT_EQ(prediction.steps.size(), 1u);  // 8 and 64 tokens are no step of it
  const Gain& one = prediction.steps[0];
  EXPECT_DOUBLE_EQ(one.saved_us.mean, 100 * 2.0 + 10 * 1.0);
  EXPECT_DOUBLE_EQ(one.default_us, 110 * 20.0);
  // Launches gave 200, 210, 220: t of two degrees of freedom, 4.303, times 10 / sqrt(3).
  EXPECT_NEAR(one.saved_us.high95 - one.saved_us.mean, 4.303 * 10 / std::sqrt(3), 0.01);
  EXPECT_NEAR(one.saved_us.mean - one.saved_us.low95, 4.303 * 10 / std::sqrt(3), 0.01);
  EXPECT_DOUBLE_EQ(prediction.whole.saved_us.mean, 210.0 / 2);
  EXPECT_NE(verdict(prediction).find("Use the policy"), std::string::npos);
}

TEST(Gain, OfAProfileIsThatOfAllItsCalls) {
  const Fit fit = fit_of({{2, 2}, {3, 2}}, {{2, 1}, {3, 1}});
  Workload traffic{"a job", {}, {{Collective::allreduce, 8192, 2, 1, 1000, 900}}, {}};
  const Prediction prediction = predict(fit, traffic, kShape);
  EXPECT_DOUBLE_EQ(prediction.whole.saved_us.mean, 900 * 2 + 100 * 1);
  EXPECT_TRUE(prediction.steps.empty());
}

TEST(Gain, CountsNothingForWhatIsNotNcclsOrWasNotMeasured) {
  const Fit fit = fit_of({{2, 2}, {3, 2}}, {});
  Call bypassing = call(8192, 7);
  bypassing.backend = "flashinfer";
  const Prediction prediction =
      predict(fit,
              steps({{workload::Phase::decode,
                      1,
                      {bypassing, call(4096, 5), call(8192, 3), call(8192, 2, false)}}}),
              kShape);
  EXPECT_DOUBLE_EQ(prediction.whole.calls, 10);
  EXPECT_DOUBLE_EQ(prediction.whole.unmeasured, 5 + 2);  // eager calls were not timed
  EXPECT_DOUBLE_EQ(prediction.whole.saved_us.mean, 3 * 2);
  EXPECT_NE(verdict(prediction).find("70 %"), std::string::npos);
}

TEST(Gain, LeavesNcclAloneWhereItIsNoiseOrNotWorthIt) {
  const auto verdict_of = [](std::map<int, double> saved_us, std::uint64_t nbytes) {
    return verdict(predict(fit_of(std::move(saved_us), {}),
                           steps({{workload::Phase::decode, 1, {call(nbytes, 100)}}}), kShape));
  };
  EXPECT_NE(verdict_of({{2, 4}, {3, -2}, {4, 3}}, 8192).find("Leave NCCL alone"),
            std::string::npos);
  EXPECT_NE(verdict_of({{2, .15}, {3, .15}}, 8192).find("less than 1"), std::string::npos);
  EXPECT_NE(verdict_of({{2, .25}, {3, .25}}, 8192).find("Use the policy"), std::string::npos);
  EXPECT_NE(verdict_of({{2, 9}}, 8192).find("Leave NCCL alone"), std::string::npos);  // one launch
  EXPECT_NE(verdict_of({{2, 9}, {3, 9}}, 16384).find("Leave NCCL alone"), std::string::npos);
  EXPECT_NE(verdict_of({{2, 9}, {3, 9}}, 512).find("Nothing can be said"), std::string::npos);
}

// As those are at which a limit was bisected.
TEST(Gain, CountsSizesThatOtherLaunchesJudged) {
  Fit fit = fit_of({{2, 1.9}, {3, 2.0}, {4, 2.1}}, {});
  JudgedPoint later = fit.points[0];
  later.point.nbytes = 4096;
  later.arms[0].graph_saved_us = {{6, 1}, {7, 1}, {8, 1}, {9, 1}};
  fit.points.insert(fit.points.begin(), later);
  fit.policy.rules[0].min_bytes = 4096;
  const Prediction prediction = predict(
      fit, steps({{workload::Phase::decode, 1, {call(4096, 100), call(8192, 100)}}}), kShape);
  EXPECT_DOUBLE_EQ(prediction.whole.saved_us.mean, 300);
  EXPECT_NEAR(prediction.whole.saved_us.high95, 300 + 4.303 * 10 / std::sqrt(3), 0.01);
}

TEST(Gain, LeavesOutLaunchesThatMissATerm) {
  Fit fit = fit_of({{2, 2}, {3, 2}, {4, 2}}, {{2, 1}, {3, 1}});
  const Prediction prediction = predict(
      fit, steps({{workload::Phase::decode, 1, {call(8192, 1), call(8192, 1, false)}}}), kShape);
  EXPECT_DOUBLE_EQ(prediction.whole.saved_us.mean, 3);
  EXPECT_DOUBLE_EQ(prediction.whole.saved_us.low95, 3);
}

}  // namespace
}  // namespace vernier::calibrate
