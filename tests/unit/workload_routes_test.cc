// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tools/workload/routes.hpp"
#include "tools/workload/workload.hpp"

namespace vernier::workload {
namespace {

struct Where {
  Engine engine = Engine::vllm;
  Links links = Links::nvlink;
  int capability = 90;
  int ranks = 8;
  int nodes = 1;
  bool bfloat16 = true;
};

std::string_view backend(std::uint64_t nbytes, const Where& where) {
  const Route* const route = find_route({where.engine, where.links, where.capability, where.ranks,
                                         where.nodes, nbytes, where.bfloat16});
  return route == nullptr ? kNccl : route->backend;
}

TEST(Routes, OfVllmOnEightHoppersLeaveNcclThePrefillOnly) {
  const Where h100;
  EXPECT_EQ(backend(16, h100), "flashinfer");
  EXPECT_EQ(backend(512 * kKib, h100), "flashinfer");
  EXPECT_EQ(backend(512 * kKib + 16, h100), "torch symmetric memory");
  EXPECT_EQ(backend(64 * kMib - 16, h100), "torch symmetric memory");
  EXPECT_EQ(backend(64 * kMib, h100), kNccl);
}

TEST(Routes, OfOtherDataTypesEndAtTheCustomLimit) {
  const Where half{.bfloat16 = false};
  EXPECT_EQ(backend(256 * kKib - 16, half), "custom all-reduce");
  EXPECT_EQ(backend(256 * kKib, half), kNccl);
}

TEST(Routes, WithoutCustomAllReduceKeepTheOtherBackends) {
  const Where off{.engine = Engine::vllm_no_custom_ar, .bfloat16 = false};
  EXPECT_EQ(backend(8 * kKib, off), kNccl);
  EXPECT_EQ(backend(8 * kKib, {.engine = Engine::vllm_no_custom_ar}), "flashinfer");
  const Where a100{.engine = Engine::vllm_no_custom_ar, .capability = 80};
  EXPECT_EQ(backend(8 * kKib, a100), kNccl);
}

TEST(Routes, OfMoreThanTwoPcieGpusAllLeadToNccl) {
  for (const int capability : {89, 90, 120}) {
    for (const int ranks : {3, 4, 8}) {
      const Where pcie{.links = Links::pcie, .capability = capability, .ranks = ranks};
      EXPECT_EQ(backend(8 * kKib, pcie), kNccl) << capability << " " << ranks;
    }
  }
  const Where pair{.links = Links::pcie, .capability = 89, .ranks = 2};
  EXPECT_EQ(backend(8 * kMib - 16, pair), "custom all-reduce");
  EXPECT_EQ(backend(8 * kMib, pair), kNccl);
  EXPECT_EQ(backend(8 * kKib, {.links = Links::no_p2p, .capability = 89, .ranks = 2}), kNccl);
}

TEST(Routes, AcrossNodesAndOfOddGroupsAllLeadToNccl) {
  EXPECT_EQ(backend(8 * kKib, {.ranks = 8, .nodes = 2}), kNccl);
  EXPECT_EQ(backend(8 * kKib, {.engine = Engine::sglang, .ranks = 8, .nodes = 2}), kNccl);
  for (const int ranks : {3, 5, 7}) EXPECT_EQ(backend(8 * kKib, {.ranks = ranks}), kNccl) << ranks;
}

TEST(Routes, OfGpusWithoutRowsAreTheGeneralOnes) {
  const Where a100{.capability = 80};
  EXPECT_EQ(backend(8 * kMib - 16, a100), "custom all-reduce");
  EXPECT_EQ(backend(8 * kMib, a100), kNccl);
  EXPECT_EQ(backend(8 * kKib + 8, a100), kNccl);  // not whole 16 bytes
  EXPECT_TRUE(is_known_capability(80));
  EXPECT_TRUE(is_known_capability(103));
  EXPECT_FALSE(is_known_capability(110));
  EXPECT_EQ(backend(8 * kMib - 16, {.capability = 110}), "custom all-reduce");
}

TEST(Routes, OfBlackwellFollowTheirOwnRows) {
  const Where b200{.capability = 100};
  EXPECT_EQ(backend(kMib, b200), "flashinfer");
  EXPECT_EQ(backend(kMib + 16, b200), "torch symmetric memory");
  EXPECT_EQ(backend(128 * kMib, b200), kNccl);
  const Where b300{.capability = 103, .ranks = 4};
  EXPECT_EQ(backend(80 * kMib, b300), "flashinfer");
  EXPECT_EQ(backend(80 * kMib + 16, b300), kNccl);
}

TEST(Routes, OfSglangAreNotKnownWhereItHasKernelsOfItsOwn) {
  EXPECT_EQ(backend(8 * kKib, {.engine = Engine::sglang}), kNotKnown);
  EXPECT_EQ(backend(8 * kKib, {.engine = Engine::sglang, .ranks = 3}), kNccl);
  EXPECT_EQ(backend(8 * kKib, {.engine = Engine::all_nccl}), kNccl);
}

TEST(Routes, EachNameTheirSource) {
  for (const Route& route : route_table()) {
    EXPECT_GT(route.source.size(), 20u) << route.backend;
    EXPECT_TRUE(route.ranks % 2 == 0 && route.max_bytes > 0) << route.backend;
  }
}

}  // namespace
}  // namespace vernier::workload
