// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/unit/calibrate_judged.hpp"
#include "tools/calibrate/report.hpp"

namespace vernier::calibrate {
namespace {

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

// Simple is slow at parts of a rank that are no multiple of 16 bytes.
TEST(MakeRules, SimpleInPartsHoldsForAlignedSizesUnlessItWonAtAnother) {
  const auto alignment_of = [](Collective collective, Choice choice, std::uint64_t high) {
    std::vector<JudgedPoint> points{point(1024, false, {arm({choice, 1}, 1.2)}),
                                    point(high, false, {arm({choice, 1}, 1.2)})};
    for (JudgedPoint& one : points) one.point.collective = collective;
    const auto rules = make_rules(points, {}, 4, 1);
    EXPECT_EQ(rules.size(), 1u);
    return rules.at(0).alignment;
  };
  EXPECT_EQ(alignment_of(Collective::allgather, kRingSimple, 2048), 16);
  EXPECT_EQ(alignment_of(Collective::reducescatter, kRingSimple, 2048 + 64), 16);
  EXPECT_EQ(alignment_of(Collective::reducescatter, kRingSimple, 2048 + 32), std::nullopt);
  EXPECT_EQ(alignment_of(Collective::allreduce, kRingSimple, 2048), std::nullopt);
  EXPECT_EQ(alignment_of(Collective::allgather, {Algorithm::ring, Protocol::ll128}, 2048),
            std::nullopt);
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

}  // namespace
}  // namespace vernier::calibrate
