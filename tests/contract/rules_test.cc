// SPDX-License-Identifier: Apache-2.0
//
// Every kind of rule takes, on every release with a cost table, and changes what it names and
// nothing else.
#include <algorithm>

#include "tests/contract/tuner_test.hpp"
#include "vernier/names.hpp"

namespace vernier::contract {
namespace {

class Rules : public TableRelease {};
INSTANTIATE_TEST_SUITE_P(Releases, Rules, ::testing::ValuesIn(kTableReleases), release_name);

constexpr Collective kCollectives[] = {Collective::broadcast, Collective::reduce,
                                       Collective::allgather, Collective::reducescatter,
                                       Collective::allreduce};

std::vector<Choice> possible_choices(Collective collective, int algorithms) {
  std::vector<Choice> choices;
  for (int a = 0; a < algorithms; ++a) {
    for (int p = 0; p <= NCCL_PROTO_SIMPLE; ++p) {
      const Choice choice{static_cast<Algorithm>(a), static_cast<Protocol>(p)};
      if (is_possible(collective, choice)) choices.push_back(choice);
    }
  }
  return choices;
}

int number(Algorithm algorithm) { return static_cast<int>(algorithm); }
int number(Protocol protocol) { return static_cast<int>(protocol); }

// All that can ever run is usable; `cheapest` costs 10, the others more.
Costs costs_of(Collective collective, int algorithms, Choice cheapest) {
  Costs costs(algorithms);
  float cost = 20;
  for (const Choice& choice : possible_choices(collective, algorithms)) {
    costs(number(choice.algorithm), number(choice.protocol)) = choice == cheapest ? 10.0f : cost;
    cost += 1;
  }
  return costs;
}

RuleText rule_for(Collective collective, Choice choice) {
  RuleText rule;
  rule.collective = name_of(collective);
  rule.algorithm = name_of(choice.algorithm);
  rule.protocol = name_of(choice.protocol);
  return rule;
}

bool is_collnet(Choice choice) {
  return choice.algorithm == Algorithm::collnet_direct ||
         choice.algorithm == Algorithm::collnet_chain;
}

// NCCL 2.29 and 2.30 do not clamp the channels of an AllGatherV, which asks as an AllGather.
bool keeps_channels(int release, Collective collective) {
  return collective != Collective::allgather || release < 22900 || release >= 23100;
}

std::string spell(Choice choice) {
  return std::string(name_of(choice.algorithm)) + "/" + std::string(name_of(choice.protocol));
}

TEST_P(Rules, EveryPossibleRuleTakes) {
  constexpr Choice kRingLl{Algorithm::ring, Protocol::ll};
  for (const Collective collective : kCollectives) {
    const Costs costs = costs_of(collective, algorithms(), kRingLl);
    const NcclLikeCall call = costs.in(call_of(static_cast<int>(collective), 64 << 10));
    for (const Choice choice : possible_choices(collective, algorithms())) {
      SCOPED_TRACE(std::string(name_of(collective)) + " " + spell(choice));
      set_inline_policy(policy_text({rule_for(collective, choice)}));
      const Comm comm = create();
      ASSERT_EQ(reason(), "active");
      const NcclLikeOutcome outcome = ask(comm, call);
      EXPECT_EQ(outcome.algorithm, number(choice.algorithm));
      EXPECT_EQ(outcome.protocol, number(choice.protocol));
      EXPECT_EQ(outcome.tuner_channels, 0);
      const int cell = costs.cell(number(choice.algorithm), number(choice.protocol));
      expect_only_change(outcome, cell, choice == kRingLl ? 10.0f : just_below(10));
    }
  }
}

TEST_P(Rules, EveryPossibleRuleWithChannelsSetsThem) {
  for (const Collective collective : kCollectives) {
    for (const Choice choice : possible_choices(collective, algorithms())) {
      if (is_collnet(choice)) continue;  // an error in a policy: see channels_test.cc
      SCOPED_TRACE(std::string(name_of(collective)) + " " + spell(choice));
      RuleText rule = rule_for(collective, choice);
      rule.channels = "3";
      set_inline_policy(policy_text({rule}));
      const Comm comm = create();
      // NCCL's own choice is the first possible cell or, where the rule is for that, the last.
      const std::vector<Choice> choices = possible_choices(collective, algorithms());
      const Choice own = choice == choices.front() ? choices.back() : choices.front();
      const NcclLikeOutcome outcome =
          ask(comm, costs_of(collective, algorithms(), own)
                        .in(call_of(static_cast<int>(collective), 64 << 10)));
      EXPECT_EQ(outcome.algorithm, number(choice.algorithm));
      EXPECT_EQ(outcome.protocol, number(choice.protocol));
      EXPECT_EQ(outcome.tuner_channels, keeps_channels(GetParam(), collective) ? 3 : 0);
    }
  }
}

TEST_P(Rules, InsteadOfHoldsForEveryDefault) {
  // The rule's cell is the last possible one, NCCL's choice each of the others in turn.
  for (const Collective collective : kCollectives) {
    const std::vector<Choice> choices = possible_choices(collective, algorithms());
    const Choice target = choices.back();
    for (const Choice own : choices) {
      for (const Choice named : choices) {
        if (own == target || named == target) continue;
        SCOPED_TRACE(std::string(name_of(collective)) + " " + spell(own) + " named " +
                     spell(named));
        RuleText rule = rule_for(collective, target);
        rule.instead_of = spell(named);
        set_inline_policy(policy_text({rule}));
        const Costs costs = costs_of(collective, algorithms(), own);
        const NcclLikeOutcome outcome =
            ask(create(), costs.in(call_of(static_cast<int>(collective), 64 << 10)));
        if (own == named) {
          expect_only_change(outcome, costs.cell(number(target.algorithm), number(target.protocol)),
                             just_below(10));
        } else {
          expect_untouched(outcome);
          EXPECT_EQ(outcome.algorithm, number(own.algorithm));
          EXPECT_EQ(outcome.protocol, number(own.protocol));
        }
      }
    }
  }
}

// Equal costs: NCCL takes the first in its scan, so that is its own choice.
TEST_P(Rules, InsteadOfMeansTheFirstOfEqualCells) {
  Costs costs(algorithms());
  costs(NCCL_ALGO_TREE, NCCL_PROTO_LL) = 10;
  costs(NCCL_ALGO_TREE, NCCL_PROTO_SIMPLE) = 30;
  costs(NCCL_ALGO_RING, NCCL_PROTO_LL) = 10;
  const NcclLikeCall call = costs.in(call_of(ncclFuncAllReduce, 4096));
  RuleText rule;
  rule.protocol = "simple";
  rule.instead_of = "ring/ll";
  set_inline_policy(policy_text({rule}));
  expect_untouched(ask(create(), call));
  rule.instead_of = "tree/ll";
  set_inline_policy(policy_text({rule}));
  expect_only_change(ask(create(), call), costs.cell(NCCL_ALGO_TREE, NCCL_PROTO_SIMPLE),
                     just_below(10));
}

// Elsewhere nothing is touched, channels included.
TEST_P(Rules, AlignmentIsOfThePartOfARank) {
  for (const Collective collective : {Collective::allgather, Collective::reducescatter}) {
    RuleText rule = rule_for(collective, {Algorithm::ring, Protocol::simple});
    rule.channels = "3";
    rule.alignment = "16";
    set_inline_policy(policy_text({rule}));
    const Costs costs = costs_of(collective, algorithms(), {Algorithm::ring, Protocol::ll});
    for (const int ranks : {2, 3, 4}) {
      const Comm comm = nccl().create(shape_of(ranks, 1));
      for (std::size_t part = 65536; part <= 65536 + 32; part += 2) {
        SCOPED_TRACE(std::to_string(ranks) + " x " + std::to_string(part));
        const NcclLikeOutcome outcome =
            ask(comm, costs.in(call_of(static_cast<int>(collective), part)));
        ASSERT_EQ(outcome.tuner_nbytes, part * static_cast<std::size_t>(ranks));
        if (part % 16 == 0) {
          EXPECT_EQ(outcome.protocol, NCCL_PROTO_SIMPLE);
        } else {
          expect_untouched(outcome);
        }
      }
    }
  }
}

TEST_P(Rules, RanksAndNodesPickTheCommunicator) {
  const Costs costs = small_costs();
  const NcclLikeCall call = costs.in(call_of(ncclFuncAllReduce, 4096));
  const struct {
    const char* ranks;
    const char* nodes;
    bool holds_for_4x1;
    bool holds_for_4x2;
    bool holds_for_8x2;
  } rows[] = {
      {"", "", true, true, true},     {"4", "", true, true, false},
      {"", "2", false, true, true},   {"4", "1", true, false, false},
      {"8", "2", false, false, true}, {"16", "", false, false, false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string("ranks ") + row.ranks + " nodes " + row.nodes);
    RuleText rule;
    rule.ranks = row.ranks;
    rule.nodes = row.nodes;
    set_inline_policy(policy_text({rule}));
    const auto takes = [&call](int ranks, int nodes) {
      return ask(create(ranks, nodes), call).algorithm == NCCL_ALGO_TREE;
    };
    EXPECT_EQ(takes(4, 1), row.holds_for_4x1);
    EXPECT_EQ(takes(4, 2), row.holds_for_4x2);
    EXPECT_EQ(takes(8, 2), row.holds_for_8x2);
  }
}

// Bytes are what NCCL's tuner sees: of the whole receive buffer for allgather, of the whole send
// buffer for reducescatter.
TEST_P(Rules, BytesAreCountedAsNcclCountsThem) {
  const struct {
    const char* collective;
    ncclFunc_t func;
    std::size_t per_rank;
  } rows[] = {{"allgather", ncclFuncAllGather, 8192},
              {"reducescatter", ncclFuncReduceScatter, 8192},
              {"allreduce", ncclFuncAllReduce, 32768},
              {"broadcast", ncclFuncBroadcast, 32768},
              {"reduce", ncclFuncReduce, 32768}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.collective);
    RuleText rule;
    rule.collective = row.collective;
    rule.algorithm = "ring";
    rule.protocol = "simple";
    rule.min_bytes = rule.max_bytes = "32768";
    set_inline_policy(policy_text({rule}));
    const Comm comm = create(4, 1);
    const Costs costs = small_costs();
    const auto takes = [&](std::size_t per_rank) {
      return ask(comm, costs.in(call_of(row.func, per_rank))).protocol == NCCL_PROTO_SIMPLE;
    };
    EXPECT_TRUE(takes(row.per_rank));
    EXPECT_FALSE(takes(row.per_rank - 2));
    EXPECT_FALSE(takes(row.per_rank + 2));
  }
}

// Equal collectives of one group are merged: the question is for their sum.
TEST_P(Rules, AGroupIsDecidedByItsSum) {
  RuleText rule;
  rule.min_bytes = rule.max_bytes = "65536";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  const Costs costs = small_costs();
  NcclLikeCall call = costs.in(call_of(ncclFuncAllReduce, 16384));
  EXPECT_EQ(ask(comm, call).algorithm, NCCL_ALGO_RING);
  call.ops = 4;
  EXPECT_EQ(ask(comm, call).algorithm, NCCL_ALGO_TREE);
  // More collectives than channels: numPipeOps 2, and the same answer.
  call = costs.in(call_of(ncclFuncAllReduce, 1024));
  call.ops = 64;
  const NcclLikeOutcome outcome = ask(comm, call);
  EXPECT_EQ(outcome.tuner_pipe_ops, 2);
  EXPECT_EQ(outcome.algorithm, NCCL_ALGO_TREE);
}

// Whether buffers are registered can differ by rank; a capture alone makes regBuff 1.
TEST_P(Rules, RegistrationAndCaptureChangeNothing) {
  RuleText rule;
  rule.channels = "7";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  const Costs costs = small_costs();
  NcclLikeCall call = costs.in(call_of(ncclFuncAllReduce, 4096));
  for (const int registered : {0, 1}) {
    for (const int captured : {0, 1}) {
      call.registered = registered;
      call.captured = captured;
      const NcclLikeOutcome outcome = ask(comm, call);
      EXPECT_EQ(outcome.tuner_reg_buff, registered | captured);
      EXPECT_EQ(outcome.tuner_channels, 7);
      expect_only_change(outcome, costs.cell(NCCL_ALGO_TREE, NCCL_PROTO_LL), just_below(10));
    }
  }
}

// The table is contiguous and numProto wide, whatever numProto a NCCL yet to come has.
TEST_P(Rules, TheStrideIsTheNumberOfProtocols) {
  RuleText rule;
  rule.algorithm = "nvls";
  rule.protocol = "simple";
  rule.instead_of = "ring/ll128";
  set_inline_policy(policy_text({rule}));
  const Comm comm = create();
  for (const int protocols : {3, 4, 5}) {
    for (const int rows : {5, 6, 7, 9}) {
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(protocols));
      Costs costs(rows, protocols);
      for (int a = 0; a < rows; ++a) {
        for (int p = 0; p < protocols; ++p) costs(a, p) = 50.0f + static_cast<float>(a * 8 + p);
      }
      costs(NCCL_ALGO_RING, NCCL_PROTO_LL128) = 10;
      expect_only_change(ask(comm, costs.in(call_of(ncclFuncAllReduce, 4096))),
                         costs.cell(NCCL_ALGO_NVLS, NCCL_PROTO_SIMPLE), just_below(10));
    }
  }
}

TEST_P(Rules, TheSameQuestionGetsTheSameAnswerOnEveryRank) {
  RuleText small;
  small.max_bytes = "65535";
  RuleText large;
  large.min_bytes = "65536";
  large.protocol = "simple";
  large.channels = "12";
  set_inline_policy(policy_text({small, large}));
  const std::vector<Comm> ranks = nccl().create_all(shape_of(8, 1));
  ASSERT_EQ(ranks.size(), 8u);
  for (std::size_t nbytes = 8; nbytes <= 1u << 22; nbytes *= 2) {
    const NcclLikeOutcome wanted = ask(ranks[0], call_of(ncclFuncAllReduce, nbytes));
    EXPECT_EQ(wanted.algorithm, NCCL_ALGO_TREE);
    for (const Comm& rank : ranks) {
      const NcclLikeOutcome outcome = ask(rank, call_of(ncclFuncAllReduce, nbytes));
      EXPECT_TRUE(std::equal(outcome.after, outcome.after + NCCL_LIKE_MAX_CELLS, wanted.after));
      EXPECT_EQ(outcome.protocol, wanted.protocol);
      EXPECT_EQ(outcome.channels, wanted.channels);
    }
  }
}

}  // namespace
}  // namespace vernier::contract
