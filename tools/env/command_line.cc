// SPDX-License-Identifier: Apache-2.0
#include "tools/env/command_line.hpp"

#include <memory>

#include "tools/env/env.hpp"

namespace vernier {

void add_env_command(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("env", "Print the variables that make NCCL run a policy");
  const auto options = std::make_shared<EnvOptions>();
  command.callback([options, &action] { action = [options] { return print_env(*options); }; });
  command.add_option("--policy", options->policy, "policy file")->required()->type_name("FILE");
  command
      .add_option(
          "--format", options->format,
          "sh: export lines; docker: arguments of docker run, the mount of the file included")
      ->check(CLI::IsMember({"sh", "docker"}))
      ->capture_default_str();
  command.add_flag("--inline", options->inline_policy,
                   "the policy itself instead of its path: needed on several nodes, before NCCL "
                   "2.28.3, under NCCL_COMM_ID, and where ranks do not share /dev/shm");
  command
      .add_option("--plugin", options->plugin,
                  "name or path of the tuner plugin, as the serving process sees it")
      ->capture_default_str()
      ->type_name("NAME");
  command.add_flag("--json", options->json, "print one JSON document instead of text");
  command.footer(
      "Every rank has to get the same. Of a path, the ranks of a node compare what they read\n"
      "before they use it.\n"
      "Example: eval \"$(vernier env --policy policy.toml)\"\n"
      "         docker run --gpus all $(vernier env --policy policy.toml --format docker) IMAGE");
}

}  // namespace vernier
