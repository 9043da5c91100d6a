// SPDX-License-Identifier: Apache-2.0
//
// vernier, the command-line tool.
#include <CLI/CLI.hpp>
#include <exception>
#include <string_view>

#include "tools/bench/command_line.hpp"
#include "tools/calibrate/command_line.hpp"
#include "tools/calibrate/live/rank.hpp"
#include "tools/common/command.hpp"
#include "tools/common/output.hpp"
#include "tools/common/usage.hpp"
#include "tools/doctor/command_line.hpp"
#include "tools/env/command_line.hpp"
#include "tools/explain/command_line.hpp"
#include "tools/policy/command_line.hpp"
#include "tools/profile/command_line.hpp"
#include "tools/workload/command_line.hpp"

namespace vernier {
namespace {

ExitCode run(int argc, char** argv) {
  CLI::App app("vernier makes NCCL choose well for small messages, and proves it.", "vernier");
  app.set_version_flag("--version", "vernier " VERNIER_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Results go to stdout, everything else to stderr. Exit status: 0 fine, 1 findings, 2 usage,\n"
      "3 could not look. With --json a result is one JSON document on one line.");
  Action action;
  add_bench_command(app, action);
  add_calibrate_command(app, action);
  add_doctor_command(app, action);
  add_env_command(app, action);
  add_explain_command(app, action);
  add_policy_commands(app, action);
  add_profile_commands(app, action);
  add_workload_command(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    app.exit(asked);
    return ExitCode::fine;
  } catch (const CLI::ParseError& error) {
    print_talk(describe_usage_error(app, error));
    return ExitCode::usage;
  }
  return action();
}

ExitCode run_and_flush(int argc, char** argv) {
  const ExitCode code = run(argc, argv);
  if (flush_results()) return code;
  print_talk("vernier: error: stdout cannot be written");
  return ExitCode::could_not_look;
}

}  // namespace
}  // namespace vernier

int main(int argc, char** argv) {
  // A process that `vernier calibrate` started: not a command for people.
  if (argc == 3 && std::string_view(argv[1]) == vernier::calibrate::kRankArgument) {
    return vernier::calibrate::run_rank(argv[2]);
  }
  try {
    return static_cast<int>(vernier::run_and_flush(argc, argv));
  } catch (const std::exception& error) {  // out of memory, or an error of ours
    vernier::print_talk(std::string("vernier: error: ") + error.what());
    return static_cast<int>(vernier::ExitCode::could_not_look);
  }
}
