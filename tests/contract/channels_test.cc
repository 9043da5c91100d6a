// SPDX-License-Identifier: Apache-2.0
//
// What a rule's `channels` becomes on each release, and that no number in a policy can reach NCCL
// that NCCL does not survive.
#include "tests/contract/tuner_test.hpp"

namespace vernier::contract {
namespace {

class Channels : public TableRelease {};
INSTANTIATE_TEST_SUITE_P(Releases, Channels, ::testing::ValuesIn(kTableReleases), release_name);

using UnknownVersion = TunerTest;

bool only_lowers(int release) { return release >= 23100; }
bool ignores_allgather_channels(int release) { return release >= 22900 && release < 23100; }

RuleText ring_ll(const char* channels) {
  RuleText rule;
  rule.algorithm = "ring";
  rule.channels = channels;
  return rule;
}

TEST_P(Channels, ChannelsAreWhatTheRuleSays) {
  set_inline_policy(policy_text({ring_ll("24")}));
  const Comm comm = create();
  const Costs costs = small_costs();
  // NCCL's own number: one per 16 KiB for ring/ll on 4 ranks, at most the 32 there are.
  const struct {
    std::size_t nbytes;
    int by_default;
    int in_2_31;  // only lowers
  } rows[] = {{4096, 1, 1}, {128 << 10, 8, 8}, {512 << 10, 32, 24}};
  for (const auto& row : rows) {
    const NcclLikeOutcome outcome = ask(comm, costs.in(call_of(ncclFuncAllReduce, row.nbytes)));
    EXPECT_EQ(outcome.default_channels, row.by_default);
    EXPECT_EQ(outcome.channels, only_lowers(GetParam()) ? row.in_2_31 : 24);
  }
}

TEST_P(Channels, WithoutChannelsNcclsNumberStays) {
  set_inline_policy(policy_text({ring_ll("")}));
  const Comm comm = create();
  const Costs costs = small_costs();
  for (const std::size_t nbytes : {4096u, 128u << 10, 512u << 10}) {
    const NcclLikeOutcome outcome = ask(comm, costs.in(call_of(ncclFuncAllReduce, nbytes)));
    EXPECT_EQ(outcome.tuner_channels, 0);
    EXPECT_EQ(outcome.channels, outcome.default_channels);
  }
}

// A plugin is never told how many channels there are: NCCL limits the number.
TEST_P(Channels, MoreChannelsThanThereAreIsSound) {
  set_inline_policy(policy_text({ring_ll("64")}));
  NcclLikeShape shape = shape_of(4, 1);
  shape.channels = 8;
  const NcclLikeOutcome outcome =
      ask(nccl().create(shape), small_costs().in(call_of(ncclFuncAllReduce, 4 << 20)));
  EXPECT_EQ(outcome.tuner_channels, 64);
  EXPECT_EQ(outcome.channels, 8);
}

// 2.29 and 2.30 turn a group of broadcasts into an AllGatherV, ask as AllGather and use the number
// unclamped as an index.
TEST_P(Channels, AllGatherVNeverIndexesChannelsThatDoNotExist) {
  RuleText rule = ring_ll("64");
  rule.collective = "allgather";
  set_inline_policy(policy_text({rule}));
  NcclLikeShape shape = shape_of(4, 1);
  shape.channels = 8;
  const Comm comm = nccl().create(shape);
  ASSERT_EQ(reason(), "active");
  const Costs costs = small_costs();
  for (const std::size_t nbytes : {4096u, 1u << 20}) {
    NcclLikeCall call = costs.in(call_of(NCCL_LIKE_ALLGATHERV, nbytes));
    call.ops = 4;
    ask(comm, call);  // fails where damage was done
    const NcclLikeOutcome outcome = ask(comm, costs.in(call_of(ncclFuncAllGather, nbytes)));
    EXPECT_EQ(outcome.tuner_channels, ignores_allgather_channels(GetParam()) ? 0 : 64);
  }
}

TEST_P(Channels, OnlyAllGatherLosesItsChannels) {
  RuleText rule = ring_ll("5");
  const Costs costs = small_costs();
  for (const auto& [collective, func] :
       {std::pair("allreduce", ncclFuncAllReduce), std::pair("broadcast", ncclFuncBroadcast),
        std::pair("reduce", ncclFuncReduce), std::pair("reducescatter", ncclFuncReduceScatter)}) {
    rule.collective = collective;
    set_inline_policy(policy_text({rule}));
    EXPECT_EQ(ask(create(), costs.in(call_of(func, 4096))).tuner_channels, 5) << collective;
  }
}

// CollNet uses the number as it is; and 0, negative numbers and multiples of 256 divide by zero.
TEST_P(Channels, NumbersThatNcclDoesNotSurviveAreErrorsInAPolicy) {
  RuleText collnet = ring_ll("4");
  collnet.algorithm = "collnet_direct";
  collnet.protocol = "simple";
  std::vector<RuleText> rules = {collnet};
  collnet.algorithm = "collnet_chain";
  rules.push_back(collnet);
  for (const char* const channels : {"0", "-1", "65", "127", "128", "255", "256", "512", "65536",
                                     "4294967296", "9223372036854775807", "1.5", "\"4\""}) {
    rules.push_back(ring_ll(channels));
  }
  NcclLikeShape shape = shape_of(4, 1);
  shape.collnet = 1;
  for (const RuleText& rule : rules) {
    SCOPED_TRACE(rule.algorithm + " " + rule.channels);
    set_inline_policy(policy_text({rule}));
    const Comm comm = nccl().create(shape);
    EXPECT_EQ(reason(), "bad-policy");
    expect_untouched(ask(comm, small_costs().in(call_of(ncclFuncAllReduce, 4096))));
  }
}

TEST_P(Channels, TheFirstAndTheLastAllowedNumberWork) {
  for (const int channels : {1, 64}) {
    set_inline_policy(policy_text({ring_ll(std::to_string(channels).c_str())}));
    const Comm comm = create();
    EXPECT_EQ(reason(), "active");
    const NcclLikeOutcome outcome =
        ask(comm, small_costs().in(call_of(ncclFuncAllReduce, 16 << 20)));
    EXPECT_EQ(outcome.tuner_channels, channels);
  }
}

// A NCCL that does not tell its version may be 2.29 or 2.30.
TEST_F(UnknownVersion, LosesAllGatherChannels) {
  RuleText allgather = ring_ll("5");
  allgather.collective = "allgather";
  set_inline_policy(policy_text({allgather, ring_ll("5")}));
  const auto channels = [](const Nccl& image, ncclFunc_t func) {
    return ask(image.create(shape_of(4, 1)), call_of(func, 4096)).tuner_channels;
  };
  const Nccl& versionless = Nccl::without_version();
  versionless.use_library_dir(tuner_dir());
  nccl().use_release(22809);
  versionless.use_release(22809);
  EXPECT_EQ(channels(nccl(), ncclFuncAllGather), 5);
  EXPECT_EQ(channels(versionless, ncclFuncAllGather), 0);
  EXPECT_EQ(channels(versionless, ncclFuncAllReduce), 5);
}

}  // namespace
}  // namespace vernier::contract
