// SPDX-License-Identifier: Apache-2.0
//
// The hot path against plain restatements of what it promises.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "vernier/decide.hpp"
#include "vernier/policy.hpp"

namespace vernier {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Rule rule(std::uint64_t min_bytes, std::uint64_t max_bytes, Choice choice) {
  return {Collective::allreduce, min_bytes,    max_bytes, std::nullopt,
          std::nullopt,          std::nullopt, choice,    std::nullopt,
          std::nullopt,          std::nullopt, {}};
}

constexpr Choice kRingLl128{Algorithm::ring, Protocol::ll128};

DecisionTable table_of(std::vector<Rule> rules) {
  Policy policy;
  policy.rules = std::move(rules);
  return compile(policy, 4, 1, AllGatherChannels::keep);
}

TEST(DecisionTable, FindsWhatAScanFinds) {
  std::mt19937_64 random(1);
  for (const std::size_t count : {1u, 2u, 3u, 7u, 64u, 1000u, 4000u}) {
    for (const unsigned bits : {13u, 20u, 40u, 62u}) {
      std::uniform_int_distribution<std::uint64_t> any(0, (std::uint64_t{1} << bits) - 1);
      std::vector<std::uint64_t> ends;
      for (std::size_t i = 0; i < 2 * count; ++i) ends.push_back(any(random));
      std::sort(ends.begin(), ends.end());
      ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
      std::vector<Rule> rules;
      for (std::size_t i = 0; i + 1 < ends.size(); i += 2) {
        rules.push_back(rule(ends[i], ends[i + 1], kRingLl128));
      }
      if (rules.empty()) continue;
      const DecisionTable table = table_of(rules);
      ASSERT_EQ(table.size(), rules.size());
      std::vector<std::uint64_t> queries{0, 1, 2, UINT64_MAX, std::uint64_t{1} << 63};
      for (const std::uint64_t end : ends) {
        queries.insert(queries.end(), {end - 1, end, end + 1});
      }
      for (int i = 0; i < 1000; ++i) queries.push_back(any(random));
      for (const std::uint64_t nbytes : queries) {
        const auto wanted = std::find_if(rules.begin(), rules.end(), [nbytes](const Rule& r) {
          return r.min_bytes <= nbytes && nbytes <= r.max_bytes;
        });
        const Range* const found = table.find(ncclFuncAllReduce, nbytes);
        if (wanted == rules.end()) {
          ASSERT_EQ(found, nullptr) << nbytes;
        } else {
          ASSERT_NE(found, nullptr) << nbytes;
          ASSERT_EQ(found->rule, wanted - rules.begin()) << nbytes;
        }
      }
    }
  }
}

TEST(DecisionTable, KnowsNothingOfOtherCollectives) {
  const DecisionTable table = table_of({rule(0, 100, kRingLl128)});
  for (const int collective : {-1, 0, 1, 2, 3, 5, 11, 1 << 30}) {
    EXPECT_EQ(table.find(collective, 0), nullptr);
    EXPECT_EQ(table.find(collective, 50), nullptr);
  }
  EXPECT_EQ(DecisionTable(4).find(ncclFuncAllReduce, 0), nullptr);
}

TEST(Compile, TakesRulesOfThisShapeAlone) {
  Policy policy;
  policy.rules = {rule(0, 10, kRingLl128), rule(11, 20, kRingLl128), rule(21, 30, kRingLl128)};
  policy.rules[0].ranks = 8;
  policy.rules[1].ranks = 4;
  policy.rules[2].nodes = 2;
  EXPECT_EQ(compile(policy, 4, 1, AllGatherChannels::keep).size(), 1u);
  EXPECT_EQ(compile(policy, 4, 2, AllGatherChannels::keep).size(), 2u);
}

TEST(Compile, DropsAllgatherChannelsWhereNcclDoesNotClampThem) {
  Policy policy;
  policy.rules = {rule(0, 10, kRingLl128), rule(0, 10, kRingLl128)};
  policy.rules[0].channels = policy.rules[1].channels = 32;
  policy.rules[0].collective = Collective::allgather;
  const DecisionTable ignore = compile(policy, 4, 1, AllGatherChannels::ignore);
  EXPECT_EQ(ignore.find(ncclFuncAllGather, 5)->channels, 0);
  EXPECT_EQ(ignore.find(ncclFuncAllReduce, 5)->channels, 32);
  const DecisionTable keep = compile(policy, 4, 1, AllGatherChannels::keep);
  EXPECT_EQ(keep.find(ncclFuncAllGather, 5)->channels, 32);
}

// A cost table of `algorithms` x 3 with everything unusable but what is set.
struct Costs {
  explicit Costs(int algorithms = 7, int protocols = 3)
      : algorithms_(algorithms),
        protocols_(protocols),
        values(static_cast<std::size_t>(algorithms * protocols), -1.0f) {}
  float& at(Algorithm a, Protocol p) {
    return values[static_cast<std::size_t>(a) * static_cast<std::size_t>(protocols_) +
                  static_cast<std::size_t>(p)];
  }
  [[nodiscard]] CostTable table() const { return {values.data(), algorithms_, protocols_}; }
  int algorithms_;
  int protocols_;
  std::vector<float> values;
};

Decision decide_one(const Rule& one, const Costs& costs) {
  static std::vector<DecisionTable> keep;  // Decision points into its table
  keep.reserve(1000);
  keep.push_back(table_of({one}));
  return decide(keep.back(), ncclFuncAllReduce, one.min_bytes, costs.table());
}

TEST(Decide, AlignmentIsOfThePartOfARank) {
  for (const int ranks : {2, 3, 4, 8}) {
    for (const int alignment : {2, 16, 100, 128}) {
      Policy policy;
      policy.rules = {rule(0, 1 << 20, kRingLl128)};
      policy.rules[0].collective = Collective::allgather;
      policy.rules[0].alignment = alignment;
      const DecisionTable table = compile(policy, ranks, 1, AllGatherChannels::keep);
      Costs costs;
      costs.at(Algorithm::ring, Protocol::ll) = 10.0f;
      costs.at(Algorithm::ring, Protocol::ll128) = 20.0f;
      for (std::uint64_t part = 0; part < 1000; ++part) {
        const std::uint64_t nbytes = part * static_cast<unsigned>(ranks);
        const bool aligned = part % static_cast<unsigned>(alignment) == 0;
        const Decision decision = decide(table, ncclFuncAllGather, nbytes, costs.table());
        ASSERT_EQ(decision.reason, aligned ? Reason::applied : Reason::unaligned) << part;
        ASSERT_EQ(policy.rules[0].is_aligned(nbytes, ranks), aligned) << part;
      }
    }
  }
}

TEST(Decide, PutsTheChosenCellJustBelowTheBest) {
  for (const int algorithms : {6, 7, 8}) {
    for (const int protocols : {3, 4}) {
      Costs costs(algorithms, protocols);
      costs.at(Algorithm::tree, Protocol::ll) = 10.0f;
      costs.at(Algorithm::ring, Protocol::ll128) = 20.0f;
      const Decision decision = decide_one(rule(1, 2, kRingLl128), costs);
      EXPECT_EQ(decision.reason, Reason::applied);
      EXPECT_EQ(decision.cell, 1 * protocols + 1);
      EXPECT_EQ(decision.cost, std::nextafter(10.0f, 0.0f));
      EXPECT_EQ(decision.channels, 0);
    }
  }
}

TEST(Decide, NeverChoosesAnUnusableCell) {
  for (const float unusable : {-1.0f, -1024.0f, -0.5f, kNan, -kNan, kInf, -kInf, 3.6e9f, 1e30f}) {
    Costs costs;
    costs.at(Algorithm::tree, Protocol::ll) = 10.0f;
    costs.at(Algorithm::ring, Protocol::ll128) = unusable;
    EXPECT_EQ(decide_one(rule(1, 2, kRingLl128), costs).reason, Reason::cell_unusable) << unusable;
    // Nor does it take one for the best.
    costs.at(Algorithm::ring, Protocol::ll128) = 20.0f;
    costs.at(Algorithm::nvls, Protocol::simple) = unusable;
    EXPECT_EQ(decide_one(rule(1, 2, kRingLl128), costs).cost, std::nextafter(10.0f, 0.0f));
  }
  EXPECT_EQ(decide_one(rule(1, 2, kRingLl128), Costs()).reason, Reason::cell_unusable);
  EXPECT_EQ(decide_one(rule(1, 2, {Algorithm::tree, Protocol::ll}), Costs(0, 3)).reason,
            Reason::cell_unusable);
}

TEST(Decide, DropsARuleForAnAlgorithmThisNcclDoesNotHave) {
  Costs costs(4);
  costs.at(Algorithm::tree, Protocol::ll) = 10.0f;
  EXPECT_EQ(decide_one(rule(1, 2, {Algorithm::nvls, Protocol::simple}), costs).reason,
            Reason::cell_unusable);
  Rule one = rule(1, 2, {Algorithm::tree, Protocol::ll});
  one.instead_of = Choice{Algorithm::nvls, Protocol::simple};
  EXPECT_EQ(decide_one(one, costs).reason, Reason::default_differs);
}

TEST(Decide, StepsAsideWhereNcclsOwnChoiceHasChanged) {
  Rule one = rule(1, 2, kRingLl128);
  one.instead_of = Choice{Algorithm::ring, Protocol::ll};
  Costs costs;
  costs.at(Algorithm::ring, Protocol::ll) = 10.0f;
  costs.at(Algorithm::ring, Protocol::ll128) = 20.0f;
  EXPECT_EQ(decide_one(one, costs).reason, Reason::applied);
  costs.at(Algorithm::tree, Protocol::simple) = 9.0f;
  EXPECT_EQ(decide_one(one, costs).reason, Reason::default_differs);
  // Of equal cells NCCL takes the first.
  costs.at(Algorithm::tree, Protocol::simple) = 10.0f;
  EXPECT_EQ(decide_one(one, costs).reason, Reason::default_differs);
}

TEST(Decide, KeepsCostsWhereTheCellAlreadyIsTheChoice) {
  Rule one = rule(1, 2, kRingLl128);
  one.channels = 24;
  Costs costs;
  costs.at(Algorithm::ring, Protocol::ll128) = 20.0f;
  costs.at(Algorithm::ring, Protocol::simple) = 20.0f;
  const Decision decision = decide_one(one, costs);
  EXPECT_EQ(decision.reason, Reason::applied);
  EXPECT_EQ(decision.cost, 20.0f);
  EXPECT_EQ(decision.channels, 24);
  // Tied with an earlier cell it is not the choice yet.
  costs.at(Algorithm::tree, Protocol::ll) = 20.0f;
  EXPECT_EQ(decide_one(one, costs).cost, std::nextafter(20.0f, 0.0f));
}

TEST(Decide, LeavesAloneWhatCannotBeUndercut) {
  Rule one = rule(1, 2, kRingLl128);
  one.channels = 24;
  Costs costs;
  costs.at(Algorithm::ring, Protocol::ll) = 0.0f;
  costs.at(Algorithm::ring, Protocol::ll128) = 20.0f;
  EXPECT_EQ(decide_one(one, costs).reason, Reason::zero_cost);
  costs.at(Algorithm::ring, Protocol::ll128) = 0.0f;
  costs.at(Algorithm::ring, Protocol::ll) = 1.0f;
  EXPECT_EQ(decide_one(one, costs).reason, Reason::applied);
  EXPECT_EQ(decide_one(one, costs).cost, 0.0f);
}

TEST(Decide, KeepsFp8AwayFromRing) {
  Costs costs;
  costs.at(Algorithm::tree, Protocol::simple) = 10.0f;
  costs.at(Algorithm::ring, Protocol::ll) = 640.0f;
  costs.at(Algorithm::ring, Protocol::ll128) = 2000.0f;
  EXPECT_EQ(decide_one(rule(1, 2, kRingLl128), costs).reason, Reason::applied) << "64 times";
  costs.at(Algorithm::ring, Protocol::ll) = 640.1f;
  EXPECT_EQ(decide_one(rule(1, 2, kRingLl128), costs).reason, Reason::fp8_protected);
  EXPECT_EQ(decide_one(rule(1, 2, {Algorithm::tree, Protocol::simple}), costs).reason,
            Reason::applied);
}

// Every property at once, on random tables, against the definition in plain code.
TEST(Decide, ChangesAtMostTheRulesCellAndMakesItTheChoice) {
  std::mt19937 random(5);
  const std::vector<float> pool = {-1.0f, -1024.0f, kNan, kInf,  4e9f,  0.0f,
                                   1.0f,  2.0f,     2.0f, 70.0f, 200.f, 1e-40f};
  std::uniform_int_distribution<std::size_t> pick(0, pool.size() - 1);
  std::uniform_int_distribution<int> coin(0, 1);
  const auto own_choice = [](const std::vector<float>& costs) {
    int best = -1;
    for (std::size_t i = 0; i < costs.size(); ++i) {
      const bool usable = costs[i] >= 0 && costs[i] < 3.6e9f;
      if (usable && (best < 0 || costs[i] < costs[static_cast<std::size_t>(best)])) {
        best = static_cast<int>(i);
      }
    }
    return best;
  };
  int applied = 0;
  for (int i = 0; i < 200'000; ++i) {
    Costs costs(coin(random) ? 7 : 6);
    for (float& cost : costs.values) cost = pool[pick(random)];
    Rule one =
        rule(1, 2, {static_cast<Algorithm>(random() % 7), static_cast<Protocol>(random() % 3)});
    if (coin(random)) {
      one.instead_of =
          Choice{static_cast<Algorithm>(random() % 7), static_cast<Protocol>(random() % 3)};
    }
    const DecisionTable table = table_of({one});
    const Decision decision = decide(table, ncclFuncAllReduce, 1, costs.table());
    const int before = own_choice(costs.values);
    const int wanted =
        static_cast<int>(one.choice.algorithm) * 3 + static_cast<int>(one.choice.protocol);
    if (one.instead_of) {
      const int own = static_cast<int>(one.instead_of->algorithm) * 3 +
                      static_cast<int>(one.instead_of->protocol);
      if (own != before) {
        ASSERT_NE(decision.reason, Reason::applied);
        continue;
      }
    }
    if (decision.reason != Reason::applied) continue;
    ++applied;
    ASSERT_EQ(decision.cell, wanted);
    std::vector<float> after = costs.values;
    ASSERT_GE(after.at(static_cast<std::size_t>(wanted)), 0.0f);
    after[static_cast<std::size_t>(wanted)] = decision.cost;
    ASSERT_GE(decision.cost, 0.0f);
    ASSERT_EQ(own_choice(after), wanted);
  }
  EXPECT_GT(applied, 1000);
}

}  // namespace
}  // namespace vernier
