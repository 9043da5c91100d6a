// SPDX-License-Identifier: Apache-2.0
//
// Whatever happens around it, the plugin does not fail, and loses a second at most.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/profiler/profiler_test.hpp"

namespace {

std::atomic<long> wall_clock_is_behind_s = 0;

}  // namespace

// In the plugin's place too: an executable's symbols come before those of libraries.
extern "C" __attribute__((visibility("default"))) int clock_gettime(clockid_t clock,
                                                                    timespec* now) noexcept {
  const long result = syscall(SYS_clock_gettime, clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec -= wall_clock_is_behind_s;
  return static_cast<int>(result);
}

namespace vernier::profiler_test {
namespace {

class BadConditions : public ProfilerTest {
 protected:
  // A communicator and some calls, which must go well whatever becomes of the file.
  void use() {
    host_ = ProfilerHost::open(5);
    context_ = host_->init(1, "tp", 1, 2, 0, log);
    for (int i = 0; i < 10; ++i) host_->collective(context_, {.count = 8}, {});
    host_->finalize(context_);
    EXPECT_EQ(host_->unwritten_handles(), 0);
  }

  void expect_inert(const std::string& warning) {
    use();
    EXPECT_EQ(context_, nullptr);
    EXPECT_EQ(host_->mask(), 0) << "NCCL is asked for events that nobody counts";
    EXPECT_NE(warnings().find(warning), std::string::npos) << warnings();
    const std::string once = warnings();
    (void)host_->init(2, "tp", 1, 2, 0, log);
    EXPECT_EQ(warnings(), once) << "one warning a process";
    // If each waited for a writing that nobody does, the test would run out of its time.
    const auto old = ProfilerHost::open(4);
    for (int i = 0; i < 300; ++i) old->finalize(nullptr);
  }

  std::unique_ptr<ProfilerHost> host_;
  void* context_ = nullptr;
};

TEST_F(BadConditions, WithoutADirectoryNothingIsRecorded) {
  unsetenv("NCCL_VERNIER_LOG_DIR");
  expect_inert("NCCL_VERNIER_LOG_DIR is not set");
}

TEST_F(BadConditions, AMissingDirectoryIsMade) {
  setenv("NCCL_VERNIER_LOG_DIR", (directory_ + "/new").c_str(), 1);
  use();
  EXPECT_NE(context_, nullptr);
  EXPECT_EQ(profile::read_job(directory_ + "/new").profiles.size(), 1u);
}

TEST_F(BadConditions, ADirectoryThatCannotBeMadeMeansNoRecording) {
  setenv("NCCL_VERNIER_LOG_DIR", (directory_ + "/missing/new").c_str(), 1);
  expect_inert("nothing is recorded: " + directory_ + "/missing/new/profile-");
}

TEST_F(BadConditions, AReadOnlyDirectoryMeansNoRecording) {
  setenv("NCCL_VERNIER_LOG_DIR", "/proc/self", 1);  // for root, too
  expect_inert("nothing is recorded: /proc/self/profile-");
}

// For a second communicator too, which asks again.
TEST_F(BadConditions, WithoutCudaSampledCallsAreCountedAndTheReasonIsSaid) {
  setenv("NCCL_VERNIER_PROFILE", "sampled:1", 1);
  use();
  (void)host_->init(2, "tp", 1, 2, 0, log);
  EXPECT_NE(warnings().find("calls are counted, not timed: no libcuda.so.1 with CUDA 12"),
            std::string::npos)
      << warnings();
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 10u);
}

// As on a full disk: no byte can be written any more.
TEST_F(BadConditions, AFullDiskKeepsTheOldFileAndNothingIsLostOnceThereIsRoom) {
  signal(SIGXFSZ, SIG_IGN);
  use();
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit none = before;
  none.rlim_cur = 0;
  setrlimit(RLIMIT_FSIZE, &none);
  for (int i = 0; i < 10; ++i) host_->collective(context_, {.count = 8}, {});
  host_->finalize(context_);
  (void)host_->init(2, "tp", 1, 2, 0, log);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(warnings().find("counting goes on"), std::string::npos) << warnings();
  EXPECT_EQ(files().size(), 1u) << "a piece of a file is left";
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 10u);
  host_->finalize(context_);
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 20u);
}

TEST_F(BadConditions, AKilledProcessLosesASecondAtMost) {
  const pid_t child = fork();
  if (child == 0) {
    host_ = ProfilerHost::open(5);
    context_ = host_->init(1, "tp", 1, 2, 0, log);
    for (int i = 0; i < 10; ++i) host_->collective(context_, {.count = 8}, {});
    pause();
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  std::uint64_t calls = 0;
  while (calls == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (const std::string& file : files()) {
      if (file.ends_with(".jsonl") && !read().calls.empty())
        calls = read().calls[0].calls.value_or(0);
    }
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(calls, 10u);
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 10u);
}

// Killed again and again while it writes: what is there is whole.
TEST_F(BadConditions, AKillInMidWriteLeavesAWholeFile) {
  for (int round = 0; round < 40; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      host_ = ProfilerHost::open(5);
      context_ = host_->init(1, "tp", 1, 2, 0, log);
      for (std::uint64_t i = 1;; ++i) {
        host_->collective(context_, {.count = i % 500}, {});
        host_->finalize(context_);
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + round));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  const profile::Job job = profile::read_job(directory_);
  EXPECT_TRUE(job.problems.empty()) << job.problems.front();
  EXPECT_GT(job.profiles.size(), 0u);
}

TEST_F(BadConditions, AWallClockThatStepsBackLosesNothing) {
  use();
  const std::uint64_t before_ns = read().last_counted_ns;
  wall_clock_is_behind_s = 3600;
  host_->collective(context_, {.count = 8}, {});
  // Without a flush: the thread's own pace does not depend on that clock.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (find(read(), "allreduce", 8).calls != 11u && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 11u);
  EXPECT_LT(read().last_counted_ns, before_ns) << "the plugin does not see this clock";
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(BadConditions, AForkedChildCountsNothingAndWritesNothing) {
  use();
  const std::vector<std::string> before = files();
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 10; ++i) host_->collective(context_, {.count = 8}, {});
    host_->finalize(context_);
    _exit(host_->init(2, "tp", 1, 2, 0, log) == nullptr ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  host_->finalize(context_);
  EXPECT_EQ(files(), before);
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 10u);
}

}  // namespace
}  // namespace vernier::profiler_test
