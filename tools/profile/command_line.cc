// SPDX-License-Identifier: Apache-2.0
#include "tools/profile/command_line.hpp"

#include <memory>

#include "tools/profile/commands.hpp"

namespace vernier {
namespace {

using namespace profile;

void add_directory(CLI::App& command, std::string& directory) {
  command.add_option("directory", directory, "NCCL_VERNIER_LOG_DIR of the job")
      ->required()
      ->type_name("DIR");
}

void add_summary(CLI::App& parent, Action& action) {
  CLI::App& command = *parent.add_subcommand(
      "summary", "What the job sent to NCCL, and what share a policy could touch");
  const auto options = std::make_shared<SummaryOptions>();
  command.callback([options, &action] { action = [options] { return print_summary(*options); }; });
  add_directory(command, options->directory);
  command.add_flag("--json", options->json, "print one JSON document instead of text");
  command.footer(
      "Numbers are those of one process: where processes differ, of the one with least and the "
      "one\n"
      "with most. Bytes are those of a policy: of allgather and reducescatter the total of all "
      "ranks.");
}

void add_export(CLI::App& parent, Action& action) {
  CLI::App& command = *parent.add_subcommand("export", "The counters, for other programs");
  const auto options = std::make_shared<profile::ExportOptions>();
  command.callback([options, &action] { action = [options] { return export_profile(*options); }; });
  add_directory(command, options->directory);
  command
      .add_option(
          "--format", options->format,
          "csv: the rows of summary; jsonl: each process's own; chrome: a trace for Perfetto, of "
          "NCCL_VERNIER_PROFILE=full:raw; prometheus: a textfile for node_exporter")
      ->check(CLI::IsMember({"csv", "jsonl", "chrome", "prometheus"}))
      ->capture_default_str();
  command.add_option("--out", options->out, "file, which appears whole or not at all; - is stdout")
      ->capture_default_str()
      ->type_name("FILE");
}

void add_diff(CLI::App& parent, Action& action) {
  CLI::App& command = *parent.add_subcommand(
      "diff", "Two jobs side by side: calls, kernels, and medians with intervals");
  const auto options = std::make_shared<profile::DiffOptions>();
  command.callback([options, &action] { action = [options] { return diff_profiles(*options); }; });
  command.add_option("baseline", options->baseline, "NCCL_VERNIER_LOG_DIR of one job")
      ->required()
      ->type_name("DIR");
  command.add_option("candidate", options->candidate, "NCCL_VERNIER_LOG_DIR of the other")
      ->required()
      ->type_name("DIR");
  command.add_flag("--json", options->json, "print one JSON document instead of text");
  command.footer(
      "A ratio is baseline over candidate: above 1 the candidate is faster. \"slower\" means that "
      "the\n"
      "whole interval is below 1; then the exit status is 1.");
}

void add_suggest(CLI::App& parent, Action& action) {
  CLI::App& command = *parent.add_subcommand(
      "suggest", "Calls that a policy can touch, and how often they came (JSON)");
  const auto options = std::make_shared<SuggestOptions>();
  command.callback([options, &action] { action = [options] { return suggest_sizes(*options); }; });
  add_directory(command, options->directory);
}

void add_top(CLI::App& parent, Action& action) {
  CLI::App& command = *parent.add_subcommand("top", "What is sent to NCCL right now");
  const auto options = std::make_shared<TopOptions>();
  command.callback([options, &action] { action = [options] { return show_top(*options); }; });
  add_directory(command, options->directory);
  command.add_option("--interval", options->interval_s, "seconds; the plugin writes every second")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command.add_option("--rounds", options->rounds, "how often to print; 0: until interrupted")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
}

}  // namespace

void add_profile_commands(CLI::App& app, Action& action) {
  CLI::App& parent = *app.add_subcommand(
      "profile", "Read what the profiler plugin wrote: what NCCL was asked to do");
  parent.require_subcommand(1);
  add_summary(parent, action);
  add_export(parent, action);
  add_diff(parent, action);
  add_suggest(parent, action);
  add_top(parent, action);
}

}  // namespace vernier
