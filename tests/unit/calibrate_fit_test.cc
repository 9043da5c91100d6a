// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/report.hpp"

namespace vernier::calibrate {
namespace {

constexpr Choice kRingLl{Algorithm::ring, Protocol::ll};
constexpr Choice kRingSimple{Algorithm::ring, Protocol::simple};
const Configuration kTree{Choice{Algorithm::tree, Protocol::ll}, 0};
const Configuration kRing8{kRingLl, 8};

RatioInterval exactly(double ratio, double spread = 0.001) {
  RatioInterval interval;
  interval.ratio = ratio;
  interval.low95 = interval.low99 = ratio - spread;
  interval.high95 = interval.high99 = ratio + spread;
  interval.launches = 8;
  interval.pairs = 64;
  return interval;
}

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

JudgedPoint point(std::uint64_t nbytes, bool halfway, std::vector<JudgedArm> arms,
                  Choice own = kRingLl) {
  return {{Collective::allreduce, nbytes}, halfway, own, 20, exactly(1), std::move(arms)};
}

JudgedArm arm(const Configuration& configuration, double ratio,
              std::optional<Standing> standing = std::nullopt) {
  return {configuration,  exactly(ratio),
          exactly(ratio), {},
          20 / ratio,     standing.value_or(stand(exactly(ratio), exactly(ratio)))};
}

std::string ranges(const std::vector<Rule>& rules) {
  std::string text;
  for (const Rule& rule : rules) {
    text += std::to_string(rule.min_bytes) + "-" + std::to_string(rule.max_bytes) + " " +
            format_configuration({rule.choice, rule.channels.value_or(0)}) + " instead of " +
            format_choice(*rule.instead_of) + "\n";
  }
  return text;
}

std::string rules_of(const std::vector<JudgedPoint>& points,
                     const std::vector<SwitchRecord>& switches = {}) {
  return ranges(make_rules(points, switches, 4, 1));
}

TEST(MakeRules, OneRuleForARunOfWins) {
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}), point(1536, true, {arm(kTree, 1.2)}),
                      point(2048, false, {arm(kTree, 1.2)})}),
            "1024-2048 tree/ll instead of ring/ll\n");
}

TEST(MakeRules, ATieAtASizeThatWasAskedForKeepsTheDefault) {
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}), point(2048, false, {arm(kTree, 1.0)}),
                      point(4096, false, {arm(kTree, 1.2)})}),
            "1024-1024 tree/ll instead of ring/ll\n4096-4096 tree/ll instead of ring/ll\n");
}

TEST(MakeRules, HalfwayATieIsEnoughAndALossIsNot) {
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}), point(1536, true, {arm(kTree, 1.0)}),
                      point(2048, false, {arm(kTree, 1.2)})}),
            "1024-2048 tree/ll instead of ring/ll\n");
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}), point(1536, true, {arm(kTree, 0.99)}),
                      point(2048, false, {arm(kTree, 1.2)})}),
            "1024-1024 tree/ll instead of ring/ll\n2048-2048 tree/ll instead of ring/ll\n");
}

TEST(MakeRules, ARuleEndsWhereItLastWon) {
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}), point(1536, true, {arm(kTree, 1.0)}),
                      point(2048, false, {})}),
            "1024-1024 tree/ll instead of ring/ll\n");
}

TEST(MakeRules, LossesOfEitherModeMakeNoRule) {
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2, Standing::eager_loss)}),
                      point(2048, false, {arm(kTree, 0.9)})}),
            "");
}

TEST(MakeRules, WhereTwoMeetTheBetterOneKeepsThePoint) {
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.3)}),
                      point(1536, true, {arm(kTree, 1.1), arm(kRing8, 1.4)}),
                      point(2048, false, {arm(kRing8, 1.3)})}),
            "1024-1535 tree/ll instead of ring/ll\n1536-2048 ring/ll/8 instead of ring/ll\n");
}

TEST(MakeRules, WhatLiesBetweenTwoRulesGoesToTheOneThatWonAtBothEnds) {
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}),
                      point(2048, false, {arm(kTree, 1.2), arm(kRing8, 1.1)}),
                      point(4096, false, {arm(kRing8, 1.2)})}),
            "1024-2048 tree/ll instead of ring/ll\n2049-4096 ring/ll/8 instead of ring/ll\n");
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}),
                      point(2048, false, {arm(kTree, 1.1), arm(kRing8, 1.2)}),
                      point(4096, false, {arm(kRing8, 1.2)})}),
            "1024-2047 tree/ll instead of ring/ll\n2048-4096 ring/ll/8 instead of ring/ll\n");
  EXPECT_EQ(
      rules_of({point(1024, false, {arm(kTree, 1.2)}), point(2048, false, {arm(kRing8, 1.2)})}),
      "1024-1024 tree/ll instead of ring/ll\n2048-2048 ring/ll/8 instead of ring/ll\n")
      << "nobody's";
}

// Trimmed pair by pair, tree/ll would end before ring/ll/8 and that before ring/simple, and 3000
// would be nobody's.
TEST(MakeRules, WhereManyMeetNoPointIsLost) {
  EXPECT_EQ(rules_of({point(1000, false, {arm(kTree, 1.4)}),
                      point(2000, false, {arm(kTree, 1.4), arm(kRing8, 1.1)}),
                      point(3000, false, {arm(kTree, 1.2), arm(kRing8, 1.3)}),
                      point(4000, false, {arm(kRing8, 1.1), arm({kRingSimple, 0}, 1.5)}),
                      point(5000, false, {arm({kRingSimple, 0}, 1.5)})}),
            "1000-2999 tree/ll instead of ring/ll\n3000-3999 ring/ll/8 instead of ring/ll\n"
            "4000-5000 ring/simple instead of ring/ll\n");
}

TEST(MakeRules, OneMoreRuleHasToGain) {
  const auto rules = [](double ratio) {
    return rules_of({point(1024, false, {arm(kTree, 1.2)}),
                     point(2048, false, {arm(kTree, 1.2), arm(kRing8, ratio)})});
  };
  EXPECT_EQ(rules(1.21), "1024-2048 tree/ll instead of ring/ll\n");
  EXPECT_EQ(rules(1.23),
            "1024-2047 tree/ll instead of ring/ll\n2048-2048 ring/ll/8 instead of ring/ll\n");
}

// What rules save at the points they cover, less what each costs; as make_rules counts.
double saved(const std::vector<const JudgedArm*>& chosen, std::size_t rules) {
  double sum = -0.015 * static_cast<double>(rules);
  for (const JudgedArm* const one : chosen) {
    if (one != nullptr) sum += std::log(one->graph.ratio);
  }
  return sum;
}

// Of all ways to give each point from `at` on an arm or none, so that each run of one
// configuration begins and ends with a win and loses nowhere.
double most_saved(const std::vector<JudgedPoint>& points, std::vector<const JudgedArm*>& chosen,
                  std::size_t rules) {
  const auto won = [](const JudgedArm* one) {
    return one == nullptr || one->standing == Standing::win;
  };
  const JudgedArm* const before = chosen.empty() ? nullptr : chosen.back();
  if (chosen.size() == points.size()) return won(before) ? saved(chosen, rules) : 0;
  double most = 0;
  const auto try_one = [&](const JudgedArm* one, bool goes_on) {
    chosen.push_back(one);
    most = std::max(most, most_saved(points, chosen, rules + (one != nullptr && !goes_on)));
    chosen.pop_back();
  };
  if (won(before)) try_one(nullptr, false);
  const JudgedPoint& here = points[chosen.size()];
  for (const JudgedArm& one : here.arms) {
    const bool goes_on = before != nullptr && before->configuration == one.configuration;
    const bool ties = here.halfway && one.standing == Standing::tie && one.graph.ratio >= 1;
    if (goes_on ? won(&one) || ties : won(&one) && won(before)) try_one(&one, goes_on);
  }
  return most;
}

TEST(MakeRules, SaveAsMuchAsAnyRulesCould) {
  std::mt19937 random(3);
  const std::vector<Configuration> known{kTree, kRing8, {kRingSimple, 0}};
  std::uniform_real_distribution<double> ratio(0.95, 1.15);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<JudgedPoint> points;
    for (std::uint64_t i = 0; i < 7; ++i) {
      std::vector<JudgedArm> arms;
      for (const Configuration& configuration : known)
        arms.push_back(arm(configuration, ratio(random)));
      points.push_back(point(1000 * (i + 1), i % 2 == 1, arms));
    }
    Policy policy;
    policy.rules = make_rules(points, {}, 4, 1);
    std::vector<const JudgedArm*> chosen;
    for (const JudgedPoint& judged : points) {
      const Rule* const rule = rule_at(policy, judged);
      chosen.push_back(rule == nullptr ? nullptr : find_arm(judged, configuration_of(*rule)));
    }
    std::vector<const JudgedArm*> none;
    EXPECT_NEAR(saved(chosen, policy.rules.size()), most_saved(points, none, 0), 1e-9)
        << ranges(policy.rules);
  }
}

TEST(MakeRules, IsCutToTheByteWhereNcclsOwnChoiceChanges) {
  const std::vector<SwitchRecord> switches{{{Collective::allreduce, 1300}, kRingSimple}};
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}),
                      point(2048, false, {arm(kTree, 1.2)}, kRingSimple)},
                     switches),
            "1024-1299 tree/ll instead of ring/ll\n1300-2048 tree/ll instead of ring/simple\n");
  // Not known where: what lies between stays with NCCL.
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}),
                      point(2048, false, {arm(kTree, 1.2)}, kRingSimple)}),
            "1024-1024 tree/ll instead of ring/ll\n2048-2048 tree/ll instead of ring/simple\n");
}

TEST(MakeRules, EvidenceIsThatOfTheWeakestPoint) {
  const std::vector<Rule> rules = make_rules(
      {point(1024, false, {arm(kTree, 1.3)}), point(2048, false, {arm(kTree, 1.1)})}, {}, 4, 1);
  ASSERT_EQ(rules.size(), 1u);
  EXPECT_DOUBLE_EQ(*rules[0].evidence->ratio_low, 1.099);
  EXPECT_EQ(*rules[0].evidence->samples, 128);
}

TEST(MakeRules, FollowsNcclThroughAllItsChoicesBetweenTwoPoints) {
  const std::vector<SwitchRecord> switches{
      {{Collective::allreduce, 1500}, kRingSimple},
      {{Collective::allreduce, 1200}, {Algorithm::ring, Protocol::ll128}}};
  // Nobody won instead of the second choice, so nothing says that one would.
  EXPECT_EQ(rules_of({point(1024, false, {arm(kTree, 1.2)}),
                      point(2048, false, {arm(kTree, 1.2)}, kRingSimple)},
                     switches),
            "1024-1199 tree/ll instead of ring/ll\n1500-2048 tree/ll instead of ring/simple\n");
}

// 2048 goes to ring/ll/8, which is better there; tree/ll reaches up to it, and won there too.
TEST(MakeRules, EvidenceOfAStretchBetweenPointsIsOfTheSameOwnChoice) {
  const std::vector<SwitchRecord> switches{{{Collective::allreduce, 1300}, kRingSimple}};
  const std::vector<Rule> rules =
      make_rules({point(1024, false, {arm(kTree, 1.3)}),
                  point(2048, false, {arm(kTree, 1.5), arm(kRing8, 1.6)}, kRingSimple),
                  point(4096, false, {arm(kRing8, 1.6)}, kRingSimple)},
                 switches, 4, 1);
  ASSERT_EQ(rules.size(), 3u) << ranges(rules);
  EXPECT_EQ(rules[1].min_bytes, 1300u);
  EXPECT_EQ(rules[1].max_bytes, 2047u);
  EXPECT_DOUBLE_EQ(*rules[1].evidence->ratio_low, 1.499);
  EXPECT_EQ(*rules[1].evidence->samples, 64);
}

// Whatever was judged, the rules are a valid policy, and each covers only points where its
// configuration did not lose.
TEST(MakeRules, NeverOverlapNorCoverALoss) {
  std::mt19937 random(7);
  const std::vector<Configuration> known{kTree, kRing8, {kRingSimple, 0}, {kRingSimple, 2}};
  std::uniform_real_distribution<double> ratio(0.9, 1.3);
  for (int trial = 0; trial < 1000; ++trial) {
    std::vector<JudgedPoint> points;
    std::vector<SwitchRecord> switches;
    for (std::uint64_t i = 0; i < 14; ++i) {
      const bool halfway = i % 2 == 1;
      std::vector<JudgedArm> arms;
      for (const Configuration& configuration : known) {
        if (random() % 3 != 0) arms.push_back(arm(configuration, ratio(random)));
      }
      points.push_back(point(1000 * (i + 1), halfway, arms, random() % 3 ? kRingLl : kRingSimple));
      if (i > 0 && points[i - 1].own != points[i].own && random() % 2) {
        switches.push_back({{Collective::allreduce, 1000 * i + 500}, points[i].own});
      }
    }
    const std::vector<Rule> rules = make_rules(points, switches, 4, 1);
    EXPECT_TRUE(find_overlaps(rules).empty()) << ranges(rules);
    for (const JudgedPoint& judged : points) {
      Policy policy;
      policy.rules = rules;
      const Rule* const rule = rule_at(policy, judged);
      if (rule == nullptr) continue;
      const Configuration configuration{rule->choice, rule->channels.value_or(0)};
      for (const JudgedArm& one : judged.arms) {
        if (!(one.configuration == configuration)) continue;
        EXPECT_GE(one.graph.ratio, 1.0);
        EXPECT_NE(one.standing, Standing::loss);
        EXPECT_NE(one.standing, Standing::eager_loss);
      }
    }
  }
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
