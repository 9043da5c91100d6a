// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "tools/calibrate/live/nccl_log.hpp"
#include "tools/calibrate/live/test_data.hpp"
#include "tools/calibrate/plan.hpp"

namespace vernier::calibrate {
namespace {

constexpr std::uint64_t kKib = 1024;

std::vector<int> used(Protocol protocol, std::uint64_t nbytes, int nccl_version) {
  const ChannelFacts facts{nccl_version, 8, 32, 2};
  std::vector<int> result;
  for (const int request : {1, 2, 4, 8, 16, 24, 32}) {
    result.push_back(used_channels({Collective::allreduce, nbytes}, protocol, request, facts));
  }
  return result;
}

using List = std::vector<int>;

// The tables of NCCL plugin facts, appendix A.
TEST(UsedChannels, AreThoseOfNcclsScheduler) {
  EXPECT_EQ(used(Protocol::ll, 2 * kKib, 22809), (List{1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(used(Protocol::ll, 4 * kKib, 22809), (List{1, 2, 2, 2, 2, 2, 2}));
  EXPECT_EQ(used(Protocol::ll, 16 * kKib, 22809), (List{1, 2, 4, 8, 8, 8, 8}));
  EXPECT_EQ(used(Protocol::ll, 64 * kKib, 22809), (List{1, 2, 4, 8, 16, 16, 32}));
  EXPECT_EQ(used(Protocol::ll, 128 * kKib, 22809), (List{1, 2, 4, 8, 16, 22, 32}));
  EXPECT_EQ(used(Protocol::simple, 8 * kKib, 22809), (List{1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(used(Protocol::simple, 32 * kKib, 22809), (List{1, 2, 4, 4, 4, 4, 4}));
  EXPECT_EQ(used(Protocol::ll128, 256 * kKib, 22809), (List{1, 2, 4, 8, 16, 16, 32}));
  EXPECT_EQ(used(Protocol::ll, 4 * kKib, 23007), (List{1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(used(Protocol::ll, 64 * kKib, 23007), (List{1, 2, 4, 8, 16, 16, 16}));
  EXPECT_EQ(used(Protocol::simple, 128 * kKib, 23007), (List{1, 2, 4, 8, 8, 8, 8}));
  EXPECT_EQ(used(Protocol::simple, 256 * kKib, 23007), (List{1, 2, 4, 8, 16, 16, 16}));
}

TEST(ChannelRequests, DifferInEffect) {
  const ChannelFacts facts{22809, 8, 32, 2};
  const Choice ring_ll{Algorithm::ring, Protocol::ll};
  EXPECT_EQ(channel_requests({Collective::allreduce, 2 * kKib}, ring_ll, facts), (List{0, 1}));
  EXPECT_EQ(channel_requests({Collective::allreduce, 16 * kKib}, ring_ll, facts),
            (List{0, 1, 2, 4, 8}));
  const Choice collnet{Algorithm::collnet_chain, Protocol::simple};
  EXPECT_EQ(channel_requests({Collective::allreduce, 16 * kKib}, collnet, facts), (List{0}));
}

TEST(Candidates, AreUsableCellsOtherThanTheDefault) {
  const SurveyRecord survey{
      {Collective::allreduce, 2 * kKib},
      {Algorithm::ring, Protocol::ll},
      {{{Algorithm::ring, Protocol::ll}, 5}, {{Algorithm::tree, Protocol::ll}, 6}}};
  std::string names;
  for (const Configuration& c : candidates(survey, {22809, 4, 32, 2})) {
    names += format_configuration(c) + " ";
  }
  EXPECT_EQ(names, "ring/ll/1 tree/ll tree/ll/1 ");
}

TEST(Sizes, AreRangesListsAndMixtures) {
  using Sizes = std::vector<std::uint64_t>;
  EXPECT_EQ(parse_sizes("1KiB..4KiB"), (Sizes{1024, 2048, 4096}));
  EXPECT_EQ(parse_sizes("5760,1KiB..3000"), (Sizes{1024, 2048, 3000, 5760}));
  for (const char* const bad : {"", "0", "1KiB..", "4KiB..1KiB", "x", "1,,2", "2GiB", "-1"}) {
    EXPECT_THROW((void)parse_sizes(bad), std::invalid_argument) << bad;
  }
}

TEST(Points, AreWholeElementsOnEveryRank) {
  const auto points = make_points({Collective::allgather, Collective::allreduce}, {7, 5763}, 4, 2);
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points[0], (Point{Collective::allgather, 5760}));
  EXPECT_EQ(points[1], (Point{Collective::allreduce, 6}));
  EXPECT_EQ(points[2], (Point{Collective::allreduce, 5762}));
}

TEST(Configurations, ReadBackAsWritten) {
  for (const char* const text : {"default", "ring/ll", "tree/simple/24"}) {
    ASSERT_TRUE(parse_configuration(text)) << text;
    EXPECT_EQ(format_configuration(*parse_configuration(text)), text);
  }
  for (const char* const bad : {"ring", "ring/ll/0", "ring/ll/65", "ring/ll/4x", "ring/ll/4/4"}) {
    EXPECT_FALSE(parse_configuration(bad)) << bad;
  }
}

// What rank `rank` should hold after a call, computed the long way.
std::vector<std::uint8_t> right_output(const Point& point, int ranks, int rank, DataType type,
                                       const std::vector<TestData>& all) {
  const Extent extent = extent_of(point, ranks, type.element_bytes);
  std::vector<std::uint8_t> output;
  const auto as_float = [&](const std::uint8_t* bytes) {
    float value = 0;
    std::uint32_t bits = 0;
    if (type.element_bytes == 4) {
      std::memcpy(&value, bytes, 4);
    } else if (type.name == "bfloat16") {
      bits = static_cast<std::uint32_t>(bytes[0] << 16 | bytes[1] << 24);
      std::memcpy(&value, &bits, 4);
    } else {
      const int half = bytes[0] | bytes[1] << 8;
      value = half == 0 ? 0 : std::ldexp(1.0f + float(half & 1023) / 1024, (half >> 10) - 15);
    }
    return value;
  };
  switch (point.collective) {
    case Collective::allgather:
      for (const TestData& data : all) {
        output.insert(output.end(), data.sent(1).begin(),
                      data.sent(1).begin() + static_cast<std::ptrdiff_t>(extent.send_bytes));
      }
      return output;
    case Collective::broadcast:
      return {all[0].sent(1).begin(),
              all[0].sent(1).begin() + static_cast<std::ptrdiff_t>(extent.recv_bytes)};
    default: break;
  }
  const std::uint64_t first =
      point.collective == Collective::reducescatter ? extent.recv_bytes * std::uint64_t(rank) : 0;
  for (std::uint64_t at = first; at < first + extent.recv_bytes; at += type.element_bytes) {
    float sum = 0;
    for (const TestData& data : all) sum += as_float(data.sent(1).data() + at);
    std::uint8_t bytes[4];
    std::uint32_t bits = 0;
    std::memcpy(&bits, &sum, 4);
    if (type.element_bytes == 4) {
      std::memcpy(bytes, &bits, 4);
    } else {
      std::uint16_t half = static_cast<std::uint16_t>(bits >> 16);
      if (type.name == "float16") {
        half = sum == 0
                   ? std::uint16_t{0}
                   : static_cast<std::uint16_t>(((bits >> 23) - 112) << 10 | (bits >> 13 & 1023));
      }
      std::memcpy(bytes, &half, 2);
    }
    output.insert(output.end(), bytes, bytes + type.element_bytes);
  }
  return output;
}

TEST(TestDataCheck, AcceptsTheRightOutputAndFindsEveryChange) {
  constexpr int kRanks = 4;
  constexpr std::uint64_t kBytes = 512;
  for (const char* const name : {"bfloat16", "float16", "float32"}) {
    const DataType type = *find_data_type(name);
    std::vector<TestData> all;
    for (int rank = 0; rank < kRanks; ++rank) all.emplace_back(kRanks, rank, type, kBytes);
    for (const Collective collective :
         {Collective::allreduce, Collective::allgather, Collective::reducescatter,
          Collective::broadcast, Collective::reduce}) {
      const Point point{collective, kBytes};
      const std::vector<std::uint8_t> right = right_output(point, kRanks, kRoot, type, all);
      EXPECT_EQ(all[kRoot].first_wrong_byte(point, 1, right.data()), -1) << name;
      EXPECT_GE(all[kRoot].first_wrong_byte(point, 0, right.data()), 0) << "the other set";
      for (std::size_t at = 0; at < right.size(); ++at) {
        std::vector<std::uint8_t> changed = right;
        changed[at] ^= 1;
        EXPECT_EQ(all[kRoot].first_wrong_byte(point, 1, changed.data()),
                  static_cast<std::int64_t>(at));
      }
    }
  }
}

TEST(NcclLog, TellsChannelsAndWhatRan) {
  const std::string log =
      "vm:1:1 [0] NCCL INFO 24 coll channels, 24 collnet channels, 0 nvls channels\n"
      "vm:1:1 [0] NCCL INFO Broadcast: 416 Bytes -> Algo RING proto LL channel{Lo..Hi}={0..0}\n"
      "vm:1:1 [0] NCCL INFO AllGather: 4096 Bytes -> Algo PAT proto SIMPLE channel{Lo..Hi}={2..9}\n"
      "vm:1:1 [0] NCCL INFO AllReduce: 8 Bytes -> Algo RING proto LL channel{Lo..Hi}={0..0}\n";
  EXPECT_EQ(find_comm_channels(log), 24);
  const auto applied = find_applied(log, Collective::allgather);
  ASSERT_TRUE(applied);
  EXPECT_EQ(format_configuration(*applied), "pat/simple/8");
  EXPECT_FALSE(find_applied(log, Collective::allreduce));  // that line is control traffic
  EXPECT_FALSE(find_applied("", Collective::allreduce));
  EXPECT_FALSE(find_comm_channels("nothing"));
}

}  // namespace
}  // namespace vernier::calibrate
