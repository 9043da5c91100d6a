// SPDX-License-Identifier: Apache-2.0
//
// Counts are those of the calls that were made, exactly, for every ABI version.
#include <thread>

#include "tests/profiler/profiler_test.hpp"

namespace vernier::profiler_test {
namespace {

using profile::Call;

class EveryVersion : public ProfilerTest, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Abi, EveryVersion, testing::Range(1, 7));

TEST_P(EveryVersion, CountsEqualTheCallList) {
  const int abi = GetParam();
  const auto host = ProfilerHost::open(abi);
  void* const context = host->init(0xabc, "tp", 1, 4, 2, log);
  ASSERT_NE(context, nullptr);
  for (int i = 0; i < 3; ++i) host->collective(context, {.count = 4096}, {});
  for (int i = 0; i < 2; ++i) {
    host->collective(context, {.count = 4096},
                     {.algorithm = "TREE", .protocol = "SIMPLE", .channels = 8});
  }
  host->collective(context, {.function = "ReduceScatter", .count = 100}, {.protocol = "LL128"});
  host->collective(context, {.function = "AllGather", .count = 1000}, {});
  host->point_to_point(context, {.function = "Send", .count = 77}, 2);
  host->finalize(context);

  const profile::Profile profile = read();
  EXPECT_EQ(profile.dropped, 0u);
  ASSERT_EQ(profile.communicators.size(), 1u);
  EXPECT_EQ(profile.communicators[0].comm_id, "0000000000000abc");
  EXPECT_EQ(profile.communicators[0].rank, 2);
  EXPECT_EQ(profile.communicators[0].ranks, abi < 4 ? 0 : 4);

  const Call& allreduce = find(profile, "allreduce", 4096);
  EXPECT_EQ(allreduce.data_type, "bfloat16");
  EXPECT_EQ(allreduce.calls, abi < 5 ? std::optional<std::uint64_t>() : 5);
  ASSERT_EQ(allreduce.kernels.size(), 2u);
  EXPECT_EQ(allreduce.kernels[0].algorithm, "tree");
  EXPECT_EQ(allreduce.kernels[0].protocol, "simple");
  EXPECT_EQ(allreduce.kernels[0].channels, 8);
  EXPECT_EQ(allreduce.kernels[0].enqueued, 2u);
  EXPECT_EQ(allreduce.kernels[1].algorithm, "ring");
  EXPECT_EQ(allreduce.kernels[1].protocol, "ll");
  EXPECT_EQ(allreduce.kernels[1].enqueued, 3u);
  EXPECT_EQ(find(profile, "reducescatter", 100).kernels.at(0).protocol, "ll128");
  // Before v5 nobody tells the user's own count of an allgather, only its bytes.
  const Call& allgather = find(profile, "allgather", abi < 5 ? 2000 : 1000);
  EXPECT_EQ(allgather.data_type, abi < 5 ? "int8" : "bfloat16");
  EXPECT_EQ(tuner_bytes(allgather, 4), 8000u);
  EXPECT_EQ(find(profile, "send", 77).kernels.at(0).channels, abi < 4 ? 0 : 2);
}

TEST_P(EveryVersion, EveryHandleIsWritten) {
  const auto host = ProfilerHost::open(GetParam());
  void* const context = host->init(1, nullptr, 1, 2, 0, log);
  host->collective(context, {.count = 1}, {});
  host->point_to_point(context, {.function = "Recv", .count = 1}, 1);
  host->unknown_event(context);
  EXPECT_EQ(host->unwritten_handles(), 0);
}

TEST_P(EveryVersion, ANullContextIsNoFailure) {
  const auto host = ProfilerHost::open(GetParam());
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  host->collective(nullptr, {.count = 8}, {});
  host->finalize(context);
  EXPECT_EQ(host->unwritten_handles(), 0);
  EXPECT_TRUE(read().calls.empty());
}

TEST_P(EveryVersion, CommunicatorsAreToldApart) {
  const auto host = ProfilerHost::open(GetParam());
  void* const first = host->init(1, "tp", 1, 2, 0, log);
  void* const second = host->init(2, "dp", 1, 2, 0, log);
  host->collective(first, {.count = 8}, {});
  host->collective(second, {.count = 8}, {});
  host->collective(second, {.count = 8}, {});
  host->finalize(second);
  const profile::Profile profile = read();
  ASSERT_EQ(profile.calls.size(), 2u);
  EXPECT_EQ(profile.calls[0].kernels.at(0).enqueued, 1u);
  EXPECT_EQ(profile.calls[1].kernels.at(0).enqueued, 2u);
}

class Counting : public ProfilerTest {};

TEST_F(Counting, CapturedAndEagerAreApart) {
  const auto host = ProfilerHost::open(5);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  host->collective(context, {.count = 8}, {});
  for (int i = 0; i < 4; ++i) host->collective(context, {.count = 8, .captured = true}, {});
  host->finalize(context);
  EXPECT_EQ(find(read(), "allreduce", 8, false).calls, 1u);
  const Call captured = find(read(), "allreduce", 8, true);
  EXPECT_EQ(captured.calls, 4u);
  EXPECT_EQ(captured.kernels.at(0).enqueued, 4u);
  EXPECT_EQ(captured.kernels.at(0).replayed, 0u);
}

TEST_F(Counting, AKernelAfterTheEndOfItsGroupIsNoReplay) {
  const auto host = ProfilerHost::open(5);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  host->nested_groups = true;
  host->collective(context, {.count = 8, .captured = true}, {});
  host->finalize(context);
  const Call captured = find(read(), "allreduce", 8, true);
  EXPECT_EQ(captured.kernels.at(0).enqueued, 1u);
  EXPECT_EQ(captured.kernels.at(0).replayed, 0u);
}

// Over a network NCCL tells of a captured kernel when its graph is replayed, from CUDA's thread.
TEST_F(Counting, ReplaysAreCountedWhereNcclTellsOfThem) {
  const auto host = ProfilerHost::open(5);
  void* const context = host->init(1, "tp", 2, 2, 0, log);
  const HostGraphNode node =
      host->capture_over_network(context, {.count = 8, .captured = true}, {});
  std::thread([&] {
    for (int i = 0; i < 1000; ++i) host->replay(context, node);
  }).join();
  host->finalize(context);
  const Call call = find(read(), "allreduce", 8, true);
  EXPECT_EQ(call.calls, 1u);
  ASSERT_EQ(call.kernels.size(), 1u);
  EXPECT_EQ(call.kernels[0].enqueued, 0u);
  EXPECT_EQ(call.kernels[0].replayed, 1000u);
}

TEST_F(Counting, CallsWithoutAKernelShow) {
  const auto host = ProfilerHost::open(6);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  host->call_without_kernel(context, {.count = 8});
  host->copy_engine(context, {.function = "AllGather", .count = 9});
  host->finalize(context);
  const profile::Profile profile = read();
  EXPECT_EQ(find(profile, "allreduce", 8).calls, 1u);
  EXPECT_TRUE(find(profile, "allreduce", 8).kernels.empty());
  EXPECT_EQ(find(profile, "allgather", 9).kernels.at(0).algorithm, "copy_engine");
}

TEST_F(Counting, NamesOfALaterNcclAreOther) {
  const auto host = ProfilerHost::open(6);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  host->collective(context, {.function = "Novel", .count = 3, .data_type = "ncclFloat4"},
                   {.algorithm = "HYPERCUBE", .protocol = nullptr});
  host->finalize(context);
  const Call call = find(read(), "other", 3);
  EXPECT_EQ(call.data_type, "other");
  EXPECT_EQ(call.kernels.at(0).algorithm, "");
  EXPECT_EQ(call.kernels.at(0).protocol, "");
}

TEST_F(Counting, OnlyWhatIsCountedIsAskedFor) {
  // Kernel and proxy events cost; a bit that another image has set stays.
  const int expected[] = {0, 6, 6, 6, 6, 6 | 0x700, 6 | 0x700 | 0x1000};
  for (int abi = 1; abi <= 6; ++abi) {
    const auto host = ProfilerHost::open(abi);
    host->set_mask(0x8000);
    (void)host->init(1, "tp", 1, 2, 0, log);
    EXPECT_EQ(host->mask(), 0x8000 | expected[abi]) << abi;
  }
}

TEST_F(Counting, AVariableThatIsNoneOfOursIsNamedWithTheNearest) {
  setenv("NCCL_VERNIER_LOGDIR", "/tmp", 1);
  (void)ProfilerHost::open(5)->init(1, "tp", 1, 2, 0, log);
  EXPECT_NE(warnings().find("did you mean NCCL_VERNIER_LOG_DIR?"), std::string::npos) << warnings();
}

TEST_F(Counting, AModeThatIsNotThereIsSaid) {
  setenv("NCCL_VERNIER_PROFILE", "sampled:0", 1);
  const auto host = ProfilerHost::open(5);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  host->collective(context, {.count = 8}, {});
  host->finalize(context);
  EXPECT_NE(warnings().find("NCCL_VERNIER_PROFILE is \"sampled:0\"; allowed: counts, sampled, "),
            std::string::npos)
      << warnings();
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 1u);
}

}  // namespace
}  // namespace vernier::profiler_test
