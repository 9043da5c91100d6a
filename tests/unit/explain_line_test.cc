// SPDX-License-Identifier: Apache-2.0
//
// Lines are made by hand after NCCL's formats of the release that a test names.
#include <gtest/gtest.h>

#include "tools/explain/vllm_line.hpp"
#include "tools/nccl_log/nccl_line.hpp"

namespace vernier::nccl_log {
namespace {

const std::string kFront = "box:41:77 [0] NCCL INFO ";

template <typename T>
T parse(const std::string& text) {
  const std::string whole = kFront + text;  // Line is a view of it
  const auto line = split_line(whole);
  EXPECT_TRUE(line);
  const Event event = parse_event(*line);
  const T* const result = std::get_if<T>(&event);
  EXPECT_NE(result, nullptr) << text << ": kind " << event.index();
  return result == nullptr ? T{} : *result;
}

TEST(NcclLine, IsFoundBehindWhateverLaunchersWriteInFront) {
  for (const char* const front :
       {"box:41:77 [0] ", "[2026-11-21 10:00:00] box:41:77 [0] ", "(Worker pid=9) box:41:77 [0] ",
        "(RayWorker pid=9, ip=10.0.0.2) box:41:77 [3] "}) {
    const std::string whole = std::string(front) + "NCCL INFO text\r\n";
    const auto line = split_line(whole);
    ASSERT_TRUE(line) << front;
    EXPECT_EQ(line->process, "box:41") << front;
    EXPECT_EQ(line->thread, "box:41:77");
    EXPECT_EQ(line->text, "text");
    EXPECT_FALSE(line->warning);
  }
  const auto warning = split_line("box:41:77 [0] vernier:52 NCCL WARN VERNIER/Tuner: x");
  ASSERT_TRUE(warning);
  EXPECT_EQ(warning->process, "box:41");
  EXPECT_TRUE(warning->warning);
  EXPECT_FALSE(split_line("NCCL version 2.28.9"));
  EXPECT_EQ(split_line("NCCL INFO x")->process, "");
  EXPECT_EQ(split_line("a:b:c [0] NCCL INFO x")->process, "");
}

TEST(NcclLine, OfASelectionIsReadInAllItsForms) {
  const auto now =
      parse<Selection>("AllGather: 8192 Bytes -> Algo PAT proto SIMPLE channel{Lo..Hi}={2..5}");
  EXPECT_EQ(now.operation, "allgather");
  EXPECT_EQ(now.choice, (Choice{Algorithm::pat, Protocol::simple}));
  EXPECT_EQ(now.channels, 4);
  EXPECT_TRUE(now.of_one_rank) << "2.24 and later";
  const auto middle = parse<Selection>("AllGather: 8192 Bytes -> Algo 1 proto 2 time 20.100000");
  EXPECT_EQ(middle.choice, (Choice{Algorithm::ring, Protocol::simple}));
  EXPECT_FALSE(middle.of_one_rank) << "2.23";
  EXPECT_EQ(parse<Selection>("8192 Bytes -> Algo 0 proto 0 time 9").operation, "") << "2.22";
  const auto symmetric = parse<Selection>(
      "AllReduce [Symmetric]: 4096 Bytes -> Kernel AllReduce_AGxLL_R nchannels 4 nthreads 512");
  EXPECT_EQ(symmetric.path, Selection::Path::symmetric);
  EXPECT_EQ(symmetric.kernel, "AllReduce_AGxLL_R");
  EXPECT_EQ(parse<Selection>("AllGather [Copy Engine]: 64 Bytes -> cudaMemcpy").path,
            Selection::Path::copy_engine);
  EXPECT_EQ(parse<BestTuning>("Best tuning { .id = 3, .algo = RING, .proto = LL, .symKernelId = "
                              "Count, nChannels = 8, maxChannels = 9 }")
                .channels,
            8);
}

TEST(NcclLine, ThatIsTornIsSaidToBe) {
  for (const char* const text :
       {"AllReduce: 8192 Bytes -> Algo WARP proto LL channel{Lo..Hi}={0..3}",
        "AllReduce: 8192 Bytes -> Algo RING proto LL",
        "AllReduce: x Bytes -> Algo 1 proto 0 time 1",
        "AllReduce 8192 Bytes -> Algo 1 proto 0 time 1",
        "Nothing: 1 Bytes -> Algo 1 proto 0 time 1", "AllReduce: 8 Bytes -> Algo 7 proto 0 time 1",
        "AllReduce: opCount 1a sendbuff 0x7f count 64 datat",
        "AllReduce: opCount zz count 1 datatype 9 op 0 root 0 comm 0x1 [nranks=2] stream 0x1",
        "AllReduce: opCount 1 count 1 datatype 9 op 0 root 0 comm 0x1 [nranks=0] stream 0x1",
        "f comm 0x1 rank 4 nranks 4 commId 0x1 - Init START", "comm 0x1 nRanks 2 nNodes x",
        "VERNIER/Tuner: vernier 0.1.0: ranks 2, rules active 1 of 1, mode apply, reason sunshine",
        "VERNIER/Tuner: observed allreduce of many bytes"}) {
    (void)parse<Torn>(text);
  }
}

TEST(NcclLine, OfAnApiCallHoldsWhatRanksHaveToAgreeOn) {
  const auto call = parse<ApiCall>(
      "Reduce: opCount 1a sendbuff 0x7f recvbuff (nil) count 64 datatype 7 op 2 root 3 comm 0x55 "
      "[nranks=4] stream 0x1");
  EXPECT_EQ(call.operation, "reduce");
  EXPECT_EQ(call.op_count, 0x1au);
  EXPECT_EQ(call.count, 64u);
  EXPECT_EQ(call.data_type, 7);
  EXPECT_EQ(call.reduction, 2);
  EXPECT_EQ(call.root, 3);
  EXPECT_EQ(call.address, "0x55");
  EXPECT_EQ(call.ranks, 4);
}

TEST(NcclLine, OfOurTunerTellsReasonAndDetail) {
  const auto report = parse<TunerReport>(
      "VERNIER/Tuner: vernier 0.1.0: ranks 2, nodes 2, NCCL 2.28.9, tuner v5, policy \"a b\" "
      "sha256:12ab, rules active 0 of 3, mode apply, reason wrong-nccl: the rules need NCCL "
      ">=2.29");
  EXPECT_EQ(report.nccl, "2.28.9");
  EXPECT_EQ(report.digest, "sha256:12ab");
  EXPECT_EQ(report.rules, 3);
  EXPECT_EQ(report.reason, "wrong-nccl");
  EXPECT_EQ(report.detail, "the rules need NCCL >=2.29");
  const auto line =
      split_line("b:1:1 [0] vernier:5 NCCL WARN VERNIER/Tuner: rules do not apply (mode): text");
  const Event event = parse_event(*line);
  EXPECT_EQ(std::get<PluginWarning>(event).reason, "mode");
  EXPECT_EQ(std::get<PluginWarning>(event).text, "text");
}

TEST(NcclLine, OfATunerPluginTellsWhichOrWhyNone) {
  using State = TunerPlugin::State;
  const auto is = [](const std::string& text, State state, const std::string& name) {
    const auto plugin = parse<TunerPlugin>(text);
    EXPECT_EQ(plugin.state, state) << text;
    EXPECT_EQ(plugin.name, name) << text;
  };
  is("TUNER/Plugin: Using vernier (v5)", State::loaded, "vernier");
  is("TUNER/Plugin: Using tuner plugin nccl_ofi_tuner", State::loaded, "nccl_ofi_tuner");
  is("TUNER/Plugin: Using internal tuner plugin.", State::internal, "");
  is("TUNER/Plugin: Could not find: a.so b.so. Using internal tuner plugin.", State::not_found,
     "a.so b.so");
  is("TUNER/Plugin: Plugin load returned 2 : x : when loading a.so", State::not_found, "a.so");
  is("External tuner plugin a.so is unsupported", State::unsupported, "a.so");
  is("Successfully loaded external tuner plugin /x/a.so", State::at_path, "/x/a.so");
}

}  // namespace
}  // namespace vernier::nccl_log

namespace vernier::joblog {
namespace {

TEST(VllmLine, ListsBackendsOfTheTpGroupAlone) {
  VllmFacts facts;
  EXPECT_FALSE(read_vllm_line("Using ['PYNCCL'] all-reduce backends for group 'dp:0'", facts));
  EXPECT_TRUE(facts.backends.empty());
  EXPECT_TRUE(absent_backends(facts).empty()) << "nothing is known";
  EXPECT_TRUE(
      read_vllm_line("Using ['CUSTOM', 'PYNCCL'] all-reduce backends for group 'tp:0'", facts));
  EXPECT_EQ(facts.backends, (std::vector<std::string>{"CUSTOM", "PYNCCL"}));
  EXPECT_EQ(absent_backends(facts),
            (std::vector<std::string>{"flashinfer", "torch symmetric memory"}));
}

TEST(VllmLine, TellsVersionModelAndRanks) {
  VllmFacts facts;
  EXPECT_TRUE(
      read_vllm_line("Initializing a V1 LLM engine (v0.11.0) with config: model='m/x', "
                     "tensor_parallel_size=8, pipeline_parallel_size=2",
                     facts));
  EXPECT_EQ(facts.version, "0.11.0");
  EXPECT_EQ(facts.model, "m/x");
  EXPECT_EQ(facts.tp, 8);
  EXPECT_TRUE(read_vllm_line("vLLM is using nccl==2.27.5", facts));
  EXPECT_EQ(facts.nccl, "2.27.5");
  EXPECT_FALSE(read_vllm_line("Using [ all-reduce backends", facts));
}

}  // namespace
}  // namespace vernier::joblog
