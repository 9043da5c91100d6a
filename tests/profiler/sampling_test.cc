// SPDX-License-Identifier: Apache-2.0
//
// Timing of launches by the GPU's timer, on a libcuda whose clock the test moves.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>
#include <utility>

#include "tests/profiler/profiler_test.hpp"
#include "tests/profiler/stub_cuda.hpp"

namespace vernier::profiler_test {
namespace {

class Sampling : public ProfilerTest {
 protected:
  void SetUp() override {
    ProfilerTest::SetUp();
    void* const library = dlopen(VERNIER_STUB_CUDA, RTLD_NOW | RTLD_GLOBAL);
    ASSERT_NE(library, nullptr) << dlerror();
    cuda_ = static_cast<const StubCuda*>(dlsym(library, "stub_cuda"));
    host_ = ProfilerHost::open(5);
    host_->on_launch = [this] { cuda_->advance_ns(20'000); };
  }

  void start(const char* mode) {
    setenv("NCCL_VERNIER_PROFILE", mode, 1);
    context_ = host_->init(1, "tp", 1, 2, 0, log);
  }

  void call(std::uint64_t count, bool captured = false) {
    cuda_->capture_launches(captured);
    host_->collective(context_, {.count = count, .captured = captured}, {});
  }

  // Once the plugin's thread has read until `done`, or 10 s have passed.
  profile::Profile read_until(const std::function<bool(const profile::Profile&)>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (true) {
      host_->finalize(context_);
      profile::Profile profile = read();
      if (done(profile) || std::chrono::steady_clock::now() > deadline) return profile;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  // The plugin's thread has read at least twice more.
  static void let_it_read() { std::this_thread::sleep_for(std::chrono::milliseconds(350)); }

  static std::uint64_t samples(const profile::Profile& profile) {
    std::uint64_t all = 0;
    for (const profile::Call& one : profile.calls) {
      for (const profile::Kernel& kernel : one.kernels) {
        for (const auto& [lower_ns, count] : kernel.latency_ns) all += count;
        for (const auto& [lower_ns, count] : kernel.after_gap_ns) all += count;
      }
    }
    return all;
  }

  static auto at_least(std::uint64_t wanted) {
    return [wanted](const profile::Profile& profile) { return samples(profile) >= wanted; };
  }

  const StubCuda* cuda_ = nullptr;
  std::unique_ptr<ProfilerHost> host_;
  void* context_ = nullptr;
};

TEST_F(Sampling, TimesEagerLaunches) {
  start("sampled:1");
  for (int i = 0; i < 100; ++i) call(8);
  const profile::Profile profile = read_until(at_least(100));
  EXPECT_EQ(samples(profile), 100u);
  const profile::Kernel& kernel = find(profile, "allreduce", 8).kernels.at(0);
  EXPECT_EQ(kernel.algorithm, "ring");
  EXPECT_NEAR(static_cast<double>(profile::percentile_ns(kernel.latency_ns, 0.5)), 20'000,
              20'000 * 0.032);
}

TEST_F(Sampling, BothTimestampsAreOnTheStreamOfTheirLaunch) {
  start("sampled:1");
  int streams[2];
  for (int& stream : streams) {
    host_->stream = &stream;
    host_->on_launch = [&] { EXPECT_EQ(cuda_->last_stream(), &stream) << "the first"; };
    call(8);
    EXPECT_EQ(cuda_->last_stream(), &stream) << "the second";
  }
}

TEST_F(Sampling, TimesOneLaunchInN) {
  start("sampled:10");
  for (int i = 0; i < 1000; ++i) call(8);
  EXPECT_EQ(samples(read_until(at_least(100))), 100u);
  let_it_read();
  host_->finalize(context_);
  EXPECT_EQ(samples(read()), 100u);
}

TEST_F(Sampling, TheFirstLaunchAfterAGapIsApart) {
  start("sampled:1");
  call(8);
  call(8);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  call(8);
  const profile::Profile profile = read_until(at_least(3));
  const profile::Kernel& kernel = find(profile, "allreduce", 8).kernels.at(0);
  std::uint64_t after_gap = 0;
  for (const auto& [lower_ns, count] : kernel.after_gap_ns) after_gap += count;
  EXPECT_GE(after_gap, 2u);
}

// Captured or not: it comes after whatever took the other kind so long.
TEST_F(Sampling, ALaunchAfterOneOfTheOtherKindIsAfterAGapAndTheNextIsNot) {
  start("sampled:1");
  for (int i = 0; i < 512; ++i) {
    call(8, true);
    call(9);
  }
  const profile::Kernel first = find(read_until(at_least(512)), "allreduce", 9).kernels.at(0);
  EXPECT_EQ(profile::samples_of(first.after_gap_ns), 512u);
  EXPECT_EQ(profile::samples_of(first.latency_ns), 0u);
  for (int i = 0; i < 100; ++i) call(10);  // some find a place, which all had such a launch
  const profile::Kernel next = find(read_until(at_least(512 + 20)), "allreduce", 10).kernels.at(0);
  EXPECT_GT(profile::samples_of(next.latency_ns), profile::samples_of(next.after_gap_ns));
}

TEST_F(Sampling, AKernelMayBeToldBeforeOrAfterItsLaunch) {
  host_->kernel_before_launch = true;
  start("sampled:1");
  call(8);
  host_->kernel_before_launch = false;
  call(9);
  const profile::Profile profile = read_until(at_least(2));
  EXPECT_EQ(samples(profile), 2u);
  EXPECT_EQ(find(profile, "allreduce", 8).kernels.size(), 1u);
  EXPECT_EQ(find(profile, "allreduce", 9).kernels.size(), 1u);
}

TEST_F(Sampling, ReplaysOfAGraphAreTimedEachAtMostOnce) {
  start("sampled:1");
  call(8, true);
  let_it_read();
  host_->finalize(context_);
  EXPECT_EQ(samples(read()), 0u) << "a graph that was never replayed has no time";
  for (std::uint64_t replay = 1; replay <= 3; ++replay) {
    cuda_->advance_ns(1'000'000);
    cuda_->replay(30'000);
    EXPECT_EQ(samples(read_until(at_least(replay))), replay);
  }
  let_it_read();
  host_->finalize(context_);
  const profile::Profile profile = read();
  EXPECT_EQ(samples(profile), 3u) << "one replay was counted again";
  const profile::Kernel& kernel = find(profile, "allreduce", 8, true).kernels.at(0);
  const auto& latency = kernel.latency_ns.empty() ? kernel.after_gap_ns : kernel.latency_ns;
  EXPECT_NEAR(static_cast<double>(profile::percentile_ns(latency, 0.5)), 30'000, 30'000 * 0.032);
}

// A server that idles: its graphs' times stay as they are.
TEST_F(Sampling, AnIdleGraphIsNotTimedAgainAndAgain) {
  start("sampled:1");
  call(8, true);
  cuda_->advance_ns(1'000'000);
  cuda_->replay(12'500);
  EXPECT_EQ(samples(read_until(at_least(1))), 1u);
  for (int minute = 0; minute < 8; ++minute) {
    cuda_->advance_ns(60'000'000'000);
    let_it_read();
  }
  host_->finalize(context_);
  EXPECT_EQ(samples(read()), 1u);
  cuda_->replay(12'500);
  EXPECT_EQ(samples(read_until(at_least(2))), 2u) << "it wakes up";
}

TEST_F(Sampling, AReplayUnderWayIsNotReadAndItsEndIs) {
  start("sampled:1");
  call(8, true);
  cuda_->replay(30'000);
  (void)read_until(at_least(1));
  for (const std::uint64_t after_ns : {0, 5'000}) {  // in the tick of the old stop, and later
    cuda_->begin_replay(after_ns);
    let_it_read();
    host_->finalize(context_);
    EXPECT_EQ(samples(read()), 1u) << "the new start, the old stop";
  }
  cuda_->advance_ns(10'000'000);
  cuda_->replay(30'000);
  const profile::Profile profile = read_until(at_least(2));
  EXPECT_EQ(samples(profile), 2u);
  for (const auto& [lower_ns, count] :
       find(profile, "allreduce", 8, true).kernels.at(0).latency_ns) {
    EXPECT_NEAR(static_cast<double>(lower_ns), 30'000, 2'000);
  }
}

// Where another launch had its place before, whose times are still there.
TEST_F(Sampling, AnEagerLaunchUnderWayIsNotReadAndItsEndIs) {
  start("sampled:1");
  for (int i = 0; i < 1024; ++i) call(8);
  ASSERT_EQ(samples(read_until(at_least(1024))), 1024u);
  cuda_->stall();
  call(9);
  let_it_read();
  host_->finalize(context_);
  EXPECT_EQ(samples(read()), 1024u);
  cuda_->go_on(50'000);
  const profile::Profile profile = read_until(at_least(1025));
  ASSERT_EQ(samples(profile), 1025u);
  const profile::Kernel& kernel = find(profile, "allreduce", 9).kernels.at(0);
  const auto& latency = kernel.latency_ns.empty() ? kernel.after_gap_ns : kernel.latency_ns;
  EXPECT_NEAR(static_cast<double>(profile::percentile_ns(latency, 0.5)), 50'000, 50'000 * 0.032);
}

// The GPU's timer may be set.
TEST_F(Sampling, AnEagerLaunchThatEndsBeforeItBeginsHasNoTime) {
  host_->on_launch = [this] { cuda_->advance_ns(-std::uint64_t{20'000}); };
  start("sampled:1");
  call(8);
  let_it_read();
  host_->finalize(context_);
  EXPECT_EQ(samples(read()), 0u);
}

// By a plugin that pauses between two readings, while replays go on.
TEST_F(Sampling, NoTimeIsThatOfTwoReplays) {
  host_ = ProfilerHost::open(5, VERNIER_SLOW_READER_FILE);
  start("sampled:1");
  call(8, true);
  for (int i = 0; i < 200; ++i) {
    cuda_->replay(30'000);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const profile::Profile profile = read_until(at_least(1));
  EXPECT_GT(profile.torn_samples, 0u);
  const profile::Kernel& kernel = find(profile, "allreduce", 8, true).kernels.at(0);
  for (const auto* const latency : {&kernel.latency_ns, &kernel.after_gap_ns}) {
    for (const auto& [lower_ns, count] : *latency) {
      EXPECT_NEAR(static_cast<double>(lower_ns), 30'000, 2'000) << count << " samples";
    }
  }
}

// A capture in global mode is broken by a call that may wait for the GPU.
TEST_F(Sampling, NoCaptureIsBroken) {
  cuda_->capture_globally(true);
  start("sampled:1");
  call(8);
  call(8, true);
  cuda_->replay(30'000);
  EXPECT_EQ(samples(read_until(at_least(2))), 2u);
  EXPECT_EQ(cuda_->violations(), 0);
  // The stub does see a call that is not relaxed.
  auto* const synchronize = reinterpret_cast<int (*)(void*)>(
      dlsym(dlopen(VERNIER_STUB_CUDA, RTLD_NOW), "cuStreamSynchronize"));
  synchronize(nullptr);
  EXPECT_EQ(cuda_->violations(), 1);
}

TEST_F(Sampling, TheTickOfTheGpusTimerIsTold) {
  start("sampled:1");
  call(8);
  EXPECT_EQ(read_until(at_least(1)).timer_tick_ns, 32u);
}

struct Refusal {
  const char* function;  // empty: there is no context
  const char* reason;
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.reason; }

class SamplingRefused : public Sampling, public testing::WithParamInterface<Refusal> {};

TEST_P(SamplingRefused, IsSaidWithTheReasonAndCallsAreCounted) {
  GetParam().function[0] == '\0' ? cuda_->use_context(0) : cuda_->refuse(GetParam().function);
  start("sampled:1");
  EXPECT_EQ(host_->mask() & ncclProfileKernelLaunch, 0);
  call(8);
  host_->finalize(context_);
  EXPECT_NE(warnings().find(std::string("calls are counted, not timed: ") + GetParam().reason),
            std::string::npos)
      << warnings();
  const profile::Profile profile = read();
  EXPECT_EQ(find(profile, "allreduce", 8).calls, 1u);
  EXPECT_EQ(profile.mode, "counts");
}

INSTANTIATE_TEST_SUITE_P(
    Cuda, SamplingRefused,
    testing::Values(
        Refusal{"", "no CUDA context is current"},
        Refusal{"cuModuleLoadData",
                "loading the kernel that reads the GPU's timer failed (CUDA error 222)"},
        Refusal{"cuModuleGetFunction", "finding the kernel that reads the GPU's timer failed"},
        Refusal{"cuMemHostRegister_v2", "giving the GPU access to memory of the host failed"},
        Refusal{"cuMemHostGetDevicePointer_v2",
                "giving the GPU access to memory of the host failed"},
        Refusal{"cuStreamCreate", "making a stream failed"},
        Refusal{"cuLaunchKernel", "the kernel that reads the GPU's timer wrote nothing"},
        Refusal{"cuStreamSynchronize", "running the kernel that reads the GPU's timer failed"}),
    [](const auto& refusal) {
      const std::string function = refusal.param.function;
      return function.empty() ? std::string("NoContext") : function;
    });

TEST_F(Sampling, ALaunchWhoseStartIsRefusedIsNotTimedAndItsPlaceIsUsedAgain) {
  start("sampled:1");
  cuda_->refuse("cuLaunchKernel");
  for (int i = 0; i < 1024; ++i) call(8, true);
  cuda_->refuse(nullptr);
  call(9);
  const profile::Profile profile = read_until(at_least(1));
  EXPECT_EQ(samples(profile), 1u);
  EXPECT_EQ(profile.unsampled, 1024u);
  EXPECT_TRUE(find(profile, "allreduce", 9).kernels.at(0).positions.empty());
}

// When the GPU writes the start of one whose stop was refused, nobody knows.
TEST_F(Sampling, ALaunchWhoseStopIsRefusedIsNotTimedAndItsPlaceIsNotUsedAgain) {
  start("sampled:1");
  const auto time_it = std::exchange(host_->on_launch, [this] { cuda_->refuse("cuLaunchKernel"); });
  for (int i = 0; i < 1024; ++i) {
    call(8);
    cuda_->refuse(nullptr);
  }
  host_->on_launch = time_it;
  call(9);
  let_it_read();
  host_->finalize(context_);
  const profile::Profile profile = read();
  EXPECT_EQ(samples(profile), 0u);
  EXPECT_EQ(profile.unsampled, 1025u);
}

TEST_F(Sampling, ALaunchOfSeveralCallsIsNobodys) {
  start("sampled:1");
  host_->group(context_, {{.count = 8}, {.count = 9}}, {});
  call(10);
  const profile::Profile profile = read_until(at_least(1));
  EXPECT_EQ(samples(profile), 1u);
  EXPECT_FALSE(find(profile, "allreduce", 10).kernels.at(0).latency_ns.empty() &&
               find(profile, "allreduce", 10).kernels.at(0).after_gap_ns.empty());
  EXPECT_EQ(profile.mixed_samples, 1u);
}

TEST_F(Sampling, ASecondLaunchOfAGroupIsNotTimed) {
  host_->launches = 2;
  start("sampled:1");
  host_->group(context_, {{.count = 8}}, {});
  const profile::Profile profile = read_until(at_least(1));
  EXPECT_EQ(samples(profile), 1u);
  EXPECT_EQ(profile.mixed_samples, 0u);
}

// Torch's sends and receives.
TEST_F(Sampling, ALaunchAfterTheEndOfItsGroupIsTimed) {
  host_->nested_groups = true;
  start("sampled:1");
  call(8);
  call(9);
  const profile::Profile profile = read_until(at_least(2));
  for (const std::uint64_t count : {8, 9}) {
    const profile::Kernel& kernel = find(profile, "allreduce", count).kernels.at(0);
    EXPECT_EQ(profile::samples_of(kernel.latency_ns) + profile::samples_of(kernel.after_gap_ns),
              1u);
  }
}

// A launch of which no kernel is told: symmetric memory.
TEST_F(Sampling, ALaunchWithoutAKernelIsTimedAsItsCall) {
  start("sampled:1");
  host_->launch_without_kernel(context_, {.count = 8});
  host_->kernel_before_launch = true;
  call(9);
  const profile::Profile profile = read_until(at_least(2));
  EXPECT_EQ(find(profile, "allreduce", 8).kernels.at(0).algorithm, "");
  EXPECT_EQ(find(profile, "allreduce", 9).kernels.at(0).algorithm, "ring");
}

TEST_F(Sampling, AnOperationOfAGraphKeepsItsPositionAmongItsCommunicatorsCaptures) {
  start("sampled:1");
  void* const other = host_->init(2, "dp", 1, 2, 0, log);
  call(8);
  for (int i = 0; i < 3; ++i) call(8, true);
  host_->collective(other, {.count = 8, .captured = true}, {});
  cuda_->replay(30'000);
  (void)read_until(at_least(5));
  cuda_->replay(50'000);
  cuda_->replay(50'000);
  const profile::Profile profile = read_until(at_least(9));
  std::vector<std::pair<std::uint32_t, std::uint32_t>> seen;  // communicator, position
  for (const profile::Call& one : profile.calls) {
    for (const profile::Position& position : one.kernels.at(0).positions) {
      seen.emplace_back(one.communicator, position.position);
      EXPECT_EQ(position.samples, 2u);
      EXPECT_NEAR(static_cast<double>(position.median_ns), 50'000, 100);
    }
  }
  EXPECT_EQ(seen, (decltype(seen){{1, 0}, {1, 1}, {1, 2}, {2, 0}}));
}

TEST_F(Sampling, CallsOfAGraphAreToldFromThoseOfAnother) {
  start("counts");
  for (const std::uint64_t graph : {7, 9}) {
    cuda_->capture(graph);
    for (int i = 0; i < 40; ++i) call(8, true);
    if (graph == 9) call(9, true);
  }
  cuda_->capture(0);
  call(8);
  call(9, true);  // in a capture that cannot be told
  host_->finalize(context_);
  const profile::Profile profile = read();
  EXPECT_EQ(find(profile, "allreduce", 8, true).calls, 80u);
  EXPECT_EQ(find(profile, "allreduce", 8, true).graphs, 2u);
  EXPECT_EQ(find(profile, "allreduce", 9, true).graphs, 1u);
  EXPECT_EQ(find(profile, "allreduce", 8).graphs, 0u);
}

TEST_F(Sampling, PlacesThatGraphsWriteToAreNotUsedAgain) {
  start("sampled:1");
  for (std::uint64_t i = 0; i < 1100; ++i) call(8, true);
  call(9);
  cuda_->replay(30'000);
  const profile::Profile profile = read_until(at_least(1024));
  EXPECT_EQ(samples(profile), 1024u);
  EXPECT_EQ(profile.unsampled, 77u);
  EXPECT_EQ(find(profile, "allreduce", 8, true).calls, 1100u) << "counting goes on";
}

TEST_F(Sampling, ASecondGpuInTheProcessEndsIt) {
  start("sampled:1");
  cuda_->use_context(2);
  void* const second = host_->init(2, "tp", 1, 2, 1, log);
  EXPECT_NE(warnings().find(
                "calls are counted, not timed: this process has a communicator on a second GPU"),
            std::string::npos)
      << warnings();
  call(8);
  host_->finalize(second);
  let_it_read();
  EXPECT_EQ(samples(read_until(at_least(0))), 0u);
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 1u);
}

TEST_F(Sampling, AnOldAbiCountsAndSaysSo) {
  host_ = ProfilerHost::open(4);
  start("sampled:1");
  call(8);
  host_->finalize(context_);
  EXPECT_NE(warnings().find("NCCL tells of launches from 2.28 on"), std::string::npos)
      << warnings();
  EXPECT_EQ(find(read(), "allreduce", 8).kernels.at(0).enqueued, 1u);
}

// As the stub ends, it aborts whoever still calls it.
TEST_F(Sampling, NothingCallsCudaOnceTheProcessExits) {
  const pid_t child = fork();
  if (child == 0) {
    setenv("STUB_CUDA_LINGERS", "1", 1);
    start("sampled:1");
    for (int i = 0; i < 1000; ++i) call(8, true);
    cuda_->replay(30'000);
    std::exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

// Without finalize, as a program ends that does not care.
TEST_F(Sampling, AnExitWritesWhatIsNew) {
  const pid_t child = fork();
  if (child == 0) {
    start("sampled:1");
    for (int i = 0; i < 10; ++i) call(8);
    std::exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(find(read(), "allreduce", 8).calls, 10u);
}

TEST_F(Sampling, CountsAsksForNoLaunches) {
  start("counts");
  EXPECT_EQ(host_->mask() & ncclProfileKernelLaunch, 0);
}

}  // namespace
}  // namespace vernier::profiler_test
