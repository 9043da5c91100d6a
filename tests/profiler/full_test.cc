// SPDX-License-Identifier: Apache-2.0
//
// Mode full: every kernel, timed by what its channels write.
#include <chrono>
#include <filesystem>
#include <thread>

#include "plugin/profiler/kernel_timer.hpp"
#include "tests/profiler/profiler_test.hpp"

namespace vernier::profiler_test {
namespace {

class Full : public ProfilerTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    ProfilerTest::SetUp();
    setenv("NCCL_VERNIER_PROFILE", "full", 1);
    host_ = ProfilerHost::open(GetParam());
    host_->channel_times = {{5'001'000, 5'009'000}, {5'000'500, 5'010'500}};
    context_ = host_->init(1, "tp", 1, 2, 0, log);
  }

  void call(bool captured = false) {
    host_->collective(context_, {.count = 8, .captured = captured}, {.channels = 2});
  }

  profile::Kernel kernel(bool captured = false) {
    host_->finalize(context_);
    return find(read(), "allreduce", 8, captured).kernels.at(0);
  }

  std::unique_ptr<ProfilerHost> host_;
  void* context_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Abi, Full, testing::Range(4, 7));

TEST_P(Full, AKernelLastsFromItsFirstStartToItsLastStop) {
  for (int i = 0; i < 100; ++i) call();
  const profile::Kernel timed = kernel();
  EXPECT_EQ(profile::samples_of(timed.latency_ns), 100u);
  EXPECT_NEAR(static_cast<double>(profile::percentile_ns(timed.latency_ns, 0.5)), 10'000,
              10'000 * 0.032);
  EXPECT_EQ(timed.enqueued, 100u);
  EXPECT_EQ(read().untimed_kernels, 0u);
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  call();  // something new to write
  EXPECT_EQ(profile::samples_of(kernel().latency_ns), 101u) << "a kernel was counted again";
}

TEST_P(Full, ItsCostIsSaid) {
  EXPECT_NE(warnings().find("times every kernel, at the cost of microseconds each"),
            std::string::npos)
      << warnings();
  EXPECT_NE(host_->mask() & ncclProfileKernelCh, 0);
}

// v4 does not tell of captures.
class FullGraphs : public Full {};
INSTANTIATE_TEST_SUITE_P(Abi, FullGraphs, testing::Range(5, 7));

TEST_P(FullGraphs, EachReplayIsTimed) {
  host_->channel_times.clear();
  const HostGraphNode node =
      host_->capture_over_network(context_, {.count = 8, .captured = true}, {.channels = 2});
  host_->channel_times = {{7'000, 27'000}, {8'000, 26'000}};
  std::thread([&] {
    for (int i = 0; i < 50; ++i) host_->replay(context_, node);
  }).join();
  const profile::Kernel timed = kernel(true);
  EXPECT_EQ(timed.replayed, 50u);
  EXPECT_EQ(profile::samples_of(timed.latency_ns), 50u);
  EXPECT_NEAR(static_cast<double>(profile::percentile_ns(timed.latency_ns, 0.5)), 20'000,
              20'000 * 0.032);
}

TEST_P(Full, TimesThatMakeNoSenseAreDroppedAndCounted) {
  host_->channel_times = {{9'000, 7'000}, {9'500, 8'000}};
  for (int i = 0; i < 10; ++i) call();
  EXPECT_EQ(profile::samples_of(kernel().latency_ns), 0u);
  EXPECT_EQ(read().untimed_kernels, 10u);
}

// A communicator that was aborted: its channels never come.
TEST_P(Full, KernelsWhoseChannelsNeverComeBlockNothing) {
  const auto times = host_->channel_times;
  host_->channel_times.clear();
  for (std::size_t i = 0; i < 2 * KernelTimer::kKernels; ++i) call();
  host_->channel_times = times;
  for (int i = 0; i < 100; ++i) call();
  const profile::Kernel timed = kernel();
  EXPECT_EQ(profile::samples_of(timed.latency_ns), 100u);
  EXPECT_EQ(read().untimed_kernels, KernelTimer::kKernels + 100);
}

TEST_P(Full, SeveralThreadsAreTimedAtOnce) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) call();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const profile::Kernel timed = kernel();
  EXPECT_EQ(profile::samples_of(timed.latency_ns), 4000u);
}

class Raw : public ProfilerTest {
 protected:
  void use(int kernels) {
    setenv("NCCL_VERNIER_PROFILE", "full:raw", 1);
    const auto host = ProfilerHost::open(5);
    void* const context = host->init(0xabc, "tp", 1, 2, 1, log);
    std::uint64_t now_ns = 1'000'000;
    for (int i = 0; i < kernels; ++i) {
      host->channel_times = {{now_ns, now_ns + 10'000}};
      host->collective(context, {.count = 8}, {.channels = 1});
      now_ns += 20'000;
      if (i % 4000 == 3999) host->finalize(context);  // reads
    }
    host->finalize(context);
  }
};

TEST_F(Raw, EveryKernelIsKept) {
  use(1000);
  const profile::Job job = profile::read_job(directory_, profile::WithRaw::yes);
  EXPECT_TRUE(job.problems.empty()) << job.problems.front();
  ASSERT_EQ(job.raw.size(), 1u);
  const profile::RawFile& raw = job.raw[0];
  ASSERT_EQ(raw.kernels.size(), 1000u);
  for (std::size_t i = 0; i < raw.kernels.size(); ++i) {
    EXPECT_EQ(raw.kernels[i].start_ns, 1'000'000 + i * 20'000);
    EXPECT_EQ(raw.kernels[i].stop_ns - raw.kernels[i].start_ns, 10'000u);
  }
  ASSERT_EQ(raw.kinds.size(), 1u);
  EXPECT_EQ(raw.kinds[0].communicator.rank, 1);
  EXPECT_EQ(raw.kinds[0].communicator.comm_id, "0000000000000abc");
  EXPECT_EQ(raw.kinds[0].call.operation, "allreduce");
  EXPECT_EQ(raw.kinds[0].kernel.algorithm, "ring");
}

TEST_F(Raw, FilesStayWithinTheirBoundAndTheLatestIsKept) {
  setenv("NCCL_VERNIER_LOG_MAX_MB", "1", 1);
  use(80'000);
  std::uintmax_t bytes = 0;
  for (const std::string& name : files()) {
    if (name.starts_with("raw")) bytes += std::filesystem::file_size(directory_ + "/" + name);
  }
  EXPECT_GT(bytes, 512u << 10);
  EXPECT_LT(bytes, (1u << 20) + (512u << 10)) << "a reading more than the bound at most";
  const profile::Job job = profile::read_job(directory_, profile::WithRaw::yes);
  EXPECT_TRUE(job.problems.empty()) << job.problems.front();
  std::uint64_t latest_ns = 0;
  for (const profile::RawFile& raw : job.raw) {
    for (const profile::RawKernel& kernel : raw.kernels) {
      latest_ns = std::max(latest_ns, kernel.start_ns);
    }
  }
  EXPECT_EQ(latest_ns, 1'000'000u + 79'999u * 20'000u);
}

TEST_F(Raw, ABoundThatIsNoneIsSaid) {
  setenv("NCCL_VERNIER_LOG_MAX_MB", "lots", 1);
  use(1);
  EXPECT_NE(
      warnings().find("NCCL_VERNIER_LOG_MAX_MB is \"lots\"; allowed: 1 to 1000000; 64 is used"),
      std::string::npos)
      << warnings();
}

using OldNccl = ProfilerTest;

TEST_F(OldNccl, CountsAndSaysSo) {
  setenv("NCCL_VERNIER_PROFILE", "full", 1);
  const auto host = ProfilerHost::open(3);
  void* const context = host->init(1, "tp", 1, 2, 0, log);
  EXPECT_EQ(host->mask() & ncclProfileKernelCh, 0);
  host->collective(context, {.count = 8}, {});
  host->finalize(context);
  EXPECT_EQ(find(read(), "allreduce", 8).kernels.at(0).enqueued, 1u);
}

}  // namespace
}  // namespace vernier::profiler_test
