// SPDX-License-Identifier: Apache-2.0
//
// What a rule must not do: choose what cannot run, hide what is faster, or touch anything where it
// does not apply.
#include <cfloat>
#include <climits>
#include <limits>

#include "tests/contract/tuner_test.hpp"
#include "vernier/names.hpp"

namespace vernier::contract {
namespace {

class Restraint : public TableRelease {};
INSTANTIATE_TEST_SUITE_P(Releases, Restraint, ::testing::ValuesIn(kTableReleases), release_name);

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

TEST_P(Restraint, NoMatchTouchesNothing) {
  RuleText rule;
  rule.min_bytes = "4096";
  rule.max_bytes = "8192";
  rule.channels = "9";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  const Costs costs = small_costs();
  EXPECT_EQ(ask(comm, costs.in(call_of(ncclFuncAllReduce, 4096))).tuner_channels, 9);
  EXPECT_EQ(ask(comm, costs.in(call_of(ncclFuncAllReduce, 8192))).tuner_channels, 9);
  for (const std::size_t nbytes : {0u, 2u, 4094u, 8194u, 1u << 30}) {
    expect_untouched(ask(comm, costs.in(call_of(ncclFuncAllReduce, nbytes))));
  }
  for (const ncclFunc_t other :
       {ncclFuncBroadcast, ncclFuncReduce, ncclFuncAllGather, ncclFuncReduceScatter}) {
    expect_untouched(ask(comm, costs.in(call_of(other, 4096))));
    expect_untouched(ask(comm, costs.in(call_of(other, 1024))));
  }
}

TEST_P(Restraint, AGapBetweenRulesTouchesNothing) {
  RuleText low;
  low.max_bytes = "1024";
  RuleText high;
  high.min_bytes = "4096";
  set_inline_policy(policy_text({low, high}));
  const Comm comm = create();
  const Costs costs = small_costs();
  expect_untouched(ask(comm, costs.in(call_of(ncclFuncAllReduce, 2048))));
  EXPECT_EQ(ask(comm, costs.in(call_of(ncclFuncAllReduce, 1024))).algorithm, NCCL_ALGO_TREE);
  EXPECT_EQ(ask(comm, costs.in(call_of(ncclFuncAllReduce, 4096))).algorithm, NCCL_ALGO_TREE);
}

// -1: ignored; -1024: ignored and inflated for FP8 (2.24+); 3.6e9 and more: never picked by 2.22 to
// 2.28.
TEST_P(Restraint, UnusableCellsAreNeverTouched) {
  RuleText rule;
  rule.channels = "9";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  for (const float cost :
       {-1.0f, -1024.0f, -1e-30f, -FLT_MAX, -kInf, kNan, -kNan, kInf, FLT_MAX, 3.6e9f, 1e30f}) {
    SCOPED_TRACE(cost);
    Costs costs = small_costs();
    costs(NCCL_ALGO_TREE, NCCL_PROTO_LL) = cost;
    const NcclLikeOutcome outcome = ask(comm, costs.in(call_of(ncclFuncAllReduce, 4096)));
    expect_untouched(outcome);
    EXPECT_EQ(outcome.algorithm, NCCL_ALGO_RING);
  }
}

TEST_P(Restraint, UnusableCellsDoNotCountAsTheBest) {
  RuleText rule;
  rule.protocol = "simple";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  for (const float cost : {-1.0f, -1024.0f, -1e-30f, -kInf, kNan, -kNan}) {
    SCOPED_TRACE(cost);
    Costs costs = small_costs();
    costs(NCCL_ALGO_TREE, NCCL_PROTO_LL) = cost;
    expect_only_change(ask(comm, costs.in(call_of(ncclFuncAllReduce, 4096))),
                       costs.cell(NCCL_ALGO_TREE, NCCL_PROTO_SIMPLE), just_below(10));
  }
}

TEST_P(Restraint, TheLargestUsableCostIsUsable) {
  set_inline_policy(policy_text({RuleText{}}));
  const Comm comm = create();
  Costs costs = small_costs();
  costs(NCCL_ALGO_TREE, NCCL_PROTO_LL) = std::nextafterf(3.6e9f, 0);
  expect_only_change(ask(comm, costs.in(call_of(ncclFuncAllReduce, 4096))),
                     costs.cell(NCCL_ALGO_TREE, NCCL_PROTO_LL), just_below(10));
}

TEST_P(Restraint, ATableWithNothingUsableStaysAsItIs) {
  RuleText rule;
  rule.channels = "4";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  const Costs costs(algorithms());
  const NcclLikeOutcome outcome = comm.ask(costs.in(call_of(ncclFuncAllReduce, 4096)));
  expect_untouched(outcome);
  EXPECT_EQ(outcome.tuner_result, ncclSuccess);
  EXPECT_EQ(outcome.ran, 0);  // NCCL's own failure, as it would be without the plugin
}

// The edit changes the order of this table and hides nothing outside it: from 2.31 on a 0 would
// beat symmetric-memory kernels that are predicted to be faster (release notes; not verified).
TEST_P(Restraint, TheEditIsTheFloatJustBelowTheBest) {
  set_inline_policy(policy_text({RuleText{}}));
  const Comm comm = create();
  for (const float best : {1e-30f, 0.001f, 1.0f, 7.25f, 19.9f}) {
    SCOPED_TRACE(best);
    Costs costs = small_costs();
    costs(NCCL_ALGO_RING, NCCL_PROTO_LL) = best;
    const NcclLikeOutcome outcome = ask(comm, costs.in(call_of(ncclFuncAllReduce, 4096)));
    expect_only_change(outcome, costs.cell(NCCL_ALGO_TREE, NCCL_PROTO_LL), just_below(best));
    EXPECT_GT(outcome.after[costs.cell(NCCL_ALGO_TREE, NCCL_PROTO_LL)], 0.0f);
    EXPECT_EQ(outcome.algorithm, NCCL_ALGO_TREE);
  }
}

// Nothing but 0 is below the smallest float.
TEST_P(Restraint, ZeroIsNeverWritten) {
  RuleText rule;
  rule.channels = "5";
  set_inline_policy(policy_text({rule}));
  Costs costs = small_costs();
  costs(NCCL_ALGO_RING, NCCL_PROTO_LL) = std::numeric_limits<float>::denorm_min();
  expect_untouched(ask(create(), costs.in(call_of(ncclFuncAllReduce, 4096))));
}

TEST_P(Restraint, ABestCostOfZeroStays) {
  RuleText rule;
  rule.channels = "5";
  set_inline_policy(policy_text({rule}));
  Costs costs = small_costs();
  costs(NCCL_ALGO_RING, NCCL_PROTO_SIMPLE) = 0;
  const NcclLikeOutcome outcome = ask(create(), costs.in(call_of(ncclFuncAllReduce, 4096)));
  expect_untouched(outcome);
  EXPECT_EQ(outcome.protocol, NCCL_PROTO_SIMPLE);
}

TEST_P(Restraint, ACellThatAlreadyIsTheBestKeepsItsCostAndGetsItsChannels) {
  RuleText rule;
  rule.algorithm = "ring";
  rule.channels = "5";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  for (const float best : {0.0f, 10.0f}) {
    Costs costs = small_costs();
    costs(NCCL_ALGO_RING, NCCL_PROTO_LL) = best;
    const NcclLikeOutcome outcome = ask(comm, costs.in(call_of(ncclFuncAllReduce, 4096)));
    expect_only_change(outcome, costs.cell(NCCL_ALGO_RING, NCCL_PROTO_LL), best);
    EXPECT_EQ(outcome.tuner_channels, 5);
  }
}

// The rule's cell ties with an earlier one, which NCCL would run.
TEST_P(Restraint, ATieIsBroken) {
  RuleText rule;
  rule.algorithm = "ring";
  set_inline_policy(policy_text({rule}));
  Costs costs = small_costs();
  costs(NCCL_ALGO_TREE, NCCL_PROTO_LL) = 10;
  const NcclLikeOutcome outcome = ask(create(), costs.in(call_of(ncclFuncAllReduce, 4096)));
  EXPECT_EQ(outcome.default_algorithm, NCCL_ALGO_TREE);
  EXPECT_EQ(outcome.algorithm, NCCL_ALGO_RING);
}

// 2.27 to 2.30 do not ask for a collective on symmetric windows; 2.31+ let its predicted time
// compete with the table.
TEST_P(Restraint, AFasterSymmetricKernelStillWins) {
  set_inline_policy(policy_text({RuleText{}}));
  const Comm comm = create();
  const Costs costs = small_costs();
  NcclLikeCall call = costs.in(call_of(ncclFuncAllReduce, 4096));
  const bool has_symmetric = GetParam() >= 22700;
  call.symmetric_us = 4;
  EXPECT_EQ(ask(comm, call).symmetric, has_symmetric ? 1 : 0);
  call.symmetric_us = 25;  // slower than NCCL's own choice
  const bool bypasses = has_symmetric && GetParam() < 23100;
  const NcclLikeOutcome outcome = ask(comm, call);
  EXPECT_EQ(outcome.symmetric, bypasses ? 1 : 0);
  EXPECT_EQ(outcome.algorithm, bypasses ? -1 : NCCL_ALGO_TREE);
}

// PAT came with 2.23; the memory behind the six rows of 2.22 looks like cheap usable costs here.
TEST_P(Restraint, RowsThatTheTableDoesNotHaveAreLeftAlone) {
  RuleText rule;
  rule.collective = "allgather";
  rule.algorithm = "pat";
  rule.protocol = "simple";
  rule.channels = "4";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create(4, 4);
  for (const int rows : {1, 2, 6}) {
    Costs costs(rows);
    costs(0, NCCL_PROTO_SIMPLE) = 10;
    const NcclLikeOutcome outcome = ask(comm, costs.in(call_of(ncclFuncAllGather, 4096)));
    expect_untouched(outcome);
  }
}

// Also as instead_of: it is then no row's own choice.
TEST_P(Restraint, AnInsteadOfThatTheTableDoesNotHaveNeverHolds) {
  RuleText rule;
  rule.collective = "allgather";
  rule.algorithm = "ring";
  rule.protocol = "simple";
  rule.instead_of = "pat/simple";
  set_inline_policy(policy_text({rule}));
  Costs costs(6);
  costs(NCCL_ALGO_RING, NCCL_PROTO_SIMPLE) = 10;
  costs(NCCL_ALGO_RING, NCCL_PROTO_LL) = 9;
  expect_untouched(ask(create(4, 4), costs.in(call_of(ncclFuncAllGather, 4096))));
}

// NCCL asks about 0 to 4 only, up to 2.30.7.
TEST_P(Restraint, OtherFunctionsAreIgnored) {
  std::vector<RuleText> rules;
  for (const std::string_view collective : kCollectiveNames) {
    RuleText rule;
    rule.collective = collective;
    rule.algorithm = "ring";
    rule.protocol = "simple";
    rule.channels = "3";
    rules.push_back(rule);
  }
  set_inline_policy(policy_text(rules));
  const Comm comm = create();
  ASSERT_EQ(rules_active(), 5);
  const Costs costs = small_costs();
  for (const ncclFunc_t func :
       {5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 64, 255, 256, 260, INT_MAX, -1, INT_MIN}) {
    SCOPED_TRACE(func);
    expect_untouched(ask(comm, costs.in(call_of(func, 4096))));
  }
}

// A line costs NCCL a process-wide lock and a write.
TEST_P(Restraint, NothingIsLoggedPerCall) {
  RuleText rule;
  rule.max_bytes = "8192";
  rule.channels = "3";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  const std::size_t lines = nccl().log().size();
  ASSERT_GE(lines, 1u);
  const Costs costs = small_costs();
  for (std::size_t nbytes = 2; nbytes <= 1u << 20; nbytes *= 2) {
    for (ncclFunc_t func = 0; func <= 5; ++func) ask(comm, costs.in(call_of(func, nbytes)));
  }
  EXPECT_EQ(nccl().log().size(), lines);
}

struct Fp8Row {
  int ranks;
  int nodes;
};

// More than 8 ranks: NCCL 2.24+ multiplies the ring row by 1024 to keep FP8 sums off it.
TEST_P(Restraint, RingIsKeptAwayFromFp8WhereNcclKeepsItAway) {
  RuleText rule;
  rule.algorithm = "ring";
  rule.channels = "6";
  set_inline_policy(policy_text({rule}));
  Costs costs = small_costs();
  costs(NCCL_ALGO_RING, NCCL_PROTO_LL128) = -1;  // becomes -1024
  costs(NCCL_ALGO_TREE, NCCL_PROTO_LL) = 9;
  for (const auto& [ranks, nodes] : {Fp8Row{8, 1}, Fp8Row{16, 1}, Fp8Row{16, 2}, Fp8Row{64, 8}}) {
    SCOPED_TRACE(ranks);
    const Comm comm = create(ranks, nodes);
    NcclLikeCall call = costs.in(call_of(ncclFuncAllReduce, 4096));
    EXPECT_EQ(ask(comm, call).algorithm, NCCL_ALGO_RING);  // bf16
    call.fp8 = 1;
    const NcclLikeOutcome outcome = ask(comm, call);
    if (ranks > 8 && GetParam() >= 22400) {
      expect_untouched(outcome);
      EXPECT_EQ(outcome.algorithm, NCCL_ALGO_TREE);
      EXPECT_EQ(outcome.before[costs.cell(NCCL_ALGO_RING, NCCL_PROTO_LL128)], -1024.0f);
    } else {
      EXPECT_EQ(outcome.algorithm, NCCL_ALGO_RING);
    }
  }
}

// Where ring is all there is, NCCL runs it whatever it costs.
TEST_P(Restraint, RingRulesForFp8HoldWhereOnlyRingIsUsable) {
  RuleText rule;
  rule.collective = "reduce";
  rule.algorithm = "ring";
  rule.protocol = "simple";
  set_inline_policy(policy_text({rule}));
  Costs costs(algorithms());
  costs(NCCL_ALGO_RING, NCCL_PROTO_LL) = 10;
  costs(NCCL_ALGO_RING, NCCL_PROTO_SIMPLE) = 2000;
  NcclLikeCall call = costs.in(call_of(ncclFuncReduce, 4096));
  call.fp8 = 1;
  EXPECT_EQ(ask(create(16, 2), call).protocol, NCCL_PROTO_SIMPLE);
}

// Design: 64 times. One ring cell below that shows that the row is not inflated.
TEST_P(Restraint, OnlyAWholeRingRowFarAboveTheRestIsHeldBack) {
  RuleText rule;
  rule.algorithm = "ring";
  rule.protocol = "simple";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create(16, 2);
  Costs costs(algorithms());
  costs(NCCL_ALGO_TREE, NCCL_PROTO_LL) = 10;
  const int cell = costs.cell(NCCL_ALGO_RING, NCCL_PROTO_SIMPLE);
  const auto outcome_for = [&](float ring_ll, float ring_simple) {
    costs(NCCL_ALGO_RING, NCCL_PROTO_LL) = ring_ll;
    costs(NCCL_ALGO_RING, NCCL_PROTO_SIMPLE) = ring_simple;
    return ask(comm, costs.in(call_of(ncclFuncAllReduce, 4096)));
  };
  expect_only_change(outcome_for(-1, 640), cell, just_below(10));
  expect_only_change(outcome_for(11, 5000), cell, just_below(10));
  expect_untouched(outcome_for(-1, 640.001f));
  expect_untouched(outcome_for(-1024, 10240));
  expect_untouched(outcome_for(700, 800));
}

// The rest of the table stays open to FP8, also what costs as much as an inflated ring.
TEST_P(Restraint, OtherRulesHoldForFp8) {
  RuleText rule;
  rule.protocol = "simple";
  set_inline_policy(policy_text({rule}));
  Costs costs = small_costs();
  costs(NCCL_ALGO_TREE, NCCL_PROTO_SIMPLE) = 5000;
  NcclLikeCall call = costs.in(call_of(ncclFuncAllReduce, 4096));
  call.fp8 = 1;
  const NcclLikeOutcome outcome = ask(create(16, 2), call);
  EXPECT_EQ(outcome.algorithm, NCCL_ALGO_TREE);
  EXPECT_EQ(outcome.protocol, NCCL_PROTO_SIMPLE);
}

}  // namespace
}  // namespace vernier::contract
