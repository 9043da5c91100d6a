// SPDX-License-Identifier: Apache-2.0
//
// When a bundle with its policy wins: on invented records, many times over where chance decides.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <random>

#include "tools/calibrate/bundles/trial.hpp"

namespace vernier::calibrate {
namespace {

constexpr const char* kBaseDigest = "sha256:base";
constexpr const char* kRulesDigest = "sha256:rules";
constexpr const char* kDigest = "sha256:bundle";
const Opponents kOpponents{kBaseDigest, kRulesDigest, kDigest};
constexpr Configuration kCell{Choice{Algorithm::ring, Protocol::ll128}, 0};

const Point kSmall{Collective::allreduce, 8192};
const Point kLarge{Collective::allreduce, 1 << 20};

// True microseconds at two sizes, and how launches and captures scatter about them.
struct ModelMachine {
  double small_us = 10;
  double large_us = 40;
  double launch_sigma = 0.005;
  double capture_sigma = 0.01;
  double eager_factor = 1;
};

class Recorder {
 public:
  explicit Recorder(std::uint64_t seed) : random_(seed) {}

  // No bundle in the rounds that decide: with its policy, and with the rules of a bundle's.
  Recording both(const ModelMachine& base, const ModelMachine& rules) {
    Recording recording = decided(base, kBaseDigest);
    const Recording more = decided(rules, kRulesDigest);
    recording.samples.insert(recording.samples.end(), more.samples.begin(), more.samples.end());
    return recording;
  }

  // The rounds that decide, in which a policy makes everything 1.25 times as fast.
  Recording decided(const ModelMachine& machine, const char* digest) {
    Recording recording;
    for (int round = 0; round < kDecidingRounds; ++round) {
      for (const Mode mode : {Mode::graph, Mode::eager}) {
        for (const Point& point : {kSmall, kLarge}) {
          const double us = (point == kSmall ? machine.small_us : machine.large_us) *
                            (mode == Mode::eager ? machine.eager_factor : 1) *
                            scatter(machine.launch_sigma);
          SampleRecord record{
              kFirstDecidingLaunch + round, Phase::decide, mode, point, 20, {}, digest};
          record.arms = {{"default", captures(1.25 * us, machine)},
                         {std::string(kPolicyArm), captures(us, machine)}};
          recording.samples.push_back(std::move(record));
        }
      }
    }
    return recording;
  }

  std::vector<std::vector<float>> captures(double us, const ModelMachine& machine) {
    std::vector<std::vector<float>> all;
    for (int i = 0; i < 4; ++i) {
      all.push_back({static_cast<float>(us * scatter(machine.capture_sigma))});
    }
    return all;
  }

 private:
  double scatter(double sigma) {
    return std::exp(std::normal_distribution<double>(0, sigma)(random_));
  }

  std::mt19937_64 random_;
};

Weights even() {
  Weights weights;
  weights.calls = {{kSmall, {1.0 / 10, 0}}, {kLarge, {1.0 / 40, 0}}};
  return weights;
}

Weights traffic(double small, double large) {
  Weights weights;
  weights.of_traffic = true;
  weights.calls = {{kSmall, {small, 0}}, {kLarge, {large, 0}}};
  return weights;
}

Decision decided(const ModelMachine& bundle, const Weights& weights, std::uint64_t seed = 1) {
  Recorder recorder(seed);
  const Recording base = recorder.both({}, {});
  const auto decision = decide(base, recorder.decided(bundle, kDigest), kOpponents, weights);
  EXPECT_TRUE(decision);
  return decision.value_or(Decision{});
}

TEST(BundleDecision, OfAGainEverywhereIsForTheBundle) {
  const Decision decision = decided({8, 32}, even());
  EXPECT_TRUE(decision.wins) << decision.why_not;
  EXPECT_NEAR(decision.total.ratio, 1.25, 0.02);
  EXPECT_NEAR(decision.nothing.ratio, 1.25 * 1.25, 0.03) << "against no bundle and no policy";
  EXPECT_EQ(decision.total.launches, kDecidingRounds);
  EXPECT_TRUE(decision.regressions.empty());
}

TEST(BundleDecision, OfLessThanTwoPercentIsForNone) {
  const Decision decision = decided({9.88, 39.5, 0.0005, 0.0005}, even());
  EXPECT_FALSE(decision.wins);
  EXPECT_GT(decision.total.low95, 1) << "certain, but too little";
}

TEST(BundleDecision, WithoutTrafficTakesARegressionAtOneSizeForANo) {
  const Decision decision = decided({5, 50}, even());
  EXPECT_GT(decision.total.low95, 1.1);
  EXPECT_FALSE(decision.wins);
  EXPECT_NE(decision.why_not.find("2 of the sizes regress"), std::string::npos)
      << decision.why_not << ": in graphs and eager";
}

TEST(BundleDecision, WithTrafficWeighsGainsAgainstRegressions) {
  const Decision gains = decided({5, 50}, traffic(100, 10));
  EXPECT_TRUE(gains.wins) << gains.why_not;
  EXPECT_NEAR(gains.total.ratio, (100 * 10 + 10 * 40.0) / (100 * 5 + 10 * 50), 0.02);
  EXPECT_EQ(gains.regressions.size(), 2u) << "they are still said";
  EXPECT_FALSE(decided({5, 50}, traffic(10, 100)).wins);
}

TEST(BundleDecision, IsNotForOneUnderWhichEagerCallsAreSlower) {
  ModelMachine bundle{8, 32};
  bundle.eager_factor = 1.4;  // 1.12 of the time without it
  const Decision decision = decided(bundle, traffic(1, 1));
  EXPECT_GT(decision.total.low95, 1.1);
  EXPECT_FALSE(decision.wins);
  EXPECT_EQ(decision.why_not, "eager calls would be slower");
}

TEST(BundleDecision, CountsEagerCallsOfTheTrafficAsEager) {
  ModelMachine bundle{5, 20};
  bundle.eager_factor = 2;
  Weights weights = traffic(0, 0);
  for (auto& [point, calls] : weights.calls) calls = {1, 1};
  const Decision decision = decided(bundle, weights);
  EXPECT_NEAR(decision.total.ratio, 100.0 / 75, 0.02);
}

TEST(BundleDecision, NeedsAllRoundsOfTheTwoPolicies) {
  Recorder recorder(1);
  const Recording base = recorder.both({}, {});
  Recording bundle = recorder.decided({8, 32}, kDigest);
  EXPECT_TRUE(decide(base, bundle, kOpponents, even()));
  const char* const other = "sha256:another";
  EXPECT_FALSE(decide(base, bundle, {other, kRulesDigest, kDigest}, even()));
  EXPECT_FALSE(decide(base, bundle, {kBaseDigest, other, kDigest}, even()));
  EXPECT_FALSE(decide(base, bundle, {kBaseDigest, kRulesDigest, other}, even()));
  bundle.samples.pop_back();
  EXPECT_FALSE(decide(base, bundle, kOpponents, even()));
}

// A search finds more one day than on another. What it found under a bundle is no merit of the
// bundle if it gains as much without.
TEST(BundleDecision, IsNotForOneWhoseRulesDoAsWellWithoutIt) {
  Recorder recorder(1);
  const Recording base = recorder.both({}, {8, 32});
  const auto decision = decide(base, recorder.decided({8, 32}, kDigest), kOpponents, even());
  ASSERT_TRUE(decision);
  EXPECT_GT(decision->total.low95, 1.2);
  EXPECT_NEAR(decision->rules.ratio, 1, 0.02);
  EXPECT_FALSE(decision->wins);
  EXPECT_EQ(decision->why_not, "its rules without it may do as well");
}

// Launches that differ by 5 %, as over TCP, and captures that do not: whoever took captures for
// repetitions would be sure of differences between communicators.
TEST(BundleDecision, OnNullDataIsForABundleInOneOfAHundredAtMost) {
#ifdef VERNIER_FEW_DRAWS
  GTEST_SKIP() << "a rate takes many draws: in the release build";
#endif
  constexpr int kDraws = 4000;
  for (const double sigma : {0.005, 0.02, 0.05, 0.1}) {
    const ModelMachine same{10, 40, sigma, 0.01};
    int wins = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
      Recorder recorder(static_cast<std::uint64_t>(draw));
      const Recording base = recorder.decided(same, kBaseDigest);
      const auto decision = decide(base, recorder.decided(same, kDigest),
                                   {kBaseDigest, kBaseDigest, kDigest}, even());
      if (decision && decision->wins) ++wins;
    }
    std::printf("launches that scatter by %.1f %%: %d of %d bundles without effect win\n",
                100 * sigma, wins, kDraws);
    EXPECT_LE(wins, kDraws / 100) << sigma;
  }
}

// ---- what is worth a search ----

Fit base_fit(double small_gain) {
  Fit fit;
  Rule rule{};
  rule.collective = Collective::allreduce;
  rule.min_bytes = rule.max_bytes = kSmall.nbytes;
  rule.choice = {Algorithm::tree, Protocol::ll};
  for (const Point& point : {kSmall, kLarge}) {
    JudgedPoint judged{};
    judged.point = point;
    judged.own = {Algorithm::ring, Protocol::ll};
    judged.default_us = point == kSmall ? 10 : 40;
    fit.points.push_back(judged);
  }
  if (small_gain > 1) {
    JudgedArm arm{};
    arm.configuration = configuration_of(rule);
    arm.graph.ratio = small_gain;
    fit.points[0].arms.push_back(arm);
    fit.policy.rules.push_back(rule);
  }
  return fit;
}

// Alone, in as many rounds: NCCL's own choice, and one other cell.
Recording alone(double small_us, double large_us, double large_cell_us, int rounds = kAloneRounds) {
  Recording recording;
  for (int round = 0; round < rounds; ++round) {
    const auto add = [&](const Point& point, double us, double cell_us) {
      SampleRecord record{kFirstAloneLaunch + round, Phase::alone, Mode::graph, point, 20, {}};
      const auto times = [](double t) {
        return std::vector<std::vector<float>>(2, {static_cast<float>(t)});
      };
      record.arms = {{"default", times(us)}, {format_configuration(kCell), times(cell_us)}};
      recording.samples.push_back(std::move(record));
    };
    add(kSmall, small_us, small_us * 2);
    add(kLarge, large_us, large_cell_us);
  }
  return recording;
}

TEST(BundleAlone, IsARatioOfTotalsForEachRound) {
  const auto seen = judge_alone(alone(10, 40, 80), base_fit(1), alone(8, 32, 80), even());
  ASSERT_TRUE(seen);
  ASSERT_EQ(seen->ratios.size(), static_cast<std::size_t>(kAloneRounds));
  EXPECT_NEAR(seen->ratios[0], 1.25, 1e-6);
  EXPECT_NEAR(seen->at_best, 1.25, 1e-6);
  EXPECT_EQ(seen->hopeless, "");
  EXPECT_FALSE(judge_alone(alone(10, 40, 80), base_fit(1), {}, even()));
  EXPECT_EQ(judge_alone(alone(10, 40, 80), base_fit(1), alone(8, 32, 80, 1), even())->ratios.size(),
            1u)
      << "rounds that only one of the two has do not count";
}

TEST(BundleAlone, ThatOnlyARuleCouldMakeFasterIsWorthASearch) {
  // 0.4 of the time at one size; at the other 4 times, where a cell would do with 1.25.
  const auto seen =
      judge_alone(alone(10, 40, 80), base_fit(1), alone(4, 160, 50), traffic(100, 10));
  EXPECT_LT(seen->ratios[0], 1);
  EXPECT_NEAR(seen->at_best, 1400.0 / 900, 1e-6);
  EXPECT_EQ(seen->hopeless, "");
  // Without traffic no size may regress, and that one would.
  const auto even_seen = judge_alone(alone(10, 40, 80), base_fit(1), alone(4, 160, 50), even());
  EXPECT_EQ(even_seen->hopeless, "at allreduce 1MiB it is slower whatever a rule does");
}

TEST(BundleAlone, IsMeasuredAgainstNoBundleWithItsPolicy) {
  // The bundle gains 1.25 at the small size; rules alone gain 1.6 there. What rules gained without
  // the bundle they may gain with it, so it stays worth a look; where it gains nothing, it is not.
  const auto seen =
      judge_alone(alone(10, 40, 80), base_fit(1.6), alone(8, 40, 80), traffic(100, 0));
  EXPECT_NEAR(seen->at_best, 1.25, 1e-6);
  const auto none =
      judge_alone(alone(10, 40, 80), base_fit(1.6), alone(10, 40, 80), traffic(100, 0));
  EXPECT_EQ(none->hopeless, "at best 1.00 times as fast");
}

TEST(WorthSearching, AreThoseThatCouldGainMostFirst) {
  Trial trial;
  for (const double at_best : {1.1, 1.5, 1.3, 2.0, 3.0}) {
    BundleResult one;
    one.alone = Alone{{}, at_best, ""};
    trial.bundles.push_back(one);
  }
  trial.bundles[3].rejected = "NCCL does not start";
  trial.bundles[4].alone->hopeless = "slower";
  EXPECT_EQ(worth_searching(trial), (std::vector<std::size_t>{1, 2, 0}));
}

TEST(Trial, BestIsThatWithTheLeastTimeOfThoseThatWin) {
  Trial trial;
  EXPECT_EQ(trial.best(), nullptr);
  for (const double ratio : {1.1, 1.3, 1.5}) {
    BundleResult one;
    one.decision.emplace();
    one.decision->total.ratio = ratio;
    one.decision->wins = ratio < 1.4;
    trial.bundles.push_back(one);
  }
  EXPECT_EQ(trial.best(), &trial.bundles[1]);
}

// What a bundle changes first is NCCL's own choice.
TEST(WithoutBundle, RulesApplyWhateverNcclsOwnChoiceIs) {
  Policy policy;
  policy.environment = {{"NCCL_PROTO", "LL128"}};
  Rule& rule = policy.rules.emplace_back();
  rule.choice = *kCell.choice;
  rule.instead_of = Choice{Algorithm::ring, Protocol::ll};
  const Policy rules = without_bundle(policy, Policy{});
  EXPECT_TRUE(rules.environment.empty());
  ASSERT_EQ(rules.rules.size(), 1u);
  EXPECT_EQ(rules.rules[0].choice, *kCell.choice);
  EXPECT_FALSE(rules.rules[0].instead_of);
}

TEST(Weights, AreTheTrafficsWhereItsSizesWereMeasured) {
  workload::Workload job;
  job.sizes = {{Collective::allreduce, 8192, 2, 1, 100, 80},
               {Collective::allreduce, 4096, 2, 1, 9, 9}};
  const Shape shape{2, 1, 2};
  const Weights weights = weigh(base_fit(1), job, shape);
  ASSERT_TRUE(weights.of_traffic);
  ASSERT_EQ(weights.calls.size(), 1u) << "4 KiB were not measured, 1 MiB is not sent";
  EXPECT_EQ(weights.calls.at(kSmall).captured, 80);
  EXPECT_EQ(weights.calls.at(kSmall).eager, 20);

  job.sizes.erase(job.sizes.begin());
  EXPECT_FALSE(weigh(base_fit(1), job, shape).of_traffic);
  const Weights each = weigh(base_fit(1), std::nullopt, shape);
  EXPECT_FALSE(each.of_traffic);
  EXPECT_NEAR(each.calls.at(kSmall).captured * 10, each.calls.at(kLarge).captured * 40, 1e-9);
}

TEST(FindDanger, IsForcedLl128WhereNcclDoesNotRunIt) {
  Recording base;
  base.surveys = {{kSmall, kCell.choice.value(), {{*kCell.choice, 1.0}}}};
  const Bundle forces = parse_bundle("x: NCCL_PROTO=LL128");
  EXPECT_EQ(find_danger(forces, base), "");
  base.surveys.push_back(
      {kLarge, {Algorithm::ring, Protocol::ll}, {{{Algorithm::ring, Protocol::ll}, 1.0}}});
  EXPECT_NE(find_danger(forces, base).find("allreduce 1MiB"), std::string::npos);
  EXPECT_EQ(find_danger(parse_bundle("x: NCCL_NTHREADS=128"), base), "");
}

}  // namespace
}  // namespace vernier::calibrate
