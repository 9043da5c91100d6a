// SPDX-License-Identifier: Apache-2.0
//
// Sizes and offsets of the tuner ABI on 64-bit Linux, as measured on NCCL 2.30.7's headers. The
// headers assert them too; here they are numbers that nobody can change along with a header.
#include <gtest/gtest.h>

#include <cstddef>

#include "vernier/abi/nccl_tuner.h"

namespace vernier::contract {
namespace {

TEST(AbiLayout, EveryVersionIsAnArrayOfPointers) {
  EXPECT_EQ(sizeof(ncclTuner_v2_t), 32u);
  EXPECT_EQ(sizeof(ncclTuner_v3_t), 32u);
  EXPECT_EQ(sizeof(ncclTuner_v4_t), 32u);
  EXPECT_EQ(sizeof(ncclTuner_v5_t), 32u);
  EXPECT_EQ(sizeof(ncclTuner_v6_t), 40u);
}

template <typename Struct>
void expect_name_init_info() {
  EXPECT_EQ(offsetof(Struct, name), 0u);
  EXPECT_EQ(offsetof(Struct, init), 8u);
  EXPECT_EQ(offsetof(Struct, getCollInfo), 16u);
}

TEST(AbiLayout, MembersAreInNcclsOrder) {
  expect_name_init_info<ncclTuner_v2_t>();
  expect_name_init_info<ncclTuner_v3_t>();
  expect_name_init_info<ncclTuner_v4_t>();
  expect_name_init_info<ncclTuner_v5_t>();
  expect_name_init_info<ncclTuner_v6_t>();
  EXPECT_EQ(offsetof(ncclTuner_v2_t, destroy), 24u);
  EXPECT_EQ(offsetof(ncclTuner_v3_t, destroy), 24u);
  EXPECT_EQ(offsetof(ncclTuner_v4_t, destroy), 24u);
  EXPECT_EQ(offsetof(ncclTuner_v5_t, finalize), 24u);
  EXPECT_EQ(offsetof(ncclTuner_v6_t, finalize), 24u);
  EXPECT_EQ(offsetof(ncclTuner_v6_t, getChunkSize), 32u);
}

TEST(AbiLayout, ConstantsAndDomains) {
  EXPECT_EQ(sizeof(ncclNvlDomainInfo_v5_t), 12u);
  EXPECT_EQ(sizeof(ncclTunerConstants_v5_t), 1152u);
  EXPECT_EQ(offsetof(ncclTunerConstants_v5_t, baseLatencies), 0u);
  EXPECT_EQ(offsetof(ncclTunerConstants_v5_t, hwLatencies), 168u);
  EXPECT_EQ(offsetof(ncclTunerConstants_v5_t, llMaxBws), 672u);
  EXPECT_EQ(offsetof(ncclTunerConstants_v5_t, perChMaxRingLL128Bws), 768u);
  EXPECT_EQ(offsetof(ncclTunerConstants_v5_t, perChMaxTreeLL128Bws), 864u);
  EXPECT_EQ(offsetof(ncclTunerConstants_v5_t, perChMaxTreeBws), 960u);
  EXPECT_EQ(offsetof(ncclTunerConstants_v5_t, perChMaxNVLSTreeBws), 1056u);
}

// Values that travel as ints.
TEST(AbiLayout, Enumerations) {
  EXPECT_EQ(sizeof(ncclFunc_t), 4u);
  EXPECT_EQ(sizeof(ncclResult_t), 4u);
  EXPECT_EQ(sizeof(ncclDebugLogLevel), 4u);
  EXPECT_EQ(ncclFuncBroadcast, 0);
  EXPECT_EQ(ncclFuncReduce, 1);
  EXPECT_EQ(ncclFuncAllGather, 2);
  EXPECT_EQ(ncclFuncReduceScatter, 3);
  EXPECT_EQ(ncclFuncAllReduce, 4);
  EXPECT_EQ(NCCL_ALGO_TREE, 0);
  EXPECT_EQ(NCCL_ALGO_RING, 1);
  EXPECT_EQ(NCCL_ALGO_COLLNET_DIRECT, 2);
  EXPECT_EQ(NCCL_ALGO_COLLNET_CHAIN, 3);
  EXPECT_EQ(NCCL_ALGO_NVLS, 4);
  EXPECT_EQ(NCCL_ALGO_NVLS_TREE, 5);
  EXPECT_EQ(NCCL_ALGO_PAT, 6);
  EXPECT_EQ(NCCL_PROTO_LL, 0);
  EXPECT_EQ(NCCL_PROTO_LL128, 1);
  EXPECT_EQ(NCCL_PROTO_SIMPLE, 2);
  EXPECT_EQ(NCCL_LOG_WARN, 2);
  EXPECT_EQ(NCCL_LOG_INFO, 3);
  EXPECT_EQ(ncclSuccess, 0);
}

}  // namespace
}  // namespace vernier::contract
