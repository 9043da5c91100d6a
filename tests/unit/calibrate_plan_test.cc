// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <stdexcept>

#include "tools/calibrate/live/nccl_log.hpp"
#include "tools/calibrate/plan.hpp"

namespace vernier::calibrate {
namespace {

TEST(Candidates, AreUsableCellsOtherThanTheDefault) {
  const SurveyRecord survey{
      {Collective::allreduce, 2048},
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

TEST(Effort, OfScreeningIsAPartOfThatOfEverythingElse) {
  for (double us = 5; us < 2000; us *= 1.5) {
    const Effort judged = effort_for(Mode::graph, us);
    const Effort glance = glance_for(us);
    EXPECT_GE(glance.operations * glance.replays, 9) << us;
    EXPECT_LE(glance.operations, judged.operations) << us;
    EXPECT_LE(glance.replays, judged.replays) << us;
    if (us > 300) continue;  // there both do as little as can be timed
    EXPECT_LE(2 * glance.operations * (1 + glance.replays),
              judged.operations * (1 + judged.replays))
        << us;
  }
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
