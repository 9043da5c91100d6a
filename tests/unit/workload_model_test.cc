// SPDX-License-Identifier: Apache-2.0
//
// The five models, their sizes and counts, as published tables have them; and config.json that is
// not what it should be.
#include <gtest/gtest.h>

#include <map>

#include "tools/common/json_members.hpp"
#include "tools/workload/capture_sizes.hpp"
#include "tools/workload/routes.hpp"
#include "tools/workload/workload.hpp"

namespace vernier::workload {
namespace {

Model model_named(const std::string& name) {
  return read_model_file(std::string(MODELS) + "/" + name + ".json");
}

Deployment all_nccl(int tp) {
  Deployment deployment;
  deployment.tp = tp;
  deployment.engine = Engine::all_nccl;
  deployment.max_num_seqs = 512;
  return deployment;
}

const Step& step_of(const Workload& workload, std::uint64_t tokens) {
  for (const Step& step : workload.steps) {
    if (step.tokens == tokens) return step;
  }
  throw std::out_of_range("no such step");
}

// By label.
std::map<std::string, Call> calls_of(const Step& step) {
  std::map<std::string, Call> calls;
  for (const Call& call : step.calls) calls.emplace(call.label, call);
  return calls;
}

struct Published {
  const char* file;
  std::uint64_t token_bytes;  // of an all-reduce
  std::uint64_t allreduces;
  double logits_kib;  // of one token, all ranks
};
const Published kPublished[] = {{"llama-3.1-8b", 8 * kKib, 65, 250.5},
                                {"llama-3.1-70b", 16 * kKib, 161, 250.5},
                                {"qwen3-235b-a22b", 8 * kKib, 189, 296.75},
                                {"gpt-oss-120b", 5760, 73, 392.75},
                                {"deepseek-v3", 14 * kKib, 123, 252.5}};

TEST(Workload, HasThePublishedSizesAndCountsOfFiveModels) {
  for (const Published& published : kPublished) {
    SCOPED_TRACE(published.file);
    const Workload workload = make_workload(model_named(published.file), all_nccl(8));
    for (const std::uint64_t tokens : {1, 2, 4, 8, 16, 32, 64, 128, 256, 512}) {
      const Step& step = step_of(workload, tokens);
      auto calls = calls_of(step);
      EXPECT_EQ(calls.at("attention output").nbytes, tokens * published.token_bytes);
      EXPECT_EQ(calls.at("embedding").nbytes, tokens * published.token_bytes);
      EXPECT_EQ(calls.at("logits").nbytes,
                static_cast<std::uint64_t>(published.logits_kib * 1024) * tokens);
      EXPECT_EQ(calls.at("logits").collective, Collective::allgather);
      EXPECT_FALSE(calls.at("logits").captured);
      EXPECT_EQ(count_calls(step), published.allreduces + 1);
      EXPECT_EQ(count_nccl_calls(step), published.allreduces + 1);
    }
    const Step& prefill = step_of(workload, 8192);
    EXPECT_EQ(prefill.phase, Phase::prefill);
    EXPECT_EQ(count_calls(prefill), published.allreduces);
    EXPECT_EQ(prefill.calls.front().nbytes, 8192 * published.token_bytes);
    EXPECT_FALSE(prefill.calls.front().captured);
  }
}

TEST(Workload, PadsTheExpertsOfGptOssUnlessToldOtherwise) {
  const Model model = model_named("gpt-oss-120b");
  Deployment deployment = all_nccl(2);
  auto calls = calls_of(step_of(make_workload(model, deployment), 512));
  EXPECT_EQ(calls.at("MoE").nbytes, 3 * kMib);
  EXPECT_EQ(calls.at("MoE").calls, 36u);
  EXPECT_EQ(calls.at("attention output").nbytes, 2880 * kKib);
  deployment.moe_hidden_size = 2880;
  calls = calls_of(step_of(make_workload(model, deployment), 512));
  EXPECT_EQ(calls.at("MoE").nbytes, 2880 * kKib);
}

TEST(Workload, PadsTheVocabularyTo64) {
  Model model = model_named("llama-3.1-8b");
  model.vocabulary = 1000;
  const auto calls = calls_of(step_of(make_workload(model, all_nccl(2)), 1));
  EXPECT_EQ(calls.at("logits").nbytes, 1024u * 2);
}

TEST(Workload, SamplesNoMoreSequencesThanThereAre) {
  Deployment deployment = all_nccl(2);
  deployment.max_num_seqs = 256;
  const Workload workload = make_workload(model_named("llama-3.1-8b"), deployment);
  EXPECT_EQ(calls_of(step_of(workload, 512)).at("logits").nbytes,
            calls_of(step_of(workload, 256)).at("logits").nbytes);
}

TEST(Workload, DispatchesTokensToExpertsByAllgatherAndReducescatter) {
  Deployment deployment;
  deployment.dp = 16;
  const Model model = model_named("deepseek-v3");
  auto calls = calls_of(step_of(make_workload(model, deployment), 64));
  EXPECT_EQ(calls.size(), 4u);
  EXPECT_EQ(calls.at("MoE dispatch, tokens").nbytes, 14 * kMib);
  EXPECT_EQ(calls.at("MoE dispatch, tokens").calls, 58u);
  EXPECT_EQ(
      calls.at("MoE dispatch, expert ids").nbytes + calls.at("MoE dispatch, expert weights").nbytes,
      64 * kKib);
  EXPECT_EQ(calls.at("MoE combine").collective, Collective::reducescatter);
  EXPECT_EQ(calls.at("MoE combine").nbytes, 14 * kMib);
  deployment.router = Router::logits;
  calls = calls_of(step_of(make_workload(model, deployment), 64));
  EXPECT_EQ(calls.at("MoE dispatch, router logits").nbytes, kMib);
}

TEST(Workload, SplitsAllReducesWhereSequenceParallelismBegins) {
  Deployment deployment = all_nccl(4);
  deployment.capability = 90;
  deployment.sequence_parallel = true;
  deployment.max_num_batched_tokens = 2048;  // 32 MiB, 8 of each GPU
  const Model model = model_named("llama-3.1-70b");
  const Workload workload = make_workload(model, deployment);
  EXPECT_EQ(step_of(workload, 512).calls[1].collective, Collective::allreduce);
  const Step& prefill = step_of(workload, 2048);
  EXPECT_EQ(prefill.calls[1].collective, Collective::reducescatter);
  EXPECT_EQ(prefill.calls[2].collective, Collective::allgather);
  EXPECT_EQ(prefill.calls[2].nbytes, 32 * kMib);
  EXPECT_EQ(count_calls(prefill), 1u + 2 * 2 * 80);
  deployment.max_num_batched_tokens = 2044;
  EXPECT_EQ(step_of(make_workload(model, deployment), 2044).calls[1].collective,
            Collective::allreduce);
  deployment.capability = 80;
  deployment.max_num_batched_tokens = 8192;
  const Workload unknown = make_workload(model, deployment);
  EXPECT_EQ(step_of(unknown, 8192).calls[1].collective, Collective::allreduce);
  EXPECT_NE(unknown.assumed.back().find("is not known"), std::string::npos);
  const Workload narrow = make_workload(model_named("llama-3.1-8b"), deployment);
  EXPECT_EQ(step_of(narrow, 8192).calls[1].collective, Collective::allreduce);
  EXPECT_NE(narrow.assumed.back().find("this one is 4096"), std::string::npos);
}

TEST(Workload, RefusesADeploymentThatDoesNotFitTheModel) {
  const auto refuses = [](const char* file, auto change) {
    Deployment deployment;
    change(deployment);
    EXPECT_THROW((void)make_workload(model_named(file), deployment), Malformed) << file;
  };
  refuses("llama-3.1-8b", [](Deployment&) {});
  refuses("llama-3.1-8b", [](Deployment& d) { d.dp = 2; });
  refuses("deepseek-v3", [](Deployment& d) { d.tp = d.dp = 2; });
  refuses("llama-3.1-8b", [](Deployment& d) { d.tp = 2, d.moe_hidden_size = 8192; });
  refuses("gpt-oss-120b", [](Deployment& d) { d.tp = 2, d.moe_hidden_size = 2879; });
  refuses("llama-3.1-8b", [](Deployment& d) { d.tp = 4, d.nodes = 3; });
}

TEST(CaptureSizes, AreThe51OfVllmUpTo512) {
  Deployment deployment;
  const auto sizes = capture_sizes(deployment);
  EXPECT_EQ(sizes.size(), 51u);
  EXPECT_EQ(std::vector<std::uint64_t>(sizes.begin(), sizes.begin() + 5),
            (std::vector<std::uint64_t>{1, 2, 4, 8, 16}));
  EXPECT_EQ(sizes.back(), 512u);
  EXPECT_EQ(sizes[34], 256u);
  EXPECT_EQ(sizes[35], 272u);
}

TEST(CaptureSizes, EndAtTwiceTheSequencesAndAtTheTokensOfAStep) {
  Deployment deployment;
  deployment.max_num_seqs = 10;
  EXPECT_EQ(capture_sizes(deployment), (std::vector<std::uint64_t>{1, 2, 4, 8, 16}));
  deployment.max_num_batched_tokens = 8;
  EXPECT_EQ(capture_sizes(deployment), (std::vector<std::uint64_t>{1, 2, 4, 8}));
  deployment = {};
  deployment.max_num_seqs = 1024;
  EXPECT_EQ(capture_sizes(deployment).back(), 512u);
  deployment.capability = 100;
  EXPECT_EQ(capture_sizes(deployment).back(), 1024u);
  deployment.capability = 120;
  EXPECT_EQ(capture_sizes(deployment).back(), 512u);
}

TEST(CaptureSizes, AreMultiplesOfWhatOneSequenceTakes) {
  Deployment deployment;
  deployment.max_num_seqs = 4;
  deployment.spec_tokens = 2;
  EXPECT_EQ(capture_sizes(deployment), (std::vector<std::uint64_t>{3, 6, 9, 18, 24}));
  deployment.sequence_parallel = true;
  deployment.tp = 2;
  EXPECT_EQ(capture_sizes(deployment), (std::vector<std::uint64_t>{6, 12, 18, 24}));
}

// ---- config.json that is not what it should be ----

std::string problem_of(const std::string& text) {
  try {
    (void)read_model(text);
  } catch (const Malformed& problem) {
    return problem.what();
  }
  return {};
}

std::string config(const std::string& more) {
  return R"({"model_type":"llama","hidden_size":64,"num_hidden_layers":2,"vocab_size":100)" + more +
         "}";
}

TEST(ReadModel, NamesWhatIsMissing) {
  EXPECT_EQ(problem_of(config("")), "");
  for (const std::string key : {"model_type", "hidden_size", "num_hidden_layers", "vocab_size"}) {
    std::string text = config("");
    text.replace(text.find(key), 1, "X");
    EXPECT_EQ(problem_of(text), "\"" + key + "\" is missing");
  }
}

TEST(ReadModel, RefusesWhatNoModelHas) {
  const auto with = [](const std::string& key, const std::string& value) {
    return problem_of(config(",\"" + key + "\":" + value));
  };
  for (const char* const value : {"0", "-1", "1.5", "1048577", "1e999", "\"64\"", "null", "[]"}) {
    EXPECT_NE(with("hidden_size", value), "") << value;
  }
  EXPECT_EQ(with("num_hidden_layers", "99999999999999999999"),
            "\"num_hidden_layers\" is 1e+20: allowed is a whole number from 1 to 10000");
  EXPECT_NE(with("vocab_size", "18446744073709551615"), "");
  EXPECT_NE(with("torch_dtype", "\"int4\""), "");
  EXPECT_NE(with("model_type", R"("\u001b[31m")"), "");
  EXPECT_NE(with("model_type", "\"" + std::string(65, 'a') + "\""), "");
  EXPECT_NE(with("num_experts", "8"), "");  // of how many each token uses is not said
  EXPECT_NE(with("num_experts", R"(8,"num_experts_per_tok":9)"), "");
  EXPECT_NE(with("num_experts", R"(8,"num_experts_per_tok":2,"first_k_dense_replace":3)"), "");
  EXPECT_NE(with("num_experts", R"(8,"num_experts_per_tok":2,"moe_layer_freq":0)"), "");
  EXPECT_NE(with("num_experts", R"(8,"num_experts_per_tok":2,"mlp_only_layers":[[]])"), "");
  EXPECT_EQ(with("num_experts", R"(8,"num_experts_per_tok":2,"mlp_only_layers":[0,7])"), "");
}

TEST(ReadModel, RefusesTextThatIsNoObject) {
  for (const char* const text :
       {"", "{", "[]", "7", "null", "\"x\"", "{\"hidden_size\":}", "\xff"}) {
    EXPECT_NE(problem_of(text), "") << text;
  }
  EXPECT_NE(problem_of(R"({"text_config":7})"), "");
}

TEST(ReadModel, SurvivesDeepNestingAndManyMembers) {
  EXPECT_EQ(problem_of(std::string(20'000, '[')), "nested too deeply");
  EXPECT_EQ(problem_of(config(",\"x\":" + std::string(20'000, '['))), "nested too deeply");
  std::string members;
  for (int i = 0; i < 200'000; ++i) members += ",\"k" + std::to_string(i) + "\":0";
  EXPECT_EQ(problem_of(config(members)), "");
  std::string objects = ",\"mlp_only_layers\":[{}";
  for (int i = 0; i < 100'000; ++i) objects += ",{}";
  EXPECT_EQ(problem_of(config(objects + "]")), "more than 20000 objects");
}

TEST(ReadModel, ReadsTheLanguageModelOfOneThatAlsoSees) {
  const Model model = read_model(R"({"torch_dtype":"float32","text_config":)" + config("") + "}");
  EXPECT_EQ(model.hidden_size, 64u);
  EXPECT_EQ(model.element_bytes, 4u);
}

TEST(ReadModel, SaysWhatItAssumes) {
  EXPECT_EQ(model_named("llama-3.1-8b").assumed.size(), 0u);
  EXPECT_EQ(model_named("gpt-oss-120b").assumed.size(), 2u);  // data type, padding
  std::string other = config(R"(,"torch_dtype":"float16")");
  other.replace(other.find("llama"), 5, "mamba");
  EXPECT_EQ(read_model(other).assumed.size(), 1u);
}

}  // namespace
}  // namespace vernier::workload
