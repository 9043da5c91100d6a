// SPDX-License-Identifier: Apache-2.0
//
// Four ranks in four processes, the last one arriving about when the timeout of the first is over:
//   agreement_rounds PLUGIN_DIR POLICY ROUNDS GROUPS TIMEOUT_MS
// Goes on until in ROUNDS rounds it was within a millisecond of that. Groups run at once, a thread
// each in every process. Fails where two ranks of one communicator got different verdicts, and
// where not both verdicts were seen, since then the rounds would prove nothing.
#include <fmt/format.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "tests/contract/nccl.hpp"

using namespace vernier::contract;

namespace {

constexpr int kRanks = 4;

using std::chrono::steady_clock;

struct Group {
  pthread_barrier_t barrier;
  bool active[kRanks];
  steady_clock::time_point start[kRanks];
  bool over;
  long close;     // within a millisecond
  long together;  // by verdict
  long apart;
  long inert;
};

void wait(Group& group) { pthread_barrier_wait(&group.barrier); }

// Always the same rank is late: its process is the only one that ever waits alone, which makes the
// plugin wait less from then on.
void run_rank(Group& group, int index, int rank, int rounds, std::chrono::microseconds timeout) {
  std::mt19937 random(static_cast<unsigned>(index));
  std::uniform_int_distribution<int> around_us(-1000, 1000);
  NcclLikeShape shape = shape_of(kRanks, 1);
  for (std::uint64_t round = 0; !group.over; ++round) {
    shape.comm_id = (static_cast<std::uint64_t>(getppid()) << 40) +
                    (static_cast<std::uint64_t>(index) << 24) + round;
    const auto delay = timeout + std::chrono::microseconds(around_us(random));
    wait(group);
    if (rank == kRanks - 1) std::this_thread::sleep_for(delay);
    group.start[rank] = steady_clock::now();
    {
      const Comm comm = Nccl::first().create(shape);
      group.active[rank] = comm.ask(call_of(ncclFuncAllReduce, 4096)).algorithm == NCCL_ALGO_TREE;
    }
    wait(group);
    if (rank == 0) {
      const auto first = *std::min_element(group.start, group.start + kRanks - 1);
      const auto off = group.start[kRanks - 1] - first - timeout;
      group.close += off > -std::chrono::milliseconds(1) && off < std::chrono::milliseconds(1);
      int count = 0;
      for (const bool active : group.active) count += active ? 1 : 0;
      ++(count == kRanks ? group.together : count == 0 ? group.inert : group.apart);
      group.over = group.close >= rounds;
    }
    wait(group);
  }
}

int run_process(Group* groups, int count, int rank, int rounds, const char* plugin_dir,
                std::chrono::microseconds timeout) {
  Nccl::first().use_library_dir(plugin_dir);
  Nccl::first().use_release(22809);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([=] { run_rank(groups[i], i, rank, rounds / count, timeout); });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const int rounds = std::atoi(argv[3]);
  const int count = std::atoi(argv[4]);
  setenv("NCCL_TUNER_PLUGIN", "vernier", 1);
  setenv("NCCL_VERNIER_POLICY", argv[2], 1);
  setenv("NCCL_VERNIER_AGREE_TIMEOUT_MS", argv[5], 1);
  const auto timeout = std::chrono::milliseconds(std::atoi(argv[5]));

  void* const shared = mmap(nullptr, sizeof(Group) * static_cast<std::size_t>(count),
                            PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 3;
  auto* const groups = static_cast<Group*>(shared);
  pthread_barrierattr_t attributes;
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  for (int i = 0; i < count; ++i) pthread_barrier_init(&groups[i].barrier, &attributes, kRanks);

  for (int rank = 0; rank < kRanks; ++rank) {
    const pid_t child = fork();
    if (child < 0) return 3;
    if (child == 0) _exit(run_process(groups, count, rank, rounds, argv[1], timeout));
  }
  bool failed = false;
  for (int rank = 0; rank < kRanks; ++rank) {
    int status = 0;
    failed |= wait(&status) < 0 || status != 0;
  }
  long close = 0;
  long together = 0;
  long apart = 0;
  long inert = 0;
  for (int i = 0; i < count; ++i) {
    close += groups[i].close;
    together += groups[i].together;
    apart += groups[i].apart;
    inert += groups[i].inert;
  }
  fmt::print("{} rounds, {} of them within a millisecond: {} active, {} inert, {} mixed\n",
             together + inert + apart, close, together, inert, apart);
  return failed || apart != 0 || together == 0 || inert == 0 ? 1 : 0;
}
