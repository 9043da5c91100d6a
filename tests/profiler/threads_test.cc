// SPDX-License-Identifier: Apache-2.0
//
// Threads: NCCL's, the host program's, and the plugin's own.
#include <sched.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/profiler/profiler_test.hpp"

namespace vernier::profiler_test {
namespace {

class Threads : public ProfilerTest {
 protected:
  // Lines "NAME: VALUE" of the status of the plugin's threads.
  static std::vector<std::string> own_threads(const std::string& name) {
    std::vector<std::string> values;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream status(task.path() / "status");
      std::string line;
      bool own = false;
      while (std::getline(status, line)) {
        own |= line == "Name:\tvernier-profile";
        if (own && line.starts_with(name + ":")) values.push_back(line.substr(name.size() + 2));
      }
    }
    return values;
  }

  static void wait_for_own_thread() {
    while (own_threads("Name").empty()) std::this_thread::yield();
  }
};

TEST_F(Threads, SixtyFourThreadsAreCountedWhileTheFileIsWritten) {
  const auto host = ProfilerHost::open(5);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 64; ++thread) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < 500; ++i) host->collective(context, {.count = 8 + i % 10}, {});
    });
  }
  for (int i = 0; i < 20; ++i) host->finalize(context);  // writes
  for (std::thread& thread : threads) thread.join();
  host->finalize(context);
  std::uint64_t calls = 0;
  std::uint64_t kernels = 0;
  for (const profile::Call& call : read().calls) {
    calls += call.calls.value_or(0);
    for (const profile::Kernel& kernel : call.kernels) kernels += kernel.enqueued;
  }
  EXPECT_EQ(calls, 64u * 500u);
  EXPECT_EQ(kernels, 64u * 500u);
}

TEST_F(Threads, OurThreadDoesNotInheritTheAffinityOfItsMaker) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "one CPU";
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  const auto host = ProfilerHost::open(5);
  (void)host->init(1, "tp", 1, 2, 0, log);
  wait_for_own_thread();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ASSERT_EQ(own_threads("Cpus_allowed_list").size(), 1u);
  EXPECT_NE(own_threads("Cpus_allowed_list")[0], std::to_string(first));
}

TEST_F(Threads, OurThreadTakesNoSignals) {
  const auto host = ProfilerHost::open(5);
  (void)host->init(1, "tp", 1, 2, 0, log);
  wait_for_own_thread();
  const std::uint64_t blocked = std::stoull(own_threads("SigBlk").at(0), nullptr, 16);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGPROF}) {
    EXPECT_NE(blocked & (1u << (signal - 1)), 0u) << signal;
  }
}

// Two libnccl in one process, of releases that take different symbols, have one plugin.
TEST_F(Threads, TwoNcclImagesShareOneFileAndOneThread) {
  const auto first = ProfilerHost::open(5);
  const auto second = ProfilerHost::open(6);
  void* const one = first->init(1, "tp", 1, 2, 0, log);
  void* const two = second->init(2, "tp", 1, 2, 0, log);
  first->collective(one, {.count = 8}, {});
  second->collective(two, {.count = 9}, {});
  second->finalize(two);
  wait_for_own_thread();
  EXPECT_EQ(own_threads("Name").size(), 1u);
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 1u);
  EXPECT_EQ(find(read(), "allreduce", 9).calls, 1u);
}

TEST_F(Threads, AReloadGoesOnWithTheSameStateAndThread) {
  for (int round = 1; round <= 3; ++round) {
    const auto host = ProfilerHost::open(5);
    void* const context = host->init(1, "tp", 1, 2, 0, log);
    host->collective(context, {.count = 8}, {});
    host->finalize(context);
    host->close();
  }
  wait_for_own_thread();
  EXPECT_EQ(own_threads("Name").size(), 1u);
  const profile::Profile profile = read();
  EXPECT_EQ(profile.calls.size(), 3u) << "a line for each communicator";
}

}  // namespace
}  // namespace vernier::profiler_test
