// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/call_command_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <stdexcept>

#include "tools/calibrate/bundles/bundle.hpp"
#include "tools/calibrate/plan.hpp"
#include "tools/common/words.hpp"

namespace vernier {
namespace {

using calibrate::CallOptions;

// NAME=VALUE. Only what NCCL reads can be stated in a policy, and some are ours to set.
void add_variable(CallOptions& options, const std::string& text) {
  try {
    const auto [name, value] = calibrate::parse_variable(text);
    options.environment[name] = value;
  } catch (const std::invalid_argument& problem) {
    throw CLI::ValidationError("--env", problem.what());
  }
}

}  // namespace

void add_call_options(CLI::App& command, CallOptions& options, const std::string& env_help) {
  command
      .add_option_function<std::vector<std::string>>(
          "--collectives",
          [&options](const std::vector<std::string>& names) {
            options.collectives.clear();
            for (const std::string& name : names) {
              if (const auto collective = find_collective(name)) {
                options.collectives.push_back(*collective);
                continue;
              }
              throw CLI::ValidationError(
                  "--collectives",
                  judge_word(name, {kCollectiveNames.begin(), kCollectiveNames.end()}));
            }
          },
          "any of allreduce, allgather, reducescatter, broadcast, reduce (default: the first "
          "three)")
      ->delimiter(',')
      ->type_name("TEXT,...");
  command
      .add_option("--sizes", options.sizes,
                  "total bytes as NCCL's tuner counts them: a range of powers of two, or a list, "
                  "such as 1KiB..1MiB,5760")
      ->check([](const std::string& text) -> std::string {
        try {
          (void)calibrate::parse_sizes(text);
          return {};
        } catch (const std::invalid_argument& error) {
          return error.what();
        }
      })
      ->type_name("SIZES")
      ->capture_default_str();
  command.add_option("--dtype", options.data_type, std::string(calibrate::kDataTypeNames))
      ->check([](const std::string& name) -> std::string {
        return judge_word(name, {"bfloat16", "float16", "float32"});
      })
      ->type_name("TEXT")
      ->capture_default_str();
  command.add_option("--ranks", options.ranks, "GPUs to use (default: all)")
      ->check(CLI::Range(2, 64).description(""));
  command
      .add_option("--emulate-nodes", options.emulate_nodes,
                  "make ranks take each other for that many hosts, which talk TCP over loopback: "
                  "shows that tuning works, says nothing about a network")
      ->check(CLI::Range(1, 64).description(""))
      ->capture_default_str();
  command
      .add_option_function<std::vector<std::string>>(
          "--env",
          [&options](const std::vector<std::string>& variables) {
            for (const std::string& variable : variables) add_variable(options, variable);
          },
          env_help)
      ->type_name("NCCL_NAME=VALUE")
      ->allow_extra_args(false);
  command.add_option("--nccl", options.nccl,
                     "libnccl.so.2 to measure (default: VLLM_NCCL_SO_PATH, what the loader finds, "
                     "the Python package nvidia.nccl)");
  add_rendezvous_options(command, options);
}

void add_rendezvous_options(CLI::App& command, CallOptions& options) {
  command
      .add_option("--rendezvous", options.rendezvous,
                  "under mpirun, srun or torchrun: where the ranks meet, a host name or address of "
                  "rank 0 (default: MASTER_ADDR:MASTER_PORT+17, else the first host of "
                  "SLURM_STEP_NODELIST or SLURM_JOB_NODELIST)")
      ->type_name("HOST:PORT");
  command
      .add_option("--rendezvous-timeout-s", options.rendezvous_timeout_s,
                  "a rank that has not appeared after so long ends the run")
      ->check(CLI::Range(1.0, 3600.0).description(""))
      ->type_name("S")
      ->capture_default_str();
}

void find_place_in_job(CallOptions& options) {
  const calibrate::ReadVariable variable = [](const char* name) -> std::optional<std::string> {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  try {
    options.task = calibrate::find_launched_task(variable);
  } catch (const std::invalid_argument& error) {
    throw CLI::ValidationError("the launcher's variables", error.what());
  }
  if (!options.task) {
    if (options.rendezvous.empty()) return;
    throw CLI::ValidationError("--rendezvous",
                               "no launcher started several tasks: RANK, OMPI_COMM_WORLD_RANK, "
                               "PMI_RANK or SLURM_PROCID would say which one this is");
  }
  try {
    options.meeting =
        calibrate::find_rendezvous(options.rendezvous, *options.task, host.data(), variable);
  } catch (const std::invalid_argument& error) {
    throw CLI::ValidationError("--rendezvous", error.what());
  }
  if (options.ranks != 0 && options.ranks != options.task->ranks) {
    throw CLI::ValidationError("--ranks",
                               fmt::format("{} ranks, but {} says {}: leave it out", options.ranks,
                                           options.task->source, options.task->ranks));
  }
  if (options.task->ranks % options.emulate_nodes != 0) {
    throw CLI::ValidationError("--emulate-nodes",
                               fmt::format("{} ranks cannot be spread evenly over {} nodes",
                                           options.task->ranks, options.emulate_nodes));
  }
}

void add_bundle_option(CLI::App& command, std::vector<calibrate::Bundle>& bundles,
                       const std::string& help) {
  command
      .add_option_function<std::vector<std::string>>(
          "--env-bundle",
          [&bundles](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              try {
                bundles.push_back(calibrate::parse_bundle(text));
              } catch (const std::invalid_argument& problem) {
                throw CLI::ValidationError("--env-bundle", problem.what());
              }
            }
          },
          help)
      ->type_name("\"NAME: NCCL_A=V NCCL_B=V\"")
      ->allow_extra_args(false);
}

}  // namespace vernier
