// SPDX-License-Identifier: Apache-2.0
//
// The traffic format, and what is no traffic.
#include <gtest/gtest.h>

#include "tools/calibrate/traffic.hpp"
#include "tools/common/json_members.hpp"
#include "tools/workload/traffic_format.hpp"

namespace vernier::workload {
namespace {

Workload of_llama(int tp, Engine engine) {
  Deployment deployment;
  deployment.tp = tp;
  deployment.engine = engine;
  return make_workload(read_model_file(std::string(MODELS) + "/llama-3.1-8b.json"), deployment);
}

std::string problem_of(const std::string& text) {
  try {
    (void)parse_traffic(text);
  } catch (const Malformed& problem) {
    return problem.what();
  }
  return {};
}

TEST(TrafficFormat, IsReadAsItWasWritten) {
  const Workload written = of_llama(8, Engine::vllm);
  const std::string text = to_json(written).dump();
  const Workload read = parse_traffic(text);
  EXPECT_EQ(to_json(read).dump(), text);
  ASSERT_EQ(read.steps.size(), written.steps.size());
  for (std::size_t i = 0; i < read.steps.size(); ++i) {
    ASSERT_EQ(read.steps[i].calls.size(), written.steps[i].calls.size());
    for (std::size_t j = 0; j < read.steps[i].calls.size(); ++j) {
      const Call& call = read.steps[i].calls[j];
      EXPECT_EQ(call.captured, written.steps[i].calls[j].captured);
      EXPECT_EQ(call.nbytes, written.steps[i].calls[j].nbytes);
      EXPECT_EQ(call.backend, written.steps[i].calls[j].backend);
    }
  }
}

TEST(TrafficFormat, CountsOnlyWhatReachesNccl) {
  const Workload workload = of_llama(8, Engine::vllm);
  for (const Size& size : workload.sizes) {
    EXPECT_TRUE(size.collective == Collective::allgather || size.nbytes >= 64u << 20);
  }
  // The calls of 64 tokens and of 1 are equal in number, and each step counts once.
  const Workload all = of_llama(8, Engine::all_nccl);
  EXPECT_EQ(all.sizes.size(), 35u + 51 + 1);
}

TEST(TrafficFormat, SaysWhatIsWrongWithAFile) {
  const std::string size =
      R"({"collective":"allreduce","bytes":8,"ranks":2,"nodes":1,"calls_per_process":3,"captured_per_process":3})";
  const auto sizes = [](const std::string& list) {
    return R"({"vernier_traffic":1,"source":"x","sizes":)" + list + "}";
  };
  EXPECT_EQ(problem_of(sizes("[" + size + "]")), "");
  EXPECT_NE(problem_of("{}").find("vernier workload --json"), std::string::npos);
  EXPECT_NE(problem_of(R"({"vernier_traffic":2,"source":"x","sizes":[]})"), "");
  EXPECT_NE(problem_of(R"({"vernier_traffic":1,"sizes":[]})"), "");
  EXPECT_NE(problem_of(R"({"vernier_traffic":1,"source":"\u001b[2J","sizes":[]})"), "");
  EXPECT_NE(problem_of(sizes("{}")), "");
  EXPECT_NE(problem_of(sizes("[7]")), "");
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"allreduce", "alltoall"},
                                                        {":8,", ":0,"},
                                                        {":8,", ":-8,"},
                                                        {":3}", ":4}"},
                                                        {"2", "1e30"}}) {
    std::string bad = size;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_NE(problem_of(sizes("[" + bad + "]")), "") << bad;
  }
  EXPECT_EQ(problem_of(std::string(20'000, '[')), "nested too deeply");
  const std::string cut = to_json(of_llama(2, Engine::all_nccl)).dump();
  EXPECT_NE(problem_of(cut.substr(0, cut.size() / 2)), "");
}

TEST(Traffic, IsMeasuredAtItsOwnSizesOnItsOwnRanks) {
  const Workload workload = of_llama(2, Engine::all_nccl);
  const auto points = calibrate::points_of(workload, {2, 1, 2});
  EXPECT_EQ(points.size(), workload.sizes.size());
  EXPECT_EQ(points.front(), (calibrate::Point{Collective::allgather, 256512}));
  EXPECT_THROW((void)calibrate::points_of(workload, {4, 1, 2}), std::runtime_error);
  EXPECT_THROW((void)calibrate::points_of(workload, {2, 2, 2}), std::runtime_error);
  EXPECT_THROW((void)calibrate::points_of({"nothing", {}, {}, {}}, {2, 1, 2}), std::runtime_error);
}

TEST(Traffic, OfSeveralCommunicatorsNeedsAChoice) {
  Workload workload = of_llama(2, Engine::all_nccl);
  EXPECT_EQ(calibrate::only_ranks(workload), 2);
  workload.sizes.back().ranks = 8;
  EXPECT_THROW((void)calibrate::only_ranks(workload), std::runtime_error);
}

}  // namespace
}  // namespace vernier::workload
