// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <stdexcept>

#include "tools/bench/bench.hpp"

namespace vernier::bench {
namespace {

// The factors that nccl-tests documents.
TEST(Bandwidth, IsAsNcclTestsDefinesIt) {
  const auto of = [](Collective collective) {
    return bandwidth({collective, 4'000'000}, 4, 1000.0);
  };
  EXPECT_DOUBLE_EQ(of(Collective::allreduce).algorithm, 4.0);
  EXPECT_DOUBLE_EQ(of(Collective::allreduce).bus, 6.0);
  EXPECT_DOUBLE_EQ(of(Collective::allgather).bus, 3.0);
  EXPECT_DOUBLE_EQ(of(Collective::reducescatter).bus, 3.0);
  EXPECT_DOUBLE_EQ(of(Collective::broadcast).bus, 4.0);
  EXPECT_DOUBLE_EQ(of(Collective::reduce).bus, 4.0);
  EXPECT_DOUBLE_EQ(bandwidth({Collective::reduce, 8}, 4, 0).bus, 0.0);
}

TEST(NcclTests, TextIsReadOutOfPlace) {
  const auto times = parse_nccl_tests(
      "# nThread 1 nGpus 2 minBytes 8 maxBytes 1024 step: 2(factor)\n"
      "#       size         count      type   redop    root     time   algbw   busbw #wrong     "
      "time\n"
      "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            "
      "(us)\n"
      "        1024           256     float     sum      -1    11.85    0.09    0.09      0    "
      "11.02    0.09    0.09    0\n"
      "        2048          1024    bfloat16   none     -1    12.50    0.16    0.08    N/A    "
      "12.1    0.17    0.08  N/A\n"
      "# Out of bounds values : 0 OK\n"
      "# Avg bus bandwidth    : 0.09\n");
  EXPECT_EQ(times, (std::map<std::uint64_t, double>{{1024, 11.85}, {2048, 12.5}}));
}

TEST(NcclTests, JsonIsReadOutOfPlace) {
  const auto times = parse_nccl_tests(
      R"({"version": 3, "results": [{"size": 1024, "out_of_place": {"time": 11.85},
          "in_place": {"time": 3}}, {"size": 2048, "out_of_place": {}}, 7]})");
  EXPECT_EQ(times, (std::map<std::uint64_t, double>{{1024, 11.85}}));
}

TEST(NcclTests, WhatIsNoneOfItsIsSaid) {
  for (const char* const text : {"", "hello\n", "1024 256 float sum -1\n", "{", "{\"results\": 7}",
                                 "{\"results\": []}", "1024 256 float sum -1 0.0\n"}) {
    EXPECT_THROW((void)parse_nccl_tests(text), std::runtime_error) << text;
  }
}

Row row(bool has_rule, double ratio, Verdict verdict) {
  Row row;
  row.point = {Collective::allreduce, 8192};
  row.count = 4096;
  row.has_rule = has_rule;
  row.own = {10, 12};
  row.tuned = {10 / ratio, 12 / ratio};
  row.ratio.ratio = ratio;
  row.ratio.low95 = row.ratio.high95 = ratio;
  row.verdict = verdict;
  return row;
}

TEST(BenchReport, ClosesWithTheMeanOfSizesWithARuleAndTheRegressions) {
  const std::vector<Row> rows{row(true, 1.21, Verdict::faster), row(true, 1.0, Verdict::same),
                              row(false, 0.5, Verdict::same), row(true, 0.5, Verdict::regression)};
  const std::string text = text_of(rows, {}, 2);
  EXPECT_NE(text.find("At the 3 sizes with a rule the policy is 0.846 times as fast (geometric "
                      "mean); 1 of 4 sizes regress."),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("REGRESSION"), std::string::npos);
  EXPECT_NE(text_of({row(false, 1, Verdict::same)}, {}, 2).find("says nothing of these 1 calls"),
            std::string::npos);
  EXPECT_EQ(json_of(rows, 2)["rows"].size(), 4u);
  EXPECT_EQ(json_of(rows, 2)["rows"][0]["default"]["busbw_gbps"], 8192 / 10.0 * 1e-3);
  const std::string csv = csv_of(rows, 2);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5);
}

}  // namespace
}  // namespace vernier::bench
