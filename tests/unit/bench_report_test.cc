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

Row row(bool differs, double ratio, Verdict verdict) {
  Row row;
  row.point = {Collective::allreduce, 8192};
  row.count = 4096;
  row.differs = differs;
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
  const std::string text = text_of({"policy", true, rows}, {}, 2);
  EXPECT_NE(text.find("At the 3 sizes with a rule the policy is 0.846 times as fast (geometric "
                      "mean); 1 of 4 sizes regress."),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("REGRESSION"), std::string::npos);
  EXPECT_NE(text_of({"policy", true, {row(false, 1, Verdict::same)}}, {}, 2)
                .find("says nothing of these 1 calls"),
            std::string::npos);
  EXPECT_EQ(json_of({{"policy", true, rows}}, 2)["rows"].size(), 4u);
  EXPECT_EQ(json_of({{"policy", true, rows}}, 2)["rows"][0]["default"]["busbw_gbps"],
            8192 / 10.0 * 1e-3);
  const std::string csv = csv_of({{"policy", true, rows}}, 2);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 5);
}

TEST(BenchReport, HasASectionForEachBundleOrSaysWhyNot) {
  const std::vector<Section> sections{{"policy", true, {row(true, 1.2, Verdict::faster)}},
                                      {"fast", false, {row(true, 1.5, Verdict::faster)}},
                                      {"odd", false, {}, "NCCL does not start"}};
  EXPECT_NE(text_of(sections[1], {}, 2)
                .find("fast is 1.500 times as fast as NCCL's own choice "
                      "without it (geometric mean); 0 of 1 sizes regress."),
            std::string::npos);
  EXPECT_EQ(text_of(sections[2], {}, 2), "Bundle odd cannot be used: NCCL does not start");
  const Json json = json_of(sections, 2);
  EXPECT_EQ(json["rows"].size(), 1u);
  EXPECT_EQ(json["bundles"]["fast"]["rows"][0]["ratio"], 1.5);
  EXPECT_EQ(json["bundles"]["odd"]["problem"], "NCCL does not start");
  const std::string csv = csv_of(sections, 2);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_NE(csv.find(",fast\n"), std::string::npos) << csv;
}

// A launch of 10 us and one of 20, in which what is compared takes 0.8 of that, or the same.
Samples samples(double share) {
  Samples samples;
  for (const double us : {10.0, 20.0}) {
    samples.launches.push_back({{us, us, us}, {share * us, share * us}});
    for (const int arm : {0, 1}) {
      samples.replays_us[arm].insert(samples.replays_us[arm].end(), 3, arm == 0 ? us : share * us);
    }
  }
  return samples;
}

TEST(BenchCompare, AcrossProcessesTakesALaunchForOneNumber) {
  Row row;
  compare(row, samples(1), samples(0.8), 1);
  EXPECT_NEAR(row.ratio.ratio, 1.25, 1e-9);
  EXPECT_EQ(row.ratio.launches, 2);
  EXPECT_EQ(row.ratio.pairs, 2) << "captures of other processes are no pairs";
  EXPECT_EQ(row.verdict, Verdict::faster);
  EXPECT_TRUE(row.differs);
  EXPECT_EQ(row.tuned.p50_us, 12);

  Row alone;
  compare(alone, samples(1), samples(0.8), 0);
  EXPECT_NEAR(alone.ratio.ratio, 1, 1e-9);
  Row slower;
  compare(slower, samples(1), samples(1.5), 1);
  EXPECT_EQ(slower.verdict, Verdict::regression);
}

TEST(BenchCompare, OfOneProcessPairsCaptures) {
  Row same;  // no rule: whatever is seen is noise
  compare(same, samples(0.8));
  EXPECT_EQ(same.ratio.pairs, 4);
  EXPECT_EQ(same.verdict, Verdict::same);
}

}  // namespace
}  // namespace vernier::bench
