// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/launched_task.hpp"

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>

namespace vernier::calibrate {
namespace {

using Variables = std::map<std::string, std::string>;

ReadVariable from(Variables variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

// "rank/ranks/local rank" by the variable that told it; "none"; or why not.
std::string place(const Variables& variables) {
  try {
    const auto task = find_launched_task(from(variables));
    if (!task) return "none";
    return std::to_string(task->rank) + "/" + std::to_string(task->ranks) + "/" +
           std::to_string(task->local_rank) + " " + task->source;
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

Variables joined(Variables a, const Variables& b) {
  a.insert(b.begin(), b.end());
  return a;
}

const Variables kTorch{{"RANK", "5"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "1"}};
const Variables kOpenMpi{{"OMPI_COMM_WORLD_RANK", "5"},
                         {"OMPI_COMM_WORLD_SIZE", "8"},
                         {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}};
const Variables kPmi{{"PMI_RANK", "5"}, {"PMI_SIZE", "8"}, {"MPI_LOCALRANKID", "1"}};
const Variables kSlurm{{"SLURM_PROCID", "5"}, {"SLURM_NTASKS", "8"}, {"SLURM_LOCALID", "1"}};

TEST(LaunchedTask, IsWhatEachLauncherSays) {
  EXPECT_EQ(place({}), "none");
  EXPECT_EQ(place(kTorch), "5/8/1 RANK");
  EXPECT_EQ(place(kOpenMpi), "5/8/1 OMPI_COMM_WORLD_RANK");
  EXPECT_EQ(place(kPmi), "5/8/1 PMI_RANK");
  EXPECT_EQ(place(kSlurm), "5/8/1 SLURM_PROCID");
  EXPECT_EQ(place(joined({{"SLURM_STEP_NUM_TASKS", "6"}}, kSlurm)), "5/6/1 SLURM_PROCID");
}

TEST(LaunchedTask, IsNobodyAmongOneTask) {
  EXPECT_EQ(place({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}}), "none");
  EXPECT_EQ(place({{"RANK", "0"}, {"WORLD_SIZE", "1"}}), "none");
  EXPECT_EQ(place({{"WORLD_SIZE", "1"}}), "none");
}

TEST(LaunchedTask, NeedsAllThreeNumbers) {
  EXPECT_EQ(place({{"RANK", "0"}, {"WORLD_SIZE", "2"}}),
            "RANK and WORLD_SIZE set, but not LOCAL_RANK: set all three on each rank, or none");
  EXPECT_EQ(place({{"WORLD_SIZE", "2"}}),
            "WORLD_SIZE set, but not RANK and LOCAL_RANK: set all three on each rank, or none");
  EXPECT_EQ(place({{"LOCAL_RANK", "2"}}), "none") << "says nothing of a job";
  EXPECT_EQ(place({{"RANK", "2"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "0"}}),
            "RANK is \"2\": allowed is 0 to 1");
  EXPECT_EQ(place({{"RANK", "1x"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "0"}}),
            "RANK is \"1x\": allowed is 0 to 1");
  EXPECT_EQ(place({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", ""}}),
            "LOCAL_RANK is \"\": allowed is 0 to 1");
}

TEST(LaunchedTask, RefusesLaunchersThatContradictOneAnother) {
  EXPECT_EQ(place(joined(kTorch, kOpenMpi)), "5/8/1 RANK");
  EXPECT_EQ(
      place(joined({{"RANK", "4"}, {"WORLD_SIZE", "8"}, {"LOCAL_RANK", "1"}}, kOpenMpi)),
      "RANK says rank 4 of 8, OMPI_COMM_WORLD_RANK says rank 5 of 8: unset the variables that are "
      "not this launcher's");
  // Left over from a container: each task of srun would calibrate alone.
  EXPECT_NE(place(joined({{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}}, kSlurm))
                .find("RANK says rank 0 of 1, SLURM_PROCID says rank 5 of 8"),
            std::string::npos);
}

TEST(LaunchedTask, IsTheInnermostLaunchersWhereOneStartedAnother) {
  const Variables slurm_of_mpirun{
      {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}, {"SLURM_LOCALID", "0"}};
  EXPECT_EQ(place(joined(slurm_of_mpirun, kOpenMpi)), "5/8/1 OMPI_COMM_WORLD_RANK");
  const Variables torchrun = joined({{"TORCHELASTIC_RUN_ID", "none"}}, kTorch);
  EXPECT_EQ(place(joined(slurm_of_mpirun, torchrun)), "5/8/1 RANK");
  EXPECT_EQ(place(joined(torchrun, {{"OMPI_COMM_WORLD_RANK", "1"},
                                    {"OMPI_COMM_WORLD_SIZE", "2"},
                                    {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}})),
            "5/8/1 RANK");
}

// What tells a start of the job from another.
std::string run(const Variables& variables) {
  return find_launched_task(from(variables)).value().run;
}

TEST(LaunchedTask, KnowsItsRunWhereAllTasksOfTheLauncherDo) {
  const Variables step{{"SLURM_JOB_ID", "71"}, {"SLURM_STEP_ID", "2"}};
  EXPECT_EQ(run(joined(step, kSlurm)), "slurm 71.2");
  EXPECT_EQ(run(joined({{"SLURM_JOB_ID", "71"}}, kSlurm)), "");
  EXPECT_EQ(run(kTorch), "");
  EXPECT_EQ(run(joined(step, kOpenMpi)), "") << "a host without a daemon's step is in it too";
  EXPECT_EQ(run(joined(step, joined({{"TORCHELASTIC_RUN_ID", "a"}}, kTorch))), "torchrun a");
}

TEST(Nodelist, BeginsWithItsFirstHost) {
  EXPECT_EQ(first_host("node7"), "node7");
  EXPECT_EQ(first_host("node[01-03,07],gpu5"), "node01");
  EXPECT_EQ(first_host("gpu5,node[01-03,07]"), "gpu5");
  EXPECT_EQ(first_host("rack[2-3]node[10,12]-ib"), "rack2node10-ib");
  EXPECT_EQ(first_host("node[7]"), "node7");
  EXPECT_EQ(first_host(""), "");
}

std::string meeting(const std::string& asked, const Variables& variables, int rank = 0,
                    const std::string& source = "PMI_RANK") {
  try {
    const auto [host, port] = find_rendezvous(asked, {rank, 2, 0, source}, "here", from(variables));
    return host + " " + std::to_string(port);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

TEST(Rendezvous, IsAskedForOrTorchsOrSlurms) {
  const Variables both{
      {"MASTER_ADDR", "a"}, {"MASTER_PORT", "100"}, {"SLURM_JOB_NODELIST", "n[1-2]"}};
  EXPECT_EQ(meeting("b:7", both), "b 7");
  EXPECT_EQ(meeting("", both), "a 117") << "torch's store has MASTER_PORT";
  EXPECT_EQ(meeting("", {{"MASTER_ADDR", "a"}}), "a 29517");
  EXPECT_EQ(meeting("", {{"SLURM_JOB_NODELIST", "n[1-2]"}}), "n1 29517");
  EXPECT_EQ(meeting("", {{"MASTER_ADDR", "a"}, {"MASTER_PORT", "65530"}}),
            "MASTER_PORT is \"65530\": allowed is 1 to 65518");
}

TEST(Rendezvous, IsOnTheFirstHostOfSlurmsStep) {
  const Variables nodes{{"SLURM_JOB_NODELIST", "n[1-4]"}, {"SLURM_STEP_NODELIST", "n[3-4]"}};
  EXPECT_EQ(meeting("", nodes, 0, "SLURM_PROCID"), "n3 29517");
  EXPECT_EQ(meeting("", nodes, 0, "OMPI_COMM_WORLD_RANK"), "n1 29517")
      << "mpirun's own step is of its daemons, without the host of mpirun";
}

TEST(Rendezvous, SaysWhatToAddWhereNobodyKnowsIt) {
  EXPECT_NE(meeting("", {}).find("add --rendezvous here:29517, or set MASTER_ADDR"),
            std::string::npos);
  EXPECT_NE(meeting("", {}, 1).find("add --rendezvous HOST_OF_RANK_0:29517"), std::string::npos);
}

TEST(Rendezvous, IsAHostAndAPort) {
  EXPECT_EQ(meeting("[fd00::1]:7", {}), "fd00::1 7");
  for (const char* const bad : {"", "host", ":7", "fd00::1:7", "[]:7"}) {
    EXPECT_THROW((void)parse_rendezvous(bad), std::invalid_argument) << bad;
  }
  for (const char* const bad : {"host:", "host:0", "host:65536", "host:7a"}) {
    EXPECT_THROW((void)parse_rendezvous(bad), std::invalid_argument) << bad;
  }
}

}  // namespace
}  // namespace vernier::calibrate
