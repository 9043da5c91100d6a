// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_machine/test_ranks.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace vernier::fake_machine {
namespace {

void require(int result, const char* what) {
  if (result == 0) return;
  std::fprintf(stderr, "%s returned %d\n", what, result);
  _exit(1);
}

unsigned long long address(const void* pointer) {
  return reinterpret_cast<unsigned long long>(pointer);
}

Rank start_rank(int rank, int ranks, const UniqueId& id) {
  Context* context = nullptr;
  Rank self{rank, ranks, nullptr, nullptr};
  require(cuInit(0), "cuInit");
  require(cuDevicePrimaryCtxRetain(&context, rank), "cuDevicePrimaryCtxRetain");
  require(cuCtxSetCurrent(context), "cuCtxSetCurrent");
  require(cuStreamCreate(&self.stream, 1), "cuStreamCreate");
  require(ncclCommInitRank(&self.comm, ranks, id, rank), "ncclCommInitRank");
  return self;
}

void set(const Environment& environment) {
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
}

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Reads to the end, or until the deadline; false: the deadline came.
bool read_until(int fd, double deadline_s, std::vector<double>& said) {
  while (true) {
    pollfd waiting{fd, POLLIN, 0};
    const int left_ms = static_cast<int>((deadline_s - now_s()) * 1e3);
    if (left_ms <= 0 || poll(&waiting, 1, left_ms) <= 0) return false;
    double value = 0;
    if (read(fd, &value, sizeof value) != sizeof value) return true;
    said.push_back(value);
  }
}

}  // namespace

void* Rank::upload(const std::vector<float>& values) {
  unsigned long long pointer = 0;
  const std::size_t nbytes = values.size() * sizeof(float);
  require(cuMemAlloc_v2(&pointer, nbytes), "cuMemAlloc");
  require(cuMemcpyHtoD_v2(pointer, values.data(), nbytes), "cuMemcpyHtoD");
  return reinterpret_cast<void*>(pointer);
}

std::vector<float> Rank::download(const void* pointer, std::size_t count) {
  std::vector<float> values(count);
  require(cuMemcpyDtoH_v2(values.data(), address(pointer), count * sizeof(float)), "cuMemcpyDtoH");
  return values;
}

double Rank::used_mib() {
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  require(cuMemGetInfo_v2(&free_bytes, &total_bytes), "cuMemGetInfo");
  return static_cast<double>(total_bytes - free_bytes) / (1 << 20);
}

double Rank::time_ms(const std::function<void()>& run) const {
  std::array<Event*, 2> events{};
  for (Event*& event : events) require(cuEventCreate(&event, 0), "cuEventCreate");
  require(cuEventRecord(events[0], stream), "cuEventRecord");
  run();
  require(cuEventRecord(events[1], stream), "cuEventRecord");
  float elapsed_ms = 0;
  require(cuEventElapsedTime(&elapsed_ms, events[0], events[1]), "cuEventElapsedTime");
  return static_cast<double>(elapsed_ms);
}

GraphExec* Rank::capture(const std::function<void()>& run) const {
  Graph* graph = nullptr;
  GraphExec* exec = nullptr;
  require(cuStreamBeginCapture_v2(stream, 0), "cuStreamBeginCapture");
  run();
  require(cuStreamEndCapture(stream, &graph), "cuStreamEndCapture");
  require(cuGraphInstantiateWithFlags(&exec, graph, 0), "cuGraphInstantiate");
  require(cuGraphDestroy(graph), "cuGraphDestroy");
  return exec;
}

std::vector<End> run_ranks(int ranks, const Environment& environment,
                           const std::function<std::vector<double>(const Rank&)>& body,
                           const std::function<Environment(int rank)>& of_rank, double limit_s) {
  const Environment seeded{{"FAKE_NCCL_SEED", "1"}};
  set(seeded);  // the id is made here, and carries the seed
  UniqueId id{};
  require(ncclGetUniqueId(&id), "ncclGetUniqueId");
  std::vector<pid_t> pids;
  std::vector<int> pipes;
  for (int rank = 0; rank < ranks; ++rank) {
    std::array<int, 2> ends{};
    require(pipe(ends.data()), "pipe");
    const pid_t pid = fork();
    if (pid == 0) {
      const rlimit no_core{0, 0};
      setrlimit(RLIMIT_CORE, &no_core);
      close(ends[0]);
      set(environment);
      if (of_rank) set(of_rank(rank));
      const std::vector<double> said = body(start_rank(rank, ranks, id));
      for (const double value : said) {
        if (write(ends[1], &value, sizeof value) != sizeof value) _exit(1);
      }
      _exit(0);
    }
    close(ends[1]);
    pids.push_back(pid);
    pipes.push_back(ends[0]);
  }
  std::vector<End> all;
  const double deadline_s = now_s() + limit_s;
  for (std::size_t rank = 0; rank < pids.size(); ++rank) {
    End end{End::ended, 0, {}};
    if (!read_until(pipes[rank], deadline_s, end.said)) {
      end.kind = End::hung;
      kill(pids[rank], SIGKILL);
    }
    close(pipes[rank]);
    int status = 0;
    waitpid(pids[rank], &status, 0);
    if (end.kind != End::hung && WIFSIGNALED(status)) {
      end.kind = End::killed;
      end.signal = WTERMSIG(status);
    }
    all.push_back(end);
  }
  return all;
}

}  // namespace vernier::fake_machine
