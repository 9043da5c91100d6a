// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/command_line.hpp"

#include <memory>

#include "tools/bench/bench.hpp"
#include "tools/calibrate/call_command_line.hpp"
#include "tools/common/words.hpp"

namespace vernier {

void add_bench_command(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand(
      "bench",
      "Time NCCL's own choice against a policy, through the plugin, and environment bundles");
  auto options = std::make_shared<bench::Options>();
  command.add_option("--policy", options->policy, "the policy")->type_name("FILE");
  add_bundle_option(command, options->bundles,
                    "time this set of variables, too, in processes of its own; may be repeated");
  add_call_options(command, *options, "measure under this variable; may be repeated");
  command.add_option("--plugin", options->plugin,
                     "libnccl-tuner-vernier.so (default: beside this executable, or in ../lib)");
  command.add_flag_callback(
      "--eager", [options] { options->mode = calibrate::Mode::eager; },
      "calls one by one, not in CUDA graphs");
  command.add_option("--launches", options->launches, "fresh launches")
      ->check(CLI::Range(2, 16).description(""))
      ->capture_default_str();
  command.add_option("--pairs", options->pairs, "fresh captures of each, in each launch")
      ->check(CLI::Range(2, 100).description(""))
      ->capture_default_str();
  command
      .add_option("--compare", options->compare,
                  "what nccl-tests printed or wrote as JSON for this collective: its out-of-place "
                  "times are shown beside; of one --collectives only")
      ->type_name("FILE");
  command.add_option("--format", options->format, "text, csv or json")
      ->check([](const std::string& word) {
        return judge_word(word, {"text", "csv", "json"});
      })
      ->type_name("TEXT")
      ->capture_default_str();
  command.add_flag("--quiet", options->quiet, "no progress on stderr");
  command.callback([options, &action] {
    if (!options->compare.empty() && options->collectives.size() != 1) {
      throw CLI::ValidationError("--compare", "needs one collective: add --collectives NAME");
    }
    if (options->policy.empty() && options->bundles.empty()) {
      throw CLI::RequiredError("--policy or --env-bundle");
    }
    find_place_in_job(*options);
    action = [options] { return bench::run_bench(*options); };
  });
  command.footer(
      "Both run in one process, on two communicators of one NCCL: the plugin is off on one and\n"
      "has the policy on the other. A bundle runs in processes of its own, a launch of it after\n"
      "each launch without, alone and with the policy where its [environment] is met; both are\n"
      "compared with NCCL's own choice without the bundle. Exit status 0; 1 where a size "
      "regresses\n"
      "(its 95 % interval lies below 0.98); 3 where it could not measure.\n"
      "Example: vernier bench --policy tp4/policy.toml --ranks 4 --sizes 4KiB..4MiB,5760");
}

}  // namespace vernier
