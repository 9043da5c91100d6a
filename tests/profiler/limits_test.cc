// SPDX-License-Identifier: Apache-2.0
//
// However many sizes, communicators and threads there are: memory is bounded and nothing is lost
// without being counted.
#include <dlfcn.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "plugin/profiler/recorder.hpp"
#include "tests/profiler/profiler_test.hpp"

namespace vernier::profiler_test {
namespace {

class Limits : public ProfilerTest {
 protected:
  static std::uint64_t resident_bytes() {
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }

  static std::uint64_t all_calls(const profile::Profile& profile) {
    std::uint64_t calls = 0;
    for (const profile::Call& call : profile.calls) calls += call.calls.value_or(0);
    return calls;
  }
};

TEST_F(Limits, ManySizesShareBucketsAndNoneIsLost) {
  const auto host = ProfilerHost::open(5);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  for (std::uint64_t count = 1; count <= 5000; ++count)
    host->collective(context, {.count = count}, {});
  host->finalize(context);
  const profile::Profile profile = read();
  EXPECT_EQ(all_calls(profile), 5000u);
  std::size_t exact = 0;
  std::uint64_t kernels = 0;
  for (const profile::Call& call : profile.calls) {
    exact += call.bucket ? 0 : 1;
    for (const profile::Kernel& kernel : call.kernels) kernels += kernel.enqueued;
    if (!call.bucket) continue;
    EXPECT_EQ(call.communicator, 0u);
    EXPECT_EQ(size_bucket(call.count), call.count) << "not the start of a bucket";
  }
  EXPECT_EQ(exact, Recorder::kMaxExactCalls);
  EXPECT_EQ(kernels + profile.dropped, 5000u);
  EXPECT_EQ(profile.dropped, 0u);
}

TEST_F(Limits, MemoryStaysWithin32MiB) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's memory is not ours";
#endif
  const auto host = ProfilerHost::open(5);
  const std::uint64_t before = resident_bytes();
  std::vector<void*> contexts;
  for (std::uint64_t i = 0; i < 10'000; ++i) contexts.push_back(host->init(i, "tp", 1, 2, 0, log));
  std::vector<std::thread> threads;
  std::atomic<int> working = 64;
  for (std::uint64_t thread = 0; thread < 64; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint64_t i = 0; i < 4000; ++i) {
        const char* const functions[] = {"AllReduce", "AllGather", "ReduceScatter", "Broadcast"};
        host->collective(
            contexts[(thread * 150 + i) % contexts.size()],
            {.function = functions[i % 4], .count = 1 + i * 37, .captured = i % 3 == 0},
            {.channels = static_cast<std::uint8_t>(1 + i % 32)});
      }
      --working;
      while (working > 0) std::this_thread::yield();  // all tables at one time
    });
  }
  for (std::thread& thread : threads) thread.join();
  host->finalize(contexts[0]);
  EXPECT_LT(resident_bytes() - before, 32u << 20);
  const profile::Profile profile = read();
  EXPECT_EQ(all_calls(profile), 64u * 4000u);
  EXPECT_EQ(profile.dropped, 0u);
}

TEST_F(Limits, ManyThreadsWithManySizesLoseNothing) {
  const auto host = ProfilerHost::open(5);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 16; ++thread) {
    threads.emplace_back([&] {
      for (std::uint64_t count = 1; count <= 1000; ++count) {
        host->collective(context, {.count = count}, {});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  host->finalize(context);
  const profile::Profile profile = read();
  EXPECT_EQ(profile.dropped, 0u);
  EXPECT_EQ(all_calls(profile), 16'000u);
}

TEST_F(Limits, MoreThreadsThanTablesAreCountedAsDropped) {
  const auto host = ProfilerHost::open(4);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  constexpr int kThreads = Recorder::kMaxTables + 10;
  std::atomic<int> working = kThreads;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      host->collective(context, {.count = 8}, {});
      --working;
      while (working > 0) std::this_thread::yield();
    });
  }
  for (std::thread& thread : threads) thread.join();
  host->finalize(context);
  const profile::Profile profile = read();
  EXPECT_EQ(profile.dropped, 10u);
  EXPECT_EQ(find(profile, "allreduce", 8).kernels.at(0).enqueued, Recorder::kMaxTables);
}

TEST_F(Limits, TablesOfThreadsThatEndedAreUsedAgain) {
  const auto host = ProfilerHost::open(4);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  for (int i = 0; i < 500; ++i) {
    std::thread([&] { host->collective(context, {.count = 8}, {}); }).join();
  }
  host->finalize(context);
  const profile::Profile profile = read();
  EXPECT_EQ(profile.dropped, 0u);
  EXPECT_EQ(find(profile, "allreduce", 8).kernels.at(0).enqueued, 500u);
}

TEST_F(Limits, AThreadThatEndsGivesItsEventsBack) {
  ASSERT_NE(dlopen(VERNIER_STUB_CUDA, RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
  setenv("NCCL_VERNIER_PROFILE", "sampled:1", 1);
  const auto host = ProfilerHost::open(5);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  // More threads than there are pairs of events; of the last launch of each no kernel is told.
  for (int i = 0; i < 1200; ++i) {
    std::thread([&] { host->launch_without_kernel(context, {.count = 8}); }).join();
    if (i % 100 == 99) std::this_thread::sleep_for(std::chrono::milliseconds(50));  // to be read
  }
  host->finalize(context);
  EXPECT_EQ(read().unsampled, 0u);
}

TEST_F(Limits, TenThousandCommunicatorsThatComeAndGoLeaveNoLines) {
  const auto host = ProfilerHost::open(5);
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    void* const context = host->init(i, "tp", 1, 2, 0, log);
    if (i % 1000 == 0) host->collective(context, {.count = 8}, {});
    host->finalize(context);
  }
  const profile::Profile profile = read();
  EXPECT_EQ(profile.communicators.size(), 10u);
  EXPECT_EQ(all_calls(profile), 10u);
}

}  // namespace
}  // namespace vernier::profiler_test
