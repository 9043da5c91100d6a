// SPDX-License-Identifier: Apache-2.0
//
// What tests of the calibrator rely on: right data between processes, a tuner that is asked and
// obeyed, a virtual clock, faults where they are wanted.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/fake_machine/test_ranks.hpp"
#include "vernier/abi/nccl_tuner.h"

namespace vernier::fake_machine {
namespace {

constexpr int kAlgorithm = NCCL_ALGO_TREE;
constexpr int kProtocol = NCCL_PROTO_LL;
constexpr std::size_t kCount = 16 * 1024;  // floats: 64 KiB

bool forcing = false;
int forced_channels = 4;  // 0: NCCL's number
int told_nodes = 0;

ncclResult_t init_v4(std::size_t, std::size_t nodes, ncclDebugLogger_t, void** context) {
  told_nodes = static_cast<int>(nodes);
  *context = nullptr;
  return ncclSuccess;
}
ncclResult_t init_v5(void** context, std::uint64_t, std::size_t ranks, std::size_t nodes,
                     ncclDebugLogger_t logger, ncclNvlDomainInfo_v5_t*, ncclTunerConstants_v5_t*) {
  return init_v4(ranks, nodes, logger, context);
}
ncclResult_t get_coll_info(void*, ncclFunc_t func, std::size_t, int, float** costs, int,
                           int protocols, int, int* channels) {
  if (!forcing || func != ncclFuncAllReduce) return ncclSuccess;
  reinterpret_cast<float*>(costs)[kAlgorithm * protocols + kProtocol] = 0;
  *channels = forced_channels;
  return ncclSuccess;
}
ncclResult_t finalize(void*) { return ncclSuccess; }

const Environment kStatic{{"NCCL_TUNER_PLUGIN", "STATIC_PLUGIN"}, {"FAKE_NCCL_NOISE", "0"}};

Environment with(Environment environment, const std::string& name, const std::string& value) {
  environment[name] = value;
  return environment;
}

Environment two_hosts(int rank) { return {{"NCCL_HOSTID", rank % 2 == 0 ? "even" : "odd"}}; }

std::vector<float> ramp(int rank, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(i % 7 + 10 * static_cast<std::size_t>(rank));
  }
  return values;
}

std::vector<float> sum_of_ramps(int ranks, std::size_t count) {
  std::vector<float> sum(count, 0);
  for (int rank = 0; rank < ranks; ++rank) {
    const std::vector<float> one = ramp(rank, count);
    for (std::size_t i = 0; i < count; ++i) sum[i] += one[i];
  }
  return sum;
}

void expect_all_say(const std::vector<End>& ends, const std::vector<double>& wanted) {
  for (const End& end : ends) {
    EXPECT_EQ(end.kind, End::ended);
    EXPECT_EQ(end.said, wanted);
  }
}

// The ncclResult_t of an allreduce of 64 KiB, and how many elements of its output are wrong.
std::vector<double> allreduce(const Rank& self) {
  const void* const send = Rank::upload(ramp(self.rank, kCount));
  void* const recv = Rank::upload(std::vector<float>(kCount, -1));
  const ncclResult_t result =
      ncclAllReduce(send, recv, kCount, kFloat32, kSum, self.comm, self.stream);
  const std::vector<float> found = Rank::download(recv, kCount);
  const std::vector<float> wanted = sum_of_ramps(self.ranks, kCount);
  double wrong = 0;
  for (std::size_t i = 0; i < kCount; ++i) wrong += found[i] != wanted[i];
  return {static_cast<double>(result), wrong};
}

class FakeMachineData : public testing::TestWithParam<int> {};

TEST_P(FakeMachineData, EveryCollectiveDeliversWhatItShould) {
  const auto body = [](const Rank& self) -> std::vector<double> {
    const auto ranks = static_cast<std::size_t>(self.ranks);
    const auto me = static_cast<std::size_t>(self.rank);
    const std::size_t part = 300 * 1000;  // more than one turn of the shared memory
    const std::vector<float> mine = ramp(self.rank, part * ranks);
    const std::vector<float> sum = sum_of_ramps(self.ranks, part * ranks);
    const void* const send = Rank::upload(mine);
    void* const recv = Rank::upload(std::vector<float>(part * ranks, -1));
    std::vector<double> good;
    ncclAllReduce(send, recv, part, kFloat32, kSum, self.comm, self.stream);
    good.push_back(std::equal(sum.begin(), sum.begin() + static_cast<long>(part),
                              Rank::download(recv, part).begin()));
    ncclReduceScatter(send, recv, part, kFloat32, kSum, self.comm, self.stream);
    good.push_back(std::equal(sum.begin() + static_cast<long>(me * part),
                              sum.begin() + static_cast<long>((me + 1) * part),
                              Rank::download(recv, part).begin()));
    ncclBroadcast(send, recv, part, kFloat32, 1, self.comm, self.stream);
    good.push_back(Rank::download(recv, part) == ramp(1, part));
    ncclAllGather(send, recv, part, kFloat32, self.comm, self.stream);
    std::vector<float> gathered;
    for (int rank = 0; rank < self.ranks; ++rank) {
      const std::vector<float> one = ramp(rank, part);
      gathered.insert(gathered.end(), one.begin(), one.end());
    }
    good.push_back(Rank::download(recv, part * ranks) == gathered);
    ncclReduce(send, recv, part, kFloat32, kMax, 0, self.comm, self.stream);
    // Only the root's output is written.
    good.push_back(
        Rank::download(recv, part) ==
        (self.rank == 0
             ? ramp(self.ranks - 1, part)
             : std::vector<float>(gathered.begin(), gathered.begin() + static_cast<long>(part))));
    return good;
  };
  expect_all_say(run_ranks(GetParam(), kStatic, body), {1, 1, 1, 1, 1});
}
INSTANTIATE_TEST_SUITE_P(Ranks, FakeMachineData, testing::Values(2, 4));

TEST(FakeMachine, WhatTheTunerForcesIsWhatTheLogSays) {
  const std::string path = testing::TempDir() + "fake_machine." + std::to_string(getpid());
  const Environment environment =
      with(with(with(kStatic, "NCCL_DEBUG", "INFO"), "NCCL_DEBUG_SUBSYS", "INIT,TUNING"),
           "NCCL_DEBUG_FILE", path + ".%h.%p");
  const auto body = [](const Rank& self) {
    forcing = true;
    std::vector<double> said = allreduce(self);
    if (self.rank == 0) said.push_back(getpid());
    return said;
  };
  const std::vector<End> ends = run_ranks(2, environment, body);
  ASSERT_EQ(ends[0].said.size(), 3u);
  char host[256]{};
  gethostname(host, sizeof host - 1);
  const std::string short_host = std::string(host).substr(0, std::string(host).find('.'));
  const std::string log =
      path + "." + short_host + "." + std::to_string(static_cast<int>(ends[0].said[2]));
  std::ifstream file(log);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_NE(text.find("NCCL INFO 32 coll channels, 0 collnet channels"), std::string::npos) << text;
  EXPECT_NE(text.find("NCCL INFO AllReduce: 65536 Bytes -> Algo TREE proto LL "
                      "channel{Lo..Hi}={0..3}"),
            std::string::npos)
      << text;
  unlink(log.c_str());
}

TEST(FakeMachine, NodesAreDistinctHostIds) {
  const auto body = [](const Rank&) { return std::vector<double>{double(told_nodes)}; };
  expect_all_say(run_ranks(4, kStatic, body), {1});
  expect_all_say(run_ranks(4, kStatic, body, two_hosts), {2});
}

TEST(FakeMachine, CommIdIsWhereTheRanksOfOneCommunicatorMeet) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in own{};
  socklen_t length = sizeof own;
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&own), length), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&own), &length), 0);
  close(listener);  // its port is free
  const std::string address = "127.0.0.1:" + std::to_string(ntohs(own.sin_port));
  const auto body = [](const Rank& self) {
    UniqueId id{};
    CommHandle* second = nullptr;
    const int got = ncclGetUniqueId(&id);
    const int made = ncclCommInitRank(&second, self.ranks, id, self.rank);
    return std::vector<double>{double(told_nodes), double(got), double(made)};
  };
  expect_all_say(run_ranks(3, with(kStatic, "NCCL_COMM_ID", address), body),
                 {1, ncclSuccess, ncclInvalidUsage});
}

TEST(FakeMachine, NoStaticTunerInNccl2273) {
  const auto body = [](const Rank&) { return std::vector<double>{double(told_nodes)}; };
  expect_all_say(run_ranks(2, with(kStatic, "FAKE_NCCL_VERSION", "22703"), body), {0});
}

TEST(FakeMachine, GraphReplaysAdvanceTheClockByTheirOperations) {
  const auto body = [](const Rank& self) {
    const void* const send = Rank::upload(ramp(self.rank, kCount));
    void* const recv = Rank::upload(std::vector<float>(kCount, -1));
    const auto once = [&] {
      ncclAllReduce(send, recv, kCount, kFloat32, kSum, self.comm, self.stream);
    };
    const double eager_ms = self.time_ms(once);
    GraphExec* const graph = self.capture([&] {
      for (int i = 0; i < 10; ++i) once();
    });
    const bool ran_in_capture = self.time_ms([] {}) > 0;
    cuMemsetD8_v2(reinterpret_cast<unsigned long long>(recv), 0, kCount * sizeof(float));
    const double graph_ms = self.time_ms([&] { cuGraphLaunch(graph, self.stream); });
    const bool right = Rank::download(recv, kCount) == sum_of_ramps(self.ranks, kCount);
    // 6 us of each eager call are its launch.
    const bool fits = std::abs(graph_ms - 10 * (eager_ms - 0.006)) < 1e-4;
    return std::vector<double>{double(ran_in_capture), double(right), double(fits)};
  };
  expect_all_say(run_ranks(2, kStatic, body), {0, 1, 1});
}

TEST(FakeMachine, TreeLlIsReallyFasterAcrossNodesOnly) {
  const auto body = [](const Rank& self) {
    const double own_ms = self.time_ms([&] { allreduce(self); }) - 0.006;
    forcing = true;
    forced_channels = 0;  // fewer than it takes by itself would be slower
    const double tree_ms = self.time_ms([&] { allreduce(self); }) - 0.006;
    return std::vector<double>{double(own_ms > 1.2 * tree_ms)};
  };
  expect_all_say(run_ranks(4, kStatic, body, two_hosts), {1});
  expect_all_say(run_ranks(4, kStatic, body), {0});
}

TEST(FakeMachine, AlgorithmsTakeMemoryOnceUntilTheCommunicatorEnds) {
  const auto body = [](const Rank& self) {
    const void* const send = Rank::upload(ramp(self.rank, kCount));
    void* const recv = Rank::upload(std::vector<float>(kCount, -1));
    const double before_mib = Rank::used_mib();
    std::vector<double> said;
    for (const bool tree : {false, true, true}) {
      forcing = tree;
      ncclAllReduce(send, recv, kCount, kFloat32, kSum, self.comm, self.stream);
      said.push_back(Rank::used_mib() - before_mib);
    }
    ncclCommDestroy(self.comm);
    said.push_back(Rank::used_mib() - before_mib);
    return said;
  };
  expect_all_say(run_ranks(2, kStatic, body, two_hosts), {4, 28, 28, 0});
}

TEST(FakeMachine, FaultsShowWhereTheyAreAskedFor) {
  const auto run = [](const std::string& fault, bool force, double limit_s = 20) {
    return run_ranks(
        2, with(kStatic, "FAKE_NCCL_FAULT", fault),
        [force](const Rank& self) {
          forcing = force;
          return allreduce(self);
        },
        {}, limit_s);
  };
  expect_all_say(run("wrong:allreduce:tree/ll", false), {0, 0});
  expect_all_say(run("wrong:allreduce:tree/ll:0:65535", true), {0, 0});
  EXPECT_EQ(run("wrong:allreduce:tree/ll:65536", true)[1].said, (std::vector<double>{0, 1}));
  EXPECT_EQ(run("unwritten:allreduce:default", false)[1].said, (std::vector<double>{0, 1}));
  EXPECT_EQ(run("error:allreduce:tree/ll", true)[0].said[0], ncclInternalError);
  const std::vector<End> crashed = run("hang:reduce:ring/ll,crash:allreduce:tree/ll", true);
  EXPECT_EQ(crashed[0].kind, End::killed);
  EXPECT_EQ(crashed[0].signal, SIGABRT);
  EXPECT_EQ(run("hang:allreduce:tree/ll", true, 1)[0].kind, End::hung);
}

TEST(FakeMachine, MisuseOfTheDriverIsAnError) {
  const auto body = [](const Rank& self) {
    Graph* graph = nullptr;
    std::vector<double> said{double(cuStreamEndCapture(self.stream, &graph)),
                             double(cuGraphLaunch(nullptr, self.stream))};
    cuStreamBeginCapture_v2(self.stream, 0);
    unsigned long long pointer = 0;
    said.push_back(cuMemAlloc_v2(&pointer, 16));  // forbidden, and spoils the capture
    said.push_back(cuStreamEndCapture(self.stream, &graph));
    float host = 0;
    said.push_back(ncclAllReduce(&host, &host, 1, kFloat32, kSum, self.comm, self.stream));
    return said;
  };
  expect_all_say(run_ranks(2, kStatic, body),
                 {kCudaIllegalState, kCudaInvalidHandle, kCudaCaptureUnsupported,
                  kCudaCaptureInvalidated, ncclInvalidArgument});
}

}  // namespace
}  // namespace vernier::fake_machine

#define EXPORTED extern "C" __attribute__((visibility("default"), used))
namespace machine = vernier::fake_machine;
EXPORTED const ncclTuner_v4_t ncclTunerPlugin_v4 = {"test", machine::init_v4,
                                                    machine::get_coll_info, machine::finalize};
EXPORTED const ncclTuner_v5_t ncclTunerPlugin_v5 = {"test", machine::init_v5,
                                                    machine::get_coll_info, machine::finalize};
