// SPDX-License-Identifier: Apache-2.0
//
// The command lines of `vernier policy`, with their help. One file, since CLI11 costs more to
// compile than all commands together.
#include "tools/policy/command_line.hpp"

#include <climits>
#include <memory>
#include <stdexcept>

#include "tools/common/words.hpp"
#include "tools/policy/arguments.hpp"
#include "tools/policy/commands.hpp"

namespace vernier {
namespace {

constexpr const char* kFileHelp =
    "policy file; - for stdin, or an inline:... value of NCCL_VERNIER_POLICY";
constexpr const char* kJsonHelp = "print one JSON document instead of text";
constexpr const char* kOutputHelp = "file to write; - is stdout";

// The options live as long as the action that reads them.
template <typename Options>
std::shared_ptr<Options> on_parsed(CLI::App& command, Action& action,
                                   ExitCode (*run)(const Options&)) {
  auto options = std::make_shared<Options>();
  command.callback([options, run, &action] { action = [options, run] { return run(*options); }; });
  return options;
}

// Runs `check`, which throws std::invalid_argument, for `option`.
template <typename Check>
auto judged(const std::string& option, Check check) {
  try {
    return check();
  } catch (const std::invalid_argument& error) {
    throw CLI::ValidationError(option, error.what());
  }
}

// An option whose text `parse` turns into the value.
template <typename Value, typename Parse>
CLI::Option* add_parsed(CLI::App& command, const std::string& name, Value& value, Parse parse,
                        const std::string& help) {
  return command
      .add_option_function<std::string>(
          name,
          [name, &value, parse](const std::string& text) {
            value = judged(name, [&] { return parse(text); });
          },
          help)
      ->type_name("TEXT");
}

void add_check(CLI::App& policy, Action& action) {
  CLI::App& command = *policy.add_subcommand("check", "Find errors and doubtful places");
  const auto options = on_parsed(command, action, check_policies);
  command.add_option("FILE", options->files, kFileHelp)->required();
  command.add_flag("--strict", options->strict, "warnings are findings too: exit status 1");
  command.add_flag("--json", options->json, "print one JSON document per file, one a line");
  command.footer(
      "Errors give exit status 1, warnings do not.\n"
      "Example: vernier policy check --strict policy.toml");
}

void add_show(CLI::App& policy, Action& action) {
  CLI::App& command = *policy.add_subcommand("show", "Print facts and an aligned table of rules");
  const auto options = on_parsed(command, action, show_policy);
  command.add_option("FILE", options->file, kFileHelp)->required();
  command.add_flag("--json", options->json, kJsonHelp);
  command.footer("Example: vernier policy show \"$NCCL_VERNIER_POLICY\"");
}

void add_call_options(CLI::App& command, Call& call) {
  add_parsed(command, "--collective", call.collective, collective_argument,
             "allreduce, allgather, reducescatter, broadcast or reduce")
      ->required();
  add_parsed(command, "--bytes", call.nbytes, bytes_argument,
             "size as NCCL's tuner sees it, such as 65536 or 64KiB; for allgather and "
             "reducescatter the total over all ranks")
      ->required();
  const auto from_one = CLI::Range(1, INT_MAX).description("");
  command.add_option("--ranks", call.ranks, "ranks of the communicator")
      ->required()
      ->check(from_one);
  command.add_option("--nodes", call.nodes, "nodes it spans")->required()->check(from_one);
  add_parsed(command, "--default", call.own_choice, choice_argument,
             "NCCL's own choice for this call, such as ring/ll; else the rule's instead_of is "
             "assumed");
  add_parsed(command, "--nccl", call.nccl, nccl_argument,
             "NCCL version, such as 2.28.9, to judge [match] nccl");
  command.add_option("--gpu", call.gpu, "the driver's name of the GPU, to judge [match] gpu");
}

void add_explain(CLI::App& policy, Action& action) {
  CLI::App& command =
      *policy.add_subcommand("explain", "Say what would be chosen for one call, and why");
  const auto options = on_parsed(command, action, explain_call);
  command.add_option("FILE", options->file, kFileHelp)->required();
  add_call_options(command, options->call);
  command.add_flag("--json", options->json, kJsonHelp);
  // What one option cannot tell alone.
  command.parse_complete_callback([options] {
    const Call& call = options->call;
    judged("--nodes", [&call] { require_nodes(call.ranks, call.nodes); });
    if (!call.own_choice) return;
    judged("--default", [&call] { require_possible(call.collective, *call.own_choice); });
  });
  command.footer(
      "Exit status 0 whatever the answer is.\n"
      "Example: vernier policy explain policy.toml --collective allreduce --bytes 64KiB \\\n"
      "           --ranks 4 --nodes 1 --default ring/ll --nccl 2.28.9");
}

void add_diff(CLI::App& policy, Action& action) {
  CLI::App& command = *policy.add_subcommand("diff", "Show where two policies decide differently");
  const auto options = on_parsed(command, action, diff_policies);
  command.add_option("A", options->a, kFileHelp)->required();
  command.add_option("B", options->b, kFileHelp)->required();
  command.add_flag("--json", options->json, kJsonHelp);
  command.footer(
      "Exit status 0 for equal digests, 1 for different ones.\n"
      "Example: vernier policy diff old.toml new.toml");
}

void add_digest(CLI::App& policy, Action& action) {
  CLI::App& command = *policy.add_subcommand("digest", "Print the digest of what it decides");
  const auto options = on_parsed(command, action, print_digest);
  command.add_option("FILE", options->file, kFileHelp)->required();
  command.add_flag("--json", options->json, kJsonHelp);
  command.footer(
      "Name, evidence, [measured_on], comments and the order of rules do not change it.\n"
      "Example: vernier policy digest policy.toml");
}

void add_import(CLI::App& policy, Action& action) {
  CLI::App& command =
      *policy.add_subcommand("import", "Convert the CSV of NCCL's example tuner to a policy");
  const auto options = on_parsed(command, action, import_csv);
  command.add_option("FILE", options->file, "CSV file; - for stdin")->required();
  command.add_option("-o,--output", options->output, kOutputHelp)->capture_default_str();
  const auto name = [](const std::string& text) {
    require_name(text);
    return text;
  };
  add_parsed(command, "--name", options->name, name, "name of the policy");
  command.add_flag("--json", options->json, kJsonHelp);
  command.footer(
      "The rules decide as the rows do, of which the first that matches wins, except:\n"
      "- Rows that cannot be said as rules are left out. Each is a finding on stderr and a line\n"
      "  at the top of the policy, and gives exit status 1.\n"
      "- Channels -1 leave NCCL's number. NCCL's example would set 1 channel.\n"
      "- Calls that match no rule are left to NCCL. NCCL's example would set 1 channel.\n"
      "- Where a row's choice does not exist on the machine, NCCL decides. NCCL's example would\n"
      "  try later rows.\n"
      "Example: vernier policy import nccl_tuner.conf --name my-cluster -o policy.toml");
}

void add_export(CLI::App& policy, Action& action) {
  CLI::App& command = *policy.add_subcommand(
      "export", "Convert to the CSV of NCCL's example tuner, or to one line");
  const auto options = on_parsed(command, action, export_policy);
  command.add_option("FILE", options->file, kFileHelp)->required();
  command
      .add_option("--format", options->format,
                  "csv: for NCCL's example tuner; inline: a value of NCCL_VERNIER_POLICY")
      ->required()
      ->check([](const std::string& word) {
        return judge_word(word, {"csv", "inline"});
      });
  command.add_option("-o,--output", options->output, kOutputHelp)->capture_default_str();
  command.add_flag("--json", options->json, kJsonHelp);
  command.footer(
      "What the format cannot carry is listed on stderr.\n"
      "Example: export NCCL_VERNIER_POLICY=$(vernier policy export policy.toml --format inline)");
}

}  // namespace

void add_policy_commands(CLI::App& app, Action& action) {
  CLI::App& policy = *app.add_subcommand("policy", "Check, show, compare and convert policies");
  policy.require_subcommand(1);
  policy.footer(
      "Where a policy has errors, check gives exit status 1 and every other command 3.\n"
      "Example: vernier policy check policy.toml");
  add_check(policy, action);
  add_show(policy, action);
  add_explain(policy, action);
  add_diff(policy, action);
  add_digest(policy, action);
  add_import(policy, action);
  add_export(policy, action);
}

}  // namespace vernier
