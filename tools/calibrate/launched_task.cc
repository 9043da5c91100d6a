// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/launched_task.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <stdexcept>
#include <vector>

namespace vernier::calibrate {
namespace {

// Where each launcher writes what. torchrun and people by hand: the first.
struct Names {
  const char* rank;
  const char* ranks;
  const char* local_rank;
};
constexpr Names kTorch{"RANK", "WORLD_SIZE", "LOCAL_RANK"};
constexpr Names kOpenMpi{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                         "OMPI_COMM_WORLD_LOCAL_RANK"};
constexpr Names kPmi{"PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"};  // MPICH, Intel MPI
constexpr Names kSlurmStep{"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"};
constexpr Names kSlurm{"SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"};

constexpr int kTorchPort = 29500;  // of torchrun, where MASTER_PORT is not set
constexpr int kPortsAbove = 17;    // MASTER_PORT itself is torch's store's

int parse_number(const char* what, std::string_view text, int least, int most) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    throw std::invalid_argument(
        fmt::format("{} is \"{}\": allowed is {} to {}", what, text, least, most));
  }
  return value;
}

// All three variables, or none; one rank is no launcher, with or without the other two.
std::optional<LaunchedTask> read(const Names& names, const ReadVariable& variable) {
  constexpr int kMostRanks = 1 << 20;
  std::string missing;
  std::string there;
  std::array<std::string, 3> texts;
  const std::array<const char*, 3> all{names.rank, names.ranks, names.local_rank};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto text = variable(all[i]);
    std::string& list = text ? there : missing;
    list += fmt::format("{}{}", list.empty() ? "" : " and ", all[i]);
    texts[i] = text.value_or("");
  }
  if (there.empty()) return std::nullopt;
  if (texts[1] == "1") return LaunchedTask{0, 1, 0, names.rank};
  if (!missing.empty()) {
    throw std::invalid_argument(
        fmt::format("{} set, but not {}: set all three on each rank, or none", there, missing));
  }
  LaunchedTask task{0, parse_number(names.ranks, texts[1], 1, kMostRanks), 0, names.rank};
  task.rank = parse_number(names.rank, texts[0], 0, task.ranks - 1);
  task.local_rank = parse_number(names.local_rank, texts[2], 0, task.ranks - 1);
  return task;
}

std::string run_of(const LaunchedTask& task, const ReadVariable& variable) {
  if (const auto id = variable("TORCHELASTIC_RUN_ID")) return "torchrun " + *id;
  const auto job = variable("SLURM_JOB_ID");
  const auto step = variable("SLURM_STEP_ID");
  // Under an mpirun there is a step on some hosts only.
  if (task.source != kSlurm.rank || !job || !step) return {};
  return fmt::format("slurm {}.{}", *job, *step);
}

bool is_set(const Names& names, const ReadVariable& variable) {
  return variable(names.rank) || variable(names.ranks);
}

}  // namespace

std::optional<LaunchedTask> find_launched_task(const ReadVariable& variable) {
  // torchrun may itself have been started by one of the others, once for each node.
  std::vector<Names> speak;
  if (variable("TORCHELASTIC_RUN_ID")) {
    speak = {kTorch};
  } else {
    for (const Names& names : {kTorch, kOpenMpi, kPmi}) {
      if (is_set(names, variable)) speak.push_back(names);
    }
    // An mpirun in a Slurm job passes on the variables of its own step.
    const bool under_mpi = is_set(kOpenMpi, variable) || is_set(kPmi, variable);
    if (!under_mpi && variable(kSlurmStep.ranks)) {
      speak.push_back(kSlurmStep);
    } else if (!under_mpi && variable(kSlurm.ranks) && variable(kSlurm.rank)) {
      speak.push_back(kSlurm);
    }
  }
  std::optional<LaunchedTask> first;
  for (const Names& names : speak) {
    const auto task = read(names, variable);
    if (!task) continue;
    if (!first) {
      first = task;
    } else if (first->rank != task->rank || first->ranks != task->ranks) {
      throw std::invalid_argument(fmt::format(
          "{} says rank {} of {}, {} says rank {} of {}: unset the variables that are not this "
          "launcher's",
          first->source, first->rank, first->ranks, task->source, task->rank, task->ranks));
    }
  }
  if (!first || first->ranks == 1) return std::nullopt;
  first->run = run_of(*first, variable);
  return first;
}

Rendezvous parse_rendezvous(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon == std::string::npos ? 0 : colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string::npos)) {
    throw std::invalid_argument(fmt::format(
        "\"{}\": allowed is HOST:PORT, of rank 0, with an IPv6 address in brackets", text));
  }
  return {host, parse_number("the port", text.substr(colon + 1), 1, 65535)};
}

Rendezvous find_rendezvous(const std::string& asked, const LaunchedTask& task,
                           const std::string& own_host, const ReadVariable& variable) {
  if (!asked.empty()) return parse_rendezvous(asked);
  if (const auto host = variable("MASTER_ADDR"); host && !host->empty()) {
    const auto port = variable("MASTER_PORT");
    return {*host, kPortsAbove + (port ? parse_number("MASTER_PORT", *port, 1, 65535 - kPortsAbove)
                                       : kTorchPort)};
  }
  // An mpirun's step is its daemons', and not on its own host.
  std::optional<std::string> nodes;
  if (task.source == kSlurm.rank) nodes = variable("SLURM_STEP_NODELIST");
  if (!nodes || nodes->empty()) nodes = variable("SLURM_JOB_NODELIST");
  if (nodes && !nodes->empty()) return {first_host(*nodes), kTorchPort + kPortsAbove};
  throw std::invalid_argument(fmt::format(
      "{} says rank {} of {}, but nothing says where rank 0 is: add --rendezvous {}:{}, or set "
      "MASTER_ADDR and MASTER_PORT",
      task.source, task.rank, task.ranks, task.rank == 0 ? own_host : "HOST_OF_RANK_0",
      kTorchPort + kPortsAbove));
}

std::string first_host(std::string_view nodelist) {
  std::string host;
  bool in_brackets = false;
  bool passed_over = false;  // the rest of what is in the brackets
  for (const char c : nodelist) {
    if (c == '[' || c == ']') {
      in_brackets = c == '[';
      passed_over = false;
    } else if (in_brackets && (c == '-' || c == ',')) {
      passed_over = true;
    } else if (c == ',') {
      break;
    } else if (!passed_over) {
      host += c;
    }
  }
  return host;
}

}  // namespace vernier::calibrate
