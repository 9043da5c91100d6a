// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/command_line.hpp"

#include <fmt/format.h>

#include <memory>
#include <stdexcept>

#include "tools/calibrate/call_command_line.hpp"
#include "tools/calibrate/options.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/common/words.hpp"
#include "tools/workload/command_line.hpp"

namespace vernier {
namespace {

using calibrate::Options;

// Traffic instead of sizes and collectives: after add_call_options(), whose options it excludes.
void add_traffic(CLI::App& command, Options& options) {
  CLI::Option& model_config =
      *command.add_option("--model-config", options.model_config,
                          "measure what this model sends through NCCL: its config.json");
  model_config.type_name("FILE");
  CLI::Option& from_profile =
      *command.add_option("--from-profile", options.from_profile,
                          "measure what a job sent: NCCL_VERNIER_LOG_DIR of it, or a file of "
                          "`vernier profile suggest` or `vernier workload --json`");
  from_profile.type_name("FILE_OR_DIR")->excludes(&model_config);
  for (CLI::Option* const traffic : {&model_config, &from_profile}) {
    traffic->excludes(command.get_option("--sizes"));
    traffic->excludes(command.get_option("--collectives"));
  }
  model_config.excludes(command.get_option("--ranks"));
  workload::add_deployment_options(command, options.deployment, &model_config);
}

void add_bundles(CLI::App& command, Options& options) {
  command
      .add_option("--env-bundles", options.env_bundles,
                  "try sets of variables, each with a policy of its own, against none: shipped "
                  "(those that come with vernier), a file (docs/bundles-format.md), or none, which "
                  "also leaves out those of --refit's recording")
      ->type_name("shipped|FILE|none");
  add_bundle_option(command, options.bundles, "try this set, too; may be repeated");
  command.add_flag("--offer-conditional", options.offer_conditional,
                   "try sets, too, that are safe only under a condition, which is printed");
  command
      .add_option("--search-bundles", options.search_bundles,
                  "so many sets get a policy of their own at most, the most promising ones")
      ->check(CLI::Range(0, 64).description(""))
      ->capture_default_str();
}

void add_how(CLI::App& command, Options& options) {
  command
      .add_option("-o,--out", options.out,
                  "folder for measurements.jsonl, policy.toml and logs; a second run with the same "
                  "folder goes on where the first was stopped")
      ->capture_default_str();
  command.add_flag("--restart", options.restart, "throw away what the folder holds");
  command.add_option("--name", options.name, "name of the policy");
  command
      .add_option("--launches", options.launches,
                  "fresh launches that judge at most, after four that look for candidates")
      ->check(CLI::Range(2, 16).description(""))
      ->capture_default_str();
  command.add_option("--pairs", options.pairs, "fresh captures of each way, in each launch")
      ->check(CLI::Range(2, 100).description(""))
      ->capture_default_str();
  command
      .add_option("--max-extra-mib", options.max_extra_mib,
                  "GPU memory that the rules may add to a communicator")
      ->check(CLI::NonNegativeNumber)
      ->type_name("MIB")
      ->capture_default_str();
  command
      .add_option(
          "--hang-limit-s", options.hang_limit_s,
          "a check, or 25 captures, that take longer are killed, and what they ran is never "
          "proposed")
      ->check(CLI::Range(1.0, 3600.0).description(""))
      ->type_name("S")
      ->capture_default_str();
  command.add_option("--plugin", options.plugin,
                     "libnccl-tuner-vernier.so, which confirms the policy at the end (default: "
                     "beside this executable, or in ../lib)");
  command
      .add_option("--budget-s", options.budget_s,
                  "after so long no launch begins that only makes intervals narrower; what is not "
                  "certain then stays NCCL's (default: no limit)")
      ->check(CLI::PositiveNumber)
      ->type_name("S");
  command.add_flag("--exhaustive", options.exhaustive,
                   "judge every way there is, which takes ten times as long: shows what the search "
                   "misses");
  command.add_flag("--dry-run", options.dry_run, "print what would be measured, and for how long");
  command.add_flag("--json", options.json, "print one JSON document instead of text");
  command.add_flag("--quiet", options.quiet, "no progress on stderr");
}

void add_offline(CLI::App& command, Options& options) {
  auto* const replay = command.add_option(
      "--replay", options.replay,
      "run the whole search against this measurements.jsonl (or .gz) instead of GPUs");
  replay->excludes(command.get_option("--model-config"));
  replay->excludes(command.get_option("--from-profile"));
  for (const char* const bundles : {"--env-bundle", "--offer-conditional"}) {
    replay->excludes(command.get_option(bundles));
  }
  command.add_option("--seed", options.seed, "of the draws of a replay")
      ->needs(replay)
      ->capture_default_str();
  auto* const refit = command.add_option(
      "--refit", options.refit, "make the policy again from this measurements.jsonl (or .gz)");
  refit->excludes(replay);
  for (const char* const bundles : {"--env-bundle", "--offer-conditional"}) {
    refit->excludes(command.get_option(bundles));
  }
}

}  // namespace

void add_calibrate_command(CLI::App& app, Action& action) {
  CLI::App& command =
      *app.add_subcommand("calibrate", "Measure this machine and write a policy with evidence");
  auto options = std::make_shared<Options>();
  add_call_options(command, *options,
                   "measure under this variable, which then is a condition of the policy; may be "
                   "repeated");
  add_bundles(command, *options);
  add_traffic(command, *options);
  add_how(command, *options);
  add_offline(command, *options);
  command.callback([options, &action] {
    const bool measures = options->replay.empty() && options->refit.empty();
    if (!measures && !options->env_bundles.empty() && options->env_bundles != "none") {
      throw CLI::ValidationError("--env-bundles",
                                 "a recording has its own; allowed with it is none");
    }
    if (measures) find_place_in_job(*options);
    action = [options] {
      if (!options->replay.empty()) return calibrate::replay(*options);
      if (!options->refit.empty()) return calibrate::refit(*options);
      return calibrate::calibrate(*options);
    };
  });
  command.footer(
      "What NCCL can run a call with is checked for exact results, then timed against NCCL's\n"
      "own choice in CUDA graphs, in fresh captures and fresh launches. A rule is written where\n"
      "one is faster beyond doubt and not slower in eager mode; ties keep NCCL's choice. For a\n"
      "model or a profile, it says last what that is worth to it; with --refit, too, for another\n"
      "one. The method is docs/measuring.md; several hosts, docs/multi-node.md. Exit status 0\n"
      "with or without rules, 3 where it could not measure or was stopped. A set of variables,\n"
      "with its own policy, is compared with no set and its policy, launch by launch, and is in\n"
      "the policy only if it wins.\n"
      "Example: vernier calibrate --ranks 4 --out tp4\n"
      "         vernier calibrate --model-config config.json --tp 4 --out tp4\n"
      "         vernier calibrate --ranks 4 --env-bundles shipped --out tp4\n"
      "         vernier calibrate --emulate-nodes 2 --sizes 1KiB..1MiB --out two-nodes\n"
      "         mpirun -n 16 --bind-to none vernier calibrate --rendezvous node1:29517 --out 2x8");
}

}  // namespace vernier
