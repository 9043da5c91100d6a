// SPDX-License-Identifier: Apache-2.0
//
// Which rank of a job this process is, and where the ranks of that job meet, as mpirun, srun or
// torchrun told it by environment variables. Pure: the variables come from the caller.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace vernier::calibrate {

struct LaunchedTask {
  int rank;
  int ranks;           // above 1
  int local_rank;      // among the tasks of this host: which GPU it takes
  std::string source;  // the variable that told the rank: "OMPI_COMM_WORLD_RANK"
  // What tells this start of the job from another: torchrun's run id, "slurm 71.0"; empty where the
  // launcher gives none that all tasks have.
  std::string run{};
};

struct Rendezvous {
  std::string host;  // name, IPv4, or IPv6 without brackets
  int port;
};

// The value of an environment variable; nullopt where it is not set.
using ReadVariable = std::function<std::optional<std::string>(const char* name)>;

// nullopt where no launcher started this process, or it started one task only.
// std::invalid_argument where variables are missing, are no numbers, or contradict one another.
[[nodiscard]] std::optional<LaunchedTask> find_launched_task(const ReadVariable& variable);

// HOST:PORT, or [IPV6]:PORT. std::invalid_argument.
[[nodiscard]] Rendezvous parse_rendezvous(const std::string& text);

// `asked` where it is not empty; else MASTER_ADDR:MASTER_PORT+17; else the first host of
// SLURM_STEP_NODELIST, where srun started this task, or SLURM_JOB_NODELIST. std::invalid_argument
// where none of these is there; then the text says what to add. `own_host` is this host's name.
[[nodiscard]] Rendezvous find_rendezvous(const std::string& asked, const LaunchedTask& task,
                                         const std::string& own_host, const ReadVariable& variable);

// Of Slurm's compressed form: "node01" of "node[01-03,07],gpu5".
[[nodiscard]] std::string first_host(std::string_view nodelist);

}  // namespace vernier::calibrate
