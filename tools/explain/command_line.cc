// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/command_line.hpp"

#include <memory>

#include "tools/explain/explain.hpp"
#include "tools/workload/command_line.hpp"

namespace vernier {

void add_explain_command(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand(
      "explain", "From logs and profiles: what NCCL ran, what was asked, why they differ");
  const auto options = std::make_shared<joblog::Options>();
  command
      .add_option("log", options->logs,
                  "logs of NCCL and vLLM, of all ranks; - is stdin; a directory is a job's "
                  "NCCL_VERNIER_LOG_DIR")
      ->type_name("LOG");
  command
      .add_option("--policy", options->policy,
                  "say what this policy asks: a file, or an inline: value")
      ->type_name("FILE");
  CLI::Option* const model =
      command
          .add_option("--model-config", options->model_config,
                      "does NCCL matter for this model? its config.json, as on Hugging Face")
          ->type_name("FILE");
  workload::add_deployment_options(command, options->deployment, model);
  workload::add_machine_options(command, options->deployment);
  for (const char* const name : {"--nodes", "--compute-capability", "--links"}) {
    command.get_option(name)->needs(model);
  }
  command.add_flag("--json", options->json, "print one JSON document instead of text");
  command.callback([options, &action] {
    if (options->logs.empty() && options->model_config.empty()) {
      throw CLI::RequiredError("LOG, or --model-config FILE");
    }
    action = [options] { return joblog::explain_job(*options); };
  });
  command.footer(
      "NCCL writes what is read here with NCCL_DEBUG=INFO, "
      "NCCL_DEBUG_SUBSYS=INIT,ENV,TUNING,COLL and,\n"
      "a file for each process, NCCL_DEBUG_FILE=/tmp/nccl.%h.%p. Bytes are those of a policy: of\n"
      "allgather and reducescatter the total of all ranks. Exit status 1: something is not as it "
      "was\n"
      "meant to be, or ranks disagree. docs/troubleshooting.md goes from symptoms to causes.\n"
      "Example: vernier explain /tmp/nccl.* vllm.log --policy policy.toml");
}

}  // namespace vernier
