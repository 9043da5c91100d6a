// SPDX-License-Identifier: Apache-2.0
//
// The statistics must hold: the whole procedure, run again and again on recordings of real GPUs.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/unit/calibrate_replay.hpp"

namespace vernier::calibrate {
namespace {

struct Rate {
  int wins = 0;      // points where a configuration won
  int proposed = 0;  // points where the search had something to judge
  int points = 0;
};

Rate null_rate(const std::string& fabric, int seeds) {
  const Recording recording = catalog(fabric);
  Rate rate;
  for (int seed = 0; seed < seeds; ++seed) {
    RecordedMachine machine(recording, static_cast<std::uint64_t>(seed),
                            RecordedMachine::Truth::null);
    const Fit result = fit(search(recording, machine), {"null", 1e9});
    for (const JudgedPoint& judged : result.points) {
      ++rate.points;
      bool won = rule_at(result.policy, judged) != nullptr;
      for (const JudgedArm& arm : judged.arms) won = won || arm.standing == Standing::win;
      if (won) ++rate.wins;
      if (!judged.arms.empty()) ++rate.proposed;
    }
  }
  std::printf(
      "%s, null data: %d false wins at %d points of which %d had a candidate (%.2f %% of those)\n",
      fabric.c_str(), rate.wins, rate.points, rate.proposed, 100.0 * rate.wins / rate.proposed);
  return rate;
}

class FalseWins : public testing::TestWithParam<const char*> {};

TEST_P(FalseWins, OfTheWholeProcedureOnNullDataAreAtMostOnePercent) {
#ifdef VERNIER_FEW_DRAWS
  GTEST_SKIP() << "a rate takes many draws: in the release build";
#endif
  const Rate rate = null_rate(GetParam(), 100);
  EXPECT_LE(rate.wins, 0.01 * rate.proposed);
}

// What proposes must not judge: nearly every point has a candidate that looks better by chance, so
// a procedure that trusted its search would be wrong nearly everywhere.
TEST_P(FalseWins, WouldBeEverywhereIfWhatProposesJudged) {
  const Rate rate = null_rate(GetParam(), 10);
  EXPECT_GT(rate.proposed, 0.3 * rate.points);
}

INSTANTIATE_TEST_SUITE_P(Catalog, FalseWins,
                         testing::Values("2x1-tcp", "2x2-tcp", "4x1-tcp", "tp4-nvlink"),
                         [](const auto& fabric) {
                           std::string name = fabric.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Replay, FindsWhatIsThereAndNothingThatIsSlower) {
  const Recording recording = catalog("tp4-nvlink");
  const ReplayTruth truth(recording);
  const Point known{Collective::allgather, 4u << 20};
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    RecordedMachine machine(recording, seed, RecordedMachine::Truth::as_recorded);
    const Fit result = fit(search(recording, machine), {"replay", 1e9});
    bool found = false;
    for (const JudgedPoint& judged : result.points) {
      const Rule* const rule = rule_at(result.policy, judged);
      if (rule == nullptr) continue;
      if (judged.point == known) found = true;
      EXPECT_GT(truth.ratio(judged.point, configuration_of(*rule)), 0.98)
          << describe(judged.point) << " seed " << seed;
    }
    EXPECT_TRUE(found) << "seed " << seed;
  }
}

TEST(Replay, OfOneSeedIsAlwaysTheSame) {
  const Recording recording = catalog("2x1-tcp");
  const auto digest_of = [&](std::uint64_t seed) {
    RecordedMachine machine(recording, seed, RecordedMachine::Truth::as_recorded);
    return write_policy(fit(search(recording, machine), {"r", 1e9}).policy, WithEvidence::yes);
  };
  EXPECT_EQ(digest_of(3), digest_of(3));
  EXPECT_NE(digest_of(3), digest_of(4));
}

}  // namespace
}  // namespace vernier::calibrate
