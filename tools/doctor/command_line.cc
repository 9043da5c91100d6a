// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/command_line.hpp"

#include <memory>

#include "tools/calibrate/call_command_line.hpp"
#include "tools/doctor/doctor.hpp"

namespace vernier {

void add_doctor_command(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand(
      "doctor",
      "Look at GPUs, NICs, links, NCCL, plugins and variables: facts, then what is wrong");
  const auto options = std::make_shared<doctor::Options>();
  command.callback([options, &action] {
    if (options->can_compare()) find_place_in_job(options->call);
    action = [options] { return doctor::run_doctor(*options); };
  });
  CLI::Option& machine =
      *command
           .add_option("--machine", options->machine,
                       "look at the machine that DIR/machine.json describes, instead of this one")
           ->type_name("DIR");
  CLI::Option& record =
      *command
           .add_option("--record", options->record,
                       "also write what was looked at to DIR/machine.json: for a report of a "
                       "problem, or a test. Of the environment it holds NCCL's and vLLM's "
                       "variables and library paths; and addresses of network ports (GIDs)")
           ->type_name("DIR")
           ->excludes(&machine);
  command.add_option("--name", options->name, "of the machine, in the recording")
      ->needs(&record)
      ->type_name("TEXT");
  command
      .add_flag("--measure", options->measure,
                "also copy between each pair of GPUs: bandwidth, and time of a small copy; holds "
                "64 MiB of each GPU for some seconds, and disturbs a job that runs there")
      ->excludes(&machine);
  CLI::Option& alone = *command.add_flag(
      "--alone", options->alone,
      "under mpirun, srun or torchrun, or where their variables are left: look at this "
      "machine only; so do --machine, --record and --measure");
  add_rendezvous_options(command, options->call);
  alone.excludes(command.get_option("--rendezvous"));
  command.add_flag("--json", options->json, "print one JSON document instead of text");
  command.footer(
      "As each task of mpirun, srun or torchrun, rank 0 prints its own report and what differs "
      "between ranks.\n"
      "Needs no root; what only root may read is said to be unreadable. Run it in the environment\n"
      "that serves: its container, its Python, its variables. Exit status 1: a warning or an "
      "error\n"
      "is among the findings; notes alone leave it 0.\n"
      "Example: vernier doctor --json | jq '.findings[] | select(.severity != \"note\")'");
}

}  // namespace vernier
