// SPDX-License-Identifier: Apache-2.0
#include "tools/workload/command_line.hpp"

#include <array>
#include <memory>
#include <string>

#include "tools/common/words.hpp"
#include "tools/workload/print_workload.hpp"
#include "vernier/names.hpp"

namespace vernier {
namespace {

using workload::Deployment;

// An option whose value is one of `names`, which are in the order of `Enum`.
template <typename Enum, std::size_t N, typename Target>
CLI::Option& add_choice(CLI::App& command, const char* name, Target& target,
                        const std::array<std::string_view, N>& names, const std::string& what) {
  return *command
              .add_option_function<std::string>(
                  name,
                  [&target, &names](const std::string& word) {
                    target = find_name<Enum>(names, word).value();
                  },
                  what)
              ->check([&names](const std::string& word) -> std::string {
                return judge_word(word, {names.begin(), names.end()});
              })
              ->type_name("TEXT");
}

}  // namespace

void workload::add_machine_options(CLI::App& command, Deployment& deployment) {
  command.add_option("--nodes", deployment.nodes, "hosts over which the ranks are spread evenly")
      ->check(CLI::Range(1, 4096).description(""))
      ->capture_default_str();
  command
      .add_option_function<std::string>(
          "--compute-capability",
          [&deployment](const std::string& text) {
            deployment.capability = workload::parse_capability(text);
          },
          "of the GPUs (default: 9.0, which is said)")
      ->check([](const std::string& text) -> std::string {
        return workload::parse_capability(text) != 0 ? "" : "allowed is MAJOR.MINOR, such as 9.0";
      })
      ->type_name("X.Y");
  (void)add_choice<workload::Links>(command, "--links", deployment.links, workload::kLinksNames,
                                    "how the GPUs of a node reach each other: nvlink, pcie, or "
                                    "no-p2p where they cannot (default: "
                                    "what such GPUs have, which is said)");
}

void workload::add_deployment_options(CLI::App& command, Deployment& deployment,
                                      CLI::Option* needed) {
  const auto add = [&](CLI::Option* option) {
    if (needed != nullptr) option->needs(needed);
  };
  add(command.add_option("--tp", deployment.tp, "ranks of tensor parallelism")
          ->check(CLI::Range(1, 4096).description("")));
  add(command
          .add_option("--dp", deployment.dp,
                      "ranks of data parallelism that share the experts (expert parallelism)")
          ->check(CLI::Range(1, 4096).description("")));
  add(&add_choice<workload::Engine>(command, "--engine", deployment.engine, workload::kEngineNames,
                                    "whose kernels run what, of vllm, vllm-no-custom-ar "
                                    "(--disable-custom-all-reduce), sglang and "
                                    "all-nccl (default: vllm)"));
  add(command
          .add_option("--max-num-seqs", deployment.max_num_seqs,
                      "sequences of a step, as the engine is told")
          ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 20).description(""))
          ->capture_default_str());
  add(command
          .add_option("--max-num-batched-tokens", deployment.max_num_batched_tokens,
                      "tokens of the largest prefill, as the engine is told")
          ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 20).description(""))
          ->capture_default_str());
  add(command.add_option("--spec-tokens", deployment.spec_tokens, "speculative tokens a sequence")
          ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{64}).description(""))
          ->capture_default_str());
  add(command.add_flag("--sequence-parallel", deployment.sequence_parallel,
                       "vLLM's sequence-parallel pass is on"));
  add(&add_choice<workload::Router>(
      command, "--router", deployment.router, workload::kRouterNames,
      "what goes with dispatched tokens: topk (expert ids and weights) or logits (default: topk)"));
  add(command
          .add_option("--moe-hidden-size", deployment.moe_hidden_size,
                      "elements a token of the experts' all-reduce, where they are padded")
          ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 20).description(""))
          ->type_name("N"));
}

void add_workload_command(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand(
      "workload", "The collectives of a model's inference step, and which of them reach NCCL");
  const auto options = std::make_shared<workload::PrintOptions>();
  command
      .add_option("--model-config", options->model_config,
                  "config.json of the model, as on Hugging Face; - is stdin")
      ->required()
      ->type_name("FILE");
  workload::add_deployment_options(command, options->deployment, nullptr);
  workload::add_machine_options(command, options->deployment);
  command.add_flag("--json", options->json, "print one JSON document instead of text");
  command.callback([options, &action] { action = [options] { return print_workload(*options); }; });
  command.footer(
      "Bytes are those of a policy: of allgather and reducescatter the total of all ranks. The\n"
      "formulas, and where each is from, are in docs/workload.md. With --json the document that\n"
      "vernier calibrate --from-profile reads.\n"
      "Example: vernier workload --model-config config.json --tp 4 --links pcie");
}

}  // namespace vernier
