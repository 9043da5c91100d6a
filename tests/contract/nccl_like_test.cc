// SPDX-License-Identifier: Apache-2.0
//
// The NCCL-like host notices what the contract tests rely on it to notice: each row makes a tuner
// misbehave and expects what that NCCL release would do. No vernier plugin is involved.
#include "tests/contract/tuner_test.hpp"

namespace vernier::contract {
namespace {

class NcclLike : public TunerTest {
 protected:
  void SetUp() override {
    TunerTest::SetUp();
    set_env("NCCL_TUNER_PLUGIN", "bad");
    nccl().use_library_dir(BAD_TUNER_DIR);
  }

  static void misbehave(const char* how) { set_env("BAD_TUNER", how); }

  static void write_cell(int cell, const char* cost) {
    misbehave("write-cell");
    set_env("BAD_CELL", std::to_string(cell));
    set_env("BAD_COST", cost);
  }

  static NcclLikeOutcome outcome_of(int release, const NcclLikeCall& call,
                                    const NcclLikeShape& shape = shape_of(4, 1)) {
    nccl().use_release(release);
    const Comm comm = nccl().create(shape);
    EXPECT_TRUE(comm);
    EXPECT_NE(comm.facts().abi, 0);
    return comm.ask(call);
  }

  static NcclLikeOutcome outcome_with_channels(int release, int channels, const NcclLikeCall& call,
                                               const NcclLikeShape& shape = shape_of(4, 1)) {
    misbehave("set-channels");
    set_env("BAD_CHANNELS", std::to_string(channels));
    return outcome_of(release, call, shape);
  }
};

const NcclLikeCall kAllReduce = call_of(ncclFuncAllReduce, 4096);

TEST_F(NcclLike, AFailingInitFailsTheCommunicator) {
  for (const int release : kEveryRelease) {
    SCOPED_TRACE(release);
    nccl().use_release(release);
    misbehave("nothing");
    EXPECT_TRUE(create());
    nccl().use_release(release);
    misbehave("fail-init");
    EXPECT_FALSE(create());
    nccl().use_release(release);
    EXPECT_TRUE(nccl().create_all(shape_of(4, 1)).empty());
  }
}

TEST_F(NcclLike, AFailingCallFailsTheCollective) {
  for (const int release : kEveryRelease) {
    misbehave("fail-call");
    EXPECT_EQ(outcome_of(release, kAllReduce).result, ncclInternalError) << release;
    misbehave("nothing");
    EXPECT_EQ(outcome_of(release, kAllReduce).result, ncclSuccess) << release;
  }
}

TEST_F(NcclLike, SymbolsAreTriedFromTheNewest) {
  for (const int release : kEveryRelease) {
    nccl().use_release(release);
    const int wanted = release >= 23000 ? 6 : release >= 22800 ? 5 : 2;
    EXPECT_EQ(create().facts().abi, wanted) << release;
  }
}

TEST_F(NcclLike, WritesOutsideTheTableAreSeen) {
  for (const char* const sin : {"write-before", "write-behind", "write-beside-channels"}) {
    misbehave(sin);
    for (const int release : {22809, 23007}) {
      EXPECT_EQ(outcome_of(release, kAllReduce).damage, NCCL_LIKE_WROTE_OUTSIDE) << sin;
    }
  }
}

TEST_F(NcclLike, WrittenConstantsAreSeen) {
  for (const int release : {22803, 22907, 23007, 23206}) {
    nccl().use_release(release);
    misbehave("nothing");
    EXPECT_EQ(create().facts().constants_written, 0);
    for (const char* const sin : {"write-constants", "write-domains"}) {
      misbehave(sin);
      EXPECT_EQ(create().facts().constants_written, 1) << sin;
    }
  }
}

// An ignored cell that is written over is run, up to 2.30.
TEST_F(NcclLike, AnImpossibleChoiceIsRun) {
  write_cell(NCCL_ALGO_PAT * 3 + NCCL_PROTO_SIMPLE, "0");
  for (const int release : {22809, 22907, 23007}) {
    const NcclLikeOutcome outcome = outcome_of(release, kAllReduce);
    EXPECT_EQ(outcome.damage, NCCL_LIKE_NO_SUCH_KERNEL) << release;
    EXPECT_EQ(outcome.algorithm, NCCL_ALGO_PAT);
  }
  EXPECT_EQ(outcome_of(23102, kAllReduce).damage, NCCL_LIKE_SOUND);
}

// Writing -1 excludes a cell up to 2.30; without the sign test of 2.31+ it makes it win.
TEST_F(NcclLike, AWrittenMinusOneExcludesOrWins) {
  write_cell(NCCL_ALGO_TREE * 3 + NCCL_PROTO_SIMPLE, "-1");
  const auto tree_simple_runs = [](const NcclLikeOutcome& outcome) {
    return outcome.algorithm == NCCL_ALGO_TREE && outcome.protocol == NCCL_PROTO_SIMPLE;
  };
  EXPECT_FALSE(tree_simple_runs(outcome_of(23007, kAllReduce)));
  EXPECT_TRUE(tree_simple_runs(outcome_of(23102, kAllReduce)));
}

TEST_F(NcclLike, AZeroBeatsASymmetricKernelFrom231On) {
  NcclLikeCall call = kAllReduce;
  call.symmetric_us = 1;
  misbehave("nothing");
  EXPECT_EQ(outcome_of(23102, call).symmetric, 1);
  write_cell(NCCL_ALGO_RING * 3 + NCCL_PROTO_LL, "0");
  EXPECT_EQ(outcome_of(23102, call).symmetric, 0);
  EXPECT_EQ(outcome_of(23007, call).symmetric, 1);  // the tuner is not asked
  EXPECT_EQ(outcome_of(23007, call).tuner_calls, 0);
}

// Up to 2.28 nothing from 3.6e9 on is picked; 2.29 compares with FLT_MAX.
TEST_F(NcclLike, TheHighestCostDependsOnTheRelease) {
  Costs costs(7);
  costs(NCCL_ALGO_RING, NCCL_PROTO_LL) = 4e9f;
  misbehave("nothing");
  EXPECT_EQ(outcome_of(22809, costs.in(kAllReduce)).result, ncclInternalError);
  EXPECT_EQ(outcome_of(22907, costs.in(kAllReduce)).algorithm, NCCL_ALGO_RING);
}

TEST_F(NcclLike, AByteOfChannelsWrapsAround) {
  const auto damage_of = [](int release, int channels) {
    return outcome_with_channels(release, channels, kAllReduce).damage;
  };
  for (const int release : {22803, 22907, 23007}) {
    EXPECT_EQ(damage_of(release, 256), NCCL_LIKE_DIVISION_BY_ZERO) << release;
    EXPECT_EQ(damage_of(release, 127), NCCL_LIKE_SOUND) << release;
  }
  EXPECT_EQ(damage_of(22803, 200), NCCL_LIKE_SOUND);  // as far as possible
  EXPECT_EQ(outcome_with_channels(22803, 200, kAllReduce).channels, 32);
  EXPECT_EQ(damage_of(23007, 200), NCCL_LIKE_DIVISION_BY_ZERO);
  EXPECT_EQ(damage_of(23102, 256), NCCL_LIKE_SOUND);
}

TEST_F(NcclLike, From231ChannelsOnlyLower) {
  const NcclLikeCall large = call_of(ncclFuncAllReduce, 64 << 20);
  const int own = outcome_with_channels(23102, 0, large).channels;
  ASSERT_GT(own, 4);
  EXPECT_EQ(outcome_with_channels(23102, 4, large).channels, 4);
  EXPECT_EQ(outcome_with_channels(23102, own + 8, large).channels, own);
  EXPECT_EQ(outcome_with_channels(23102, 8, kAllReduce).channels, 1);
  EXPECT_EQ(outcome_with_channels(23007, 8, kAllReduce).channels, 8);
}

TEST_F(NcclLike, CollNetAndAllGatherVUseChannelsUnclamped) {
  NcclLikeShape shape = shape_of(4, 1);
  shape.channels = 8;
  shape.collnet = 1;
  NcclLikeCall gatherv = call_of(NCCL_LIKE_ALLGATHERV, 4096);
  gatherv.ops = 4;
  const auto damage_of = [&](int release, int channels, const NcclLikeCall& call) {
    return outcome_with_channels(release, channels, call, shape).damage;
  };
  Costs collnet(7);
  collnet(NCCL_ALGO_COLLNET_CHAIN, NCCL_PROTO_SIMPLE) = 10;
  for (const int release : {22809, 22907, 23007}) {
    EXPECT_EQ(damage_of(release, 16, collnet.in(kAllReduce)), NCCL_LIKE_NO_SUCH_CHANNEL);
    EXPECT_EQ(damage_of(release, 8, collnet.in(kAllReduce)), NCCL_LIKE_SOUND);
    EXPECT_EQ(damage_of(release, 16, gatherv),
              release == 22809 ? NCCL_LIKE_SOUND : NCCL_LIKE_NO_SUCH_CHANNEL);
  }
}

TEST_F(NcclLike, AllGatherVIsAskedAsAllGatherAndRunsRing) {
  NcclLikeCall gatherv = call_of(NCCL_LIKE_ALLGATHERV, 4096);
  gatherv.ops = 4;
  misbehave("nothing");
  EXPECT_EQ(outcome_of(22809, gatherv).tuner_nbytes, 4u * 4096);  // four broadcasts, merged
  EXPECT_EQ(outcome_of(22907, gatherv).tuner_nbytes, 4u * 4096);  // ranks x largest
  gatherv.ops = 2;
  EXPECT_EQ(outcome_of(22809, gatherv).tuner_nbytes, 2u * 4096);
  EXPECT_EQ(outcome_of(22907, gatherv).tuner_nbytes, 4u * 4096);
  write_cell(NCCL_ALGO_NVLS * 3 + NCCL_PROTO_SIMPLE, "0");
  EXPECT_EQ(outcome_of(22907, gatherv).algorithm, NCCL_ALGO_RING);
}

// 2.30.3+: three calls, and no lower limit.
TEST_F(NcclLike, ChunkSizesBelowOneGrainDivideByZero) {
  misbehave("nothing");
  const NcclLikeOutcome sound = outcome_of(23007, call_of(ncclFuncAllReduce, 64 << 20));
  EXPECT_EQ(sound.chunk_calls, 3);
  EXPECT_EQ(sound.damage, NCCL_LIKE_SOUND);
  misbehave("tiny-chunk");
  EXPECT_EQ(outcome_of(23007, kAllReduce).damage, NCCL_LIKE_DIVISION_BY_ZERO);
  EXPECT_EQ(outcome_of(22907, kAllReduce).damage, NCCL_LIKE_SOUND);  // v5 has no such call
  misbehave("fail-chunk");
  EXPECT_EQ(outcome_of(23007, kAllReduce).result, ncclInternalError);
}

// 2.21 runs whatever the tuner says; later releases drop a choice that cannot run.
TEST_F(NcclLike, AV2ChoiceIsObeyedIn221AndCheckedByLaterWrappers) {
  misbehave("choose");
  set_env("BAD_CELL", std::to_string(NCCL_ALGO_TREE * 3 + NCCL_PROTO_SIMPLE));
  for (const int release : {22105, 22203, 22705}) {
    const NcclLikeOutcome outcome = outcome_of(release, kAllReduce);
    EXPECT_EQ(outcome.algorithm, NCCL_ALGO_TREE) << release;
    EXPECT_EQ(outcome.protocol, NCCL_PROTO_SIMPLE) << release;
  }
  set_env("BAD_CELL", std::to_string(NCCL_ALGO_COLLNET_CHAIN * 3 + NCCL_PROTO_SIMPLE));
  EXPECT_EQ(outcome_of(22105, kAllReduce).damage, NCCL_LIKE_NO_SUCH_KERNEL);
  EXPECT_EQ(outcome_of(22203, kAllReduce).damage, NCCL_LIKE_SOUND);
}

TEST_F(NcclLike, WithNothingUsableRingIsABackupUpTo223) {
  set_env("NCCL_ALGO", "Tree");
  misbehave("nothing");
  const NcclLikeCall broadcast = call_of(ncclFuncBroadcast, 4096);
  for (const int release : {22105, 22203, 22304}) {
    EXPECT_EQ(outcome_of(release, broadcast).algorithm, NCCL_ALGO_RING) << release;
  }
  for (const int release : {22403, 22809, 23007}) {
    EXPECT_EQ(outcome_of(release, broadcast).result, ncclInvalidUsage) << release;
    EXPECT_EQ(outcome_of(release, kAllReduce).algorithm, NCCL_ALGO_TREE) << release;
  }
}

TEST_F(NcclLike, UnknownNamesInNcclAlgoFailCreationFrom224On) {
  set_env("NCCL_ALGO", "Ring,Rong");
  misbehave("nothing");
  nccl().use_release(22304);
  EXPECT_TRUE(create());
  nccl().use_release(22403);
  EXPECT_FALSE(create());
}

TEST_F(NcclLike, AFailedLoadIsNotTriedAgain) {
  nccl().use_release(22809);
  set_env("NCCL_TUNER_PLUGIN", "missing");
  EXPECT_EQ(create().facts().abi, 0);
  set_env("NCCL_TUNER_PLUGIN", "bad");
  EXPECT_EQ(create().facts().abi, 0);
}

TEST_F(NcclLike, Fp8InflatesTheRingRow) {
  NcclLikeCall call = call_of(ncclFuncAllReduce, 4096);
  call.element_bytes = 1;
  call.fp8 = 1;
  set_env("NCCL_PROTO", "^LL128");
  misbehave("nothing");
  for (const int ranks : {8, 16, 64}) {
    const NcclLikeOutcome outcome = outcome_of(22809, call, shape_of(ranks, ranks / 8));
    const float ll = outcome.before[NCCL_ALGO_RING * 3 + NCCL_PROTO_LL];
    EXPECT_EQ(ll > 1024, ranks > 8);
    EXPECT_EQ(outcome.before[NCCL_ALGO_RING * 3 + NCCL_PROTO_LL128], ranks > 8 ? -1024 : -1);
    EXPECT_EQ(outcome.algorithm == NCCL_ALGO_TREE, ranks > 8);
  }
  const NcclLikeOutcome before_2_24 = outcome_of(22304, call, shape_of(16, 2));
  EXPECT_EQ(before_2_24.before[NCCL_ALGO_RING * 3 + NCCL_PROTO_LL128], -1);
}

// Otherwise tests that use the default model would compare one choice with itself.
TEST_F(NcclLike, TheDefaultModelChoosesBySize) {
  misbehave("nothing");
  const auto choice = [](std::size_t nbytes) {
    const NcclLikeOutcome outcome = outcome_of(22809, call_of(ncclFuncAllReduce, nbytes));
    return outcome.algorithm * 3 + outcome.protocol;
  };
  const int small = choice(1 << 10);
  const int middle = choice(512 << 10);
  const int large = choice(16 << 20);
  EXPECT_EQ(small, NCCL_ALGO_RING * 3 + NCCL_PROTO_LL);
  EXPECT_EQ(middle, NCCL_ALGO_RING * 3 + NCCL_PROTO_LL128);
  EXPECT_EQ(large, NCCL_ALGO_NVLS * 3 + NCCL_PROTO_SIMPLE);
}

}  // namespace
}  // namespace vernier::contract
