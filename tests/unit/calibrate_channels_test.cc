// SPDX-License-Identifier: Apache-2.0
//
// The tables of NCCL plugin facts, appendix A, row by row.
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "tools/calibrate/channels.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::array<int, 7> kRequests = {1, 2, 4, 8, 16, 24, 32};
using Used = std::array<int, kRequests.size()>;

constexpr Used kOne{1, 1, 1, 1, 1, 1, 1};
constexpr Used kUpTo2{1, 2, 2, 2, 2, 2, 2};
constexpr Used kUpTo4{1, 2, 4, 4, 4, 4, 4};
constexpr Used kUpTo8{1, 2, 4, 8, 8, 8, 8};
constexpr Used kUpTo16{1, 2, 4, 8, 16, 16, 16};
constexpr Used kNot24{1, 2, 4, 8, 16, 16, 32};
constexpr Used kAll{1, 2, 4, 8, 16, 22, 32};

struct Row {
  std::uint64_t kib;
  Used old_ll;  // 2.26 to 2.28
  Used old_other;
  Used new_ll;  // 2.29 and 2.30
  Used new_other;
};
constexpr Row kRows[] = {
    {2, kOne, kOne, kOne, kOne},           {4, kUpTo2, kOne, kOne, kOne},
    {8, kUpTo4, kOne, kUpTo2, kOne},       {16, kUpTo8, kUpTo2, kUpTo4, kOne},
    {32, kUpTo16, kUpTo4, kUpTo8, kUpTo2}, {64, kNot24, kUpTo8, kUpTo16, kUpTo4},
    {128, kAll, kUpTo16, kNot24, kUpTo8},  {256, kAll, kNot24, kAll, kUpTo16},
};

Used used(std::uint64_t kib, Protocol protocol, int nccl_version, int ranks) {
  Used result{};
  for (std::size_t i = 0; i < kRequests.size(); ++i) {
    result[i] = used_channels({Collective::allreduce, kib << 10}, protocol, kRequests[i],
                              {nccl_version, ranks, 32, 2});
  }
  return result;
}

TEST(ChannelTables, HoldInEveryRowForAnyNumberOfRanks) {
  for (const Row& row : kRows) {
    for (const int ranks : {2, 4, 8}) {
      SCOPED_TRACE(testing::Message() << row.kib << " KiB, " << ranks << " ranks");
      for (const int version : {22602, 22809}) {
        EXPECT_EQ(used(row.kib, Protocol::ll, version, ranks), row.old_ll);
        EXPECT_EQ(used(row.kib, Protocol::ll128, version, ranks), row.old_other);
        EXPECT_EQ(used(row.kib, Protocol::simple, version, ranks), row.old_other);
      }
      for (const int version : {22907, 23007}) {
        EXPECT_EQ(used(row.kib, Protocol::ll, version, ranks), row.new_ll);
        EXPECT_EQ(used(row.kib, Protocol::ll128, version, ranks), row.new_other);
        EXPECT_EQ(used(row.kib, Protocol::simple, version, ranks), row.new_other);
      }
    }
  }
}

// Whatever the call: nobody is asked for the same thing twice, and nothing that differs is missed.
TEST(ChannelTables, RequestsStandForEveryEffectOnce) {
  for (const Collective collective : {Collective::allreduce, Collective::allgather,
                                      Collective::reducescatter, Collective::broadcast}) {
    for (std::uint64_t nbytes = 1024; nbytes <= 16u << 20; nbytes += nbytes / 3) {
      for (const Protocol protocol : {Protocol::ll, Protocol::ll128, Protocol::simple}) {
        for (const int comm_channels : {1, 8, 24, 32}) {
          for (const int version : {22809, 23007}) {
            const ChannelFacts facts{version, 4, comm_channels, 2};
            const Point point{collective, nbytes};
            std::set<int> possible;
            for (const int request : kRequests) {
              if (request > comm_channels) break;
              const int effect = used_channels(point, protocol, request, facts);
              EXPECT_GE(effect, 1);
              EXPECT_LE(effect, request);
              possible.insert(effect);
            }
            std::set<int> asked;
            const std::vector<int> requests =
                channel_requests(point, {Algorithm::ring, protocol}, facts);
            ASSERT_EQ(requests.at(0), 0);
            for (std::size_t i = 1; i < requests.size(); ++i) {
              EXPECT_TRUE(asked.insert(used_channels(point, protocol, requests[i], facts)).second)
                  << describe(point) << " request " << requests[i];
            }
            EXPECT_EQ(asked, possible) << describe(point);
          }
        }
      }
    }
  }
}

TEST(ChannelTables, CollNetTakesNoRequest) {
  for (const Algorithm algorithm : {Algorithm::collnet_direct, Algorithm::collnet_chain}) {
    EXPECT_EQ(channel_requests({Collective::allreduce, 1 << 20}, {algorithm, Protocol::simple},
                               {22809, 8, 32, 2}),
              std::vector<int>{0});
  }
}

}  // namespace
}  // namespace vernier::calibrate
