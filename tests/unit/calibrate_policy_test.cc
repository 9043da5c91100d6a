// SPDX-License-Identifier: Apache-2.0
//
// What becomes of judged points beyond one run of one collective: several collectives, several
// algorithms under a memory bound, evidence of stretches, recordings that belong together.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tools/calibrate/fit.hpp"
#include "tools/calibrate/live/nccl_log.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/calibrate/report.hpp"
#include "tools/calibrate/session.hpp"

namespace vernier::calibrate {
namespace {

constexpr Choice kRingLl{Algorithm::ring, Protocol::ll};
constexpr Choice kRingSimple{Algorithm::ring, Protocol::simple};
constexpr Configuration kTree{Choice{Algorithm::tree, Protocol::ll}, 0};
constexpr Configuration kRing8{kRingLl, 8};

RatioInterval around(double ratio) {
  RatioInterval interval;
  interval.ratio = ratio;
  interval.low95 = interval.low99 = ratio - 0.001;
  interval.high95 = interval.high99 = ratio + 0.001;
  interval.launches = 8;
  interval.pairs = 64;
  return interval;
}

JudgedArm arm(const Configuration& configuration, double ratio) {
  return {configuration, around(ratio),
          around(ratio), {},
          20 / ratio,    stand(around(ratio), around(ratio))};
}

JudgedPoint judged(Collective collective, std::uint64_t nbytes, std::vector<JudgedArm> arms,
                   bool halfway = false, Choice own = kRingLl) {
  return {{collective, nbytes}, halfway, own, 20, around(1), std::move(arms)};
}

TEST(RulesOfSeveralCollectives, NeverReachFromOneIntoTheNext) {
  const auto rules = make_rules({judged(Collective::allgather, 1024, {arm(kTree, 1.2)}),
                                 judged(Collective::allgather, 4096, {arm(kTree, 1.2)}),
                                 judged(Collective::allreduce, 2048, {arm(kTree, 1.2)}),
                                 judged(Collective::allreduce, 8192, {arm(kTree, 1.2)})},
                                {}, 4, 2);
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].collective, Collective::allgather);
  EXPECT_EQ(rules[0].max_bytes, 4096u);
  EXPECT_EQ(rules[1].collective, Collective::allreduce);
  EXPECT_EQ(rules[1].min_bytes, 2048u);
  EXPECT_EQ(rules[1].nodes, 2);
}

// A switch of one collective says nothing of another.
TEST(RulesOfSeveralCollectives, AreCutAtTheirOwnSwitchesOnly) {
  const std::vector<SwitchRecord> switches{{{Collective::allgather, 3000}, kRingSimple}};
  const auto rules =
      make_rules({judged(Collective::allreduce, 2048, {arm(kTree, 1.2)}),
                  judged(Collective::allreduce, 4096, {arm(kTree, 1.2)}, false, kRingSimple)},
                 switches, 4, 1);
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0].max_bytes, 2048u);
  EXPECT_EQ(rules[1].min_bytes, 4096u);
}

TEST(RulesOfSeveralCollectives, NeverOverlapAndNameWhatTheyAreInsteadOf) {
  std::mt19937 random(11);
  std::uniform_real_distribution<double> ratio(0.93, 1.25);
  const std::vector<Configuration> known{kTree, kRing8, {kRingSimple, 0}, {kRingLl, 0}};
  int rules_seen = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    std::vector<JudgedPoint> points;
    std::vector<SwitchRecord> switches;
    for (const Collective collective : {Collective::broadcast, Collective::allgather}) {
      std::uint64_t nbytes = 0;
      for (int i = 0; i < 9; ++i) {
        nbytes += 16 * (1 + random() % 100);
        std::vector<JudgedArm> arms;
        for (const Configuration& configuration : known) {
          if (random() % 2 == 0) arms.push_back(arm(configuration, ratio(random)));
        }
        const Choice own = random() % 4 == 0 ? kRingSimple : kRingLl;
        const bool first = points.empty() || points.back().point.collective != collective;
        if (!first && points.back().own != own && random() % 2 == 0) {
          const std::uint64_t below = points.back().point.nbytes;
          switches.push_back({{collective, below + 1 + random() % (nbytes - below)}, own});
        }
        points.push_back(judged(collective, nbytes, arms, random() % 2 == 0, own));
      }
    }
    const std::vector<Rule> rules = make_rules(points, switches, 4, 1);
    EXPECT_TRUE(find_overlaps(rules).empty()) << "trial " << trial;
    for (const Rule& rule : rules) {
      ++rules_seen;
      EXPECT_LE(rule.min_bytes, rule.max_bytes);
      ASSERT_TRUE(rule.instead_of);
      EXPECT_FALSE(rule.choice == *rule.instead_of && !rule.channels) << "NCCL does that";
      // Both ends lie within what was measured of this collective, and NCCL's own choice is the
      // named one at every point inside.
      for (const JudgedPoint& point : points) {
        if (point.point.collective != rule.collective || point.point.nbytes < rule.min_bytes ||
            point.point.nbytes > rule.max_bytes) {
          continue;
        }
        EXPECT_EQ(point.own, *rule.instead_of) << "trial " << trial;
      }
    }
  }
  EXPECT_GT(rules_seen, 1000) << "nothing was tried";
}

TEST(Evidence, IsOfThePointsThatTheStretchCovers) {
  const std::vector<SwitchRecord> switches{{{Collective::allreduce, 3000}, kRingSimple}};
  const auto rules =
      make_rules({judged(Collective::allreduce, 1024, {arm(kTree, 1.05)}),
                  judged(Collective::allreduce, 2048, {arm(kTree, 1.3)}),
                  judged(Collective::allreduce, 4096, {arm(kTree, 1.2)}, false, kRingSimple)},
                 switches, 4, 1);
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_DOUBLE_EQ(*rules[0].evidence->ratio_low, 1.049);
  EXPECT_DOUBLE_EQ(*rules[0].evidence->ratio_high, 1.051);
  EXPECT_EQ(*rules[0].evidence->samples, 128);
  EXPECT_DOUBLE_EQ(*rules[1].evidence->ratio_low, 1.199);
  EXPECT_EQ(*rules[1].evidence->samples, 64);
}

// One point a configuration, each of which is twice as fast as NCCL's own choice there.
Recording two_algorithms() {
  Recording recording;
  recording.header = {{"plan", {{"ranks", 4}}}};
  const std::pair<std::uint64_t, Choice> winners[] = {{1024, {Algorithm::tree, Protocol::ll}},
                                                      {65536, {Algorithm::nvls, Protocol::simple}}};
  for (int launch = 2; launch < 6; ++launch) recording.launches.push_back({launch, 1, 32, 0, 0});
  for (const auto& [nbytes, choice] : winners) {
    const Point at{Collective::allreduce, nbytes};
    recording.surveys.push_back({at, kRingLl, {}});
    recording.checks.push_back({kScreenLaunch, at, kDefault, Outcome::exact, {}, {}});
    for (int launch = 2; launch < 6; ++launch) {
      const std::vector<std::vector<float>> slow(4, {20.0f + 0.01f * float(launch)});
      const std::vector<std::vector<float>> fast(4, {10.0f});
      for (const Mode mode : {Mode::graph, Mode::eager}) {
        recording.samples.push_back({launch,
                                     Phase::validate,
                                     mode,
                                     at,
                                     20,
                                     {{"default", slow}, {format_choice(choice), fast}}});
      }
    }
  }
  recording.memory.push_back({2, Algorithm::tree, 24});
  recording.memory.push_back({3, Algorithm::tree, 20});
  recording.memory.push_back({2, Algorithm::nvls, 300});
  return recording;
}

TEST(MemoryBound, LeavesOutTheCostliestAlgorithmFirst) {
  const Recording recording = two_algorithms();
  const Fit all = fit(recording, {"all", 324});
  EXPECT_EQ(all.policy.rules.size(), 2u);
  EXPECT_EQ(all.added_mib, 324);
  EXPECT_TRUE(all.left_out.empty());

  const Fit less = fit(recording, {"less", 323});
  ASSERT_EQ(less.policy.rules.size(), 1u);
  EXPECT_EQ(less.policy.rules[0].choice.algorithm, Algorithm::tree);
  EXPECT_EQ(less.added_mib, 24);
  ASSERT_EQ(less.left_out.size(), 1u);
  EXPECT_NE(less.left_out[0].find("nvls"), std::string::npos);
  EXPECT_NE(less.left_out[0].find("300 MiB"), std::string::npos);

  const Fit none = fit(recording, {"none", 0});
  EXPECT_TRUE(none.policy.rules.empty());
  EXPECT_EQ(none.added_mib, 0);
  EXPECT_EQ(none.left_out.size(), 2u);
}

TEST(FitPolicy, RestsOnJudgingLaunchesAlone) {
  Recording recording = two_algorithms();
  for (SampleRecord& record : recording.samples) record.phase = Phase::shortlist;
  EXPECT_THROW((void)fit(recording, {"name", 1000}), std::runtime_error);
  // What proposed it says nothing where it is judged.
  Recording contrary = two_algorithms();
  const std::size_t judging = contrary.samples.size();
  for (std::size_t i = 0; i < judging; ++i) {
    SampleRecord slower = contrary.samples[i];
    slower.phase = Phase::screen;
    std::swap(slower.arms[0].times_us, slower.arms[1].times_us);
    contrary.samples.push_back(slower);
  }
  EXPECT_EQ(write_policy(fit(contrary, {"name", 1000}).policy, WithEvidence::yes),
            write_policy(fit(two_algorithms(), {"name", 1000}).policy, WithEvidence::yes));
}

TEST(HeaderDifference, IsOfWhatDecidesWhetherTimesBelongTogether) {
  const Json here{{"machine", {{"gpu", "A"}}},
                  {"nccl", {{"version", "2.28.9"}}},
                  {"environment", {{"NCCL_ALGO", "RING"}}},
                  {"set_environment", Json::object()},
                  {"plan", {{"sizes", "1KiB..1MiB"}}},
                  {"command", {"vernier"}},
                  {"started", "now"}};
  Json there = here;
  there["command"] = {"vernier", "--quiet"};
  there["vernier"] = "other";
  EXPECT_EQ(header_difference(there, here), "");
  there = here;
  there["nccl"]["version"] = "2.28.3";
  EXPECT_EQ(header_difference(there, here), "nccl version: 2.28.3 there, 2.28.9 here");
  there = here;
  there["environment"].erase("NCCL_ALGO");
  EXPECT_EQ(header_difference(there, here), "environment NCCL_ALGO: null there, RING here");
  there = here;
  there["set_environment"]["NCCL_FOO"] = "1";
  EXPECT_EQ(header_difference(there, here), "set_environment NCCL_FOO: 1 there, null here");
  there = here;
  there["plan"]["sizes"] = "1KiB";
  EXPECT_EQ(header_difference(there, here), "plan sizes: 1KiB there, 1KiB..1MiB here");
  EXPECT_NE(header_difference(Json::object(), here), "");
}

// Whatever NCCL prints, a line that is not of the known form is no answer.
TEST(NcclLogLines, ThatAreNotOfTheKnownFormSayNothing) {
  const std::string control =
      "vm:1:1 [0] NCCL INFO AllReduce: 8 Bytes -> Algo RING proto LL channel{Lo..Hi}={0..0}\n";
  for (const char* const line : {
           "vm:1:1 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo WARP proto LL "
           "channel{Lo..Hi}={0..3}\n",
           "vm:1:1 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo RING proto LL256 "
           "channel{Lo..Hi}={0..3}\n",
           "vm:1:1 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo RING proto LL time 4.2\n",
           "vm:1:1 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo RING proto LL "
           "channel{Lo..Hi}={..}\n",
           "vm:1:1 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo RING proto LL "
           "channel{Lo..Hi}={0..99999999999}\n",
           "vm:1:1 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo ",
           "vm:1:1 [0] NCCL WARN AllReduce: 4096 Bytes -> Algo RING proto LL "
           "channel{Lo..Hi}={0..3}\n",
       }) {
    EXPECT_FALSE(find_applied(line + control, Collective::allreduce)) << line;
  }
  EXPECT_FALSE(find_applied(control, Collective::allreduce)) << "control traffic alone";
  EXPECT_FALSE(find_comm_channels(" coll channels")) << "no number";
  EXPECT_EQ(find_comm_channels("16 coll channels\n24 coll channels"), 24) << "the last one";
}

}  // namespace
}  // namespace vernier::calibrate
