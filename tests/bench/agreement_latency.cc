// SPDX-License-Identifier: Apache-2.0
//
// What the plugin's init takes of a communicator's creation when all ranks arrive together, one
// process a rank, real .so on the NCCL-like host: agreement_latency [--quick]. `file` has a
// meeting; `inline`, the same policy, has none; `none` is the plugin without a policy. The first
// creation, which reads and compiles the policy, is a row of its own. Milliseconds of the slowest
// rank.
#include <fmt/format.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "tests/contract/nccl.hpp"
#include "tests/contract/policy_text.hpp"

using namespace vernier::contract;

namespace {

constexpr int kMaxRanks = 8;
constexpr int kMaxRounds = 2000;
constexpr const char* kPolicy = CATALOG "/h200-tp4-nvlink/policy.toml";

struct Shared {
  pthread_barrier_t barrier;
  double took_ms[kMaxRounds][kMaxRanks];
};

int run_rank(Shared& shared, int rank, int ranks, int rounds) {
  Nccl::first().use_library_dir(VERNIER_TUNER_DIR);
  Nccl::first().use_release(22809);
  NcclLikeShape shape = shape_of(ranks, 1);
  for (int round = 0; round < rounds; ++round) {
    shape.comm_id =
        (static_cast<std::uint64_t>(getppid()) << 32) + static_cast<std::uint64_t>(round);
    pthread_barrier_wait(&shared.barrier);
    const auto start = std::chrono::steady_clock::now();
    const Comm comm = Nccl::first().create(shape);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    shared.took_ms[round][rank] = took.count();
    pthread_barrier_wait(&shared.barrier);
  }
  return 0;
}

bool measure(const char* name, const std::string& value, int ranks, int rounds) {
  setenv("NCCL_VERNIER_POLICY", value.c_str(), 1);
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  auto& shared = *static_cast<Shared*>(memory);
  pthread_barrierattr_t attributes;
  pthread_barrierattr_init(&attributes);
  pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&shared.barrier, &attributes, static_cast<unsigned>(ranks));
  std::fflush(stdout);
  for (int rank = 0; rank < ranks; ++rank) {
    if (fork() == 0) _exit(run_rank(shared, rank, ranks, rounds));
  }
  bool fine = true;
  for (int rank = 0; rank < ranks; ++rank) {
    int status = 0;
    fine = wait(&status) > 0 && status == 0 && fine;
  }
  std::vector<double> slowest_ms;
  for (int round = 0; round < rounds; ++round) {
    slowest_ms.push_back(*std::max_element(shared.took_ms[round], shared.took_ms[round] + ranks));
  }
  const double first_ms = slowest_ms.front();
  slowest_ms.erase(slowest_ms.begin());
  std::sort(slowest_ms.begin(), slowest_ms.end());
  const auto at = [&](double part) {
    return slowest_ms[static_cast<std::size_t>(part * static_cast<double>(slowest_ms.size() - 1))];
  };
  fmt::print("{:>5}  {:<8}{:>9.3f}{:>9.3f}{:>9.3f}{:>9.3f}\n", ranks, name, first_ms, at(0.5),
             at(0.99), at(1));
  munmap(memory, sizeof(Shared));
  return fine;
}

}  // namespace

int main(int argc, char** argv) {
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const int rounds = quick ? 20 : kMaxRounds;
  std::ifstream file(kPolicy);
  std::stringstream text;
  text << file.rdbuf();
  setenv("NCCL_TUNER_PLUGIN", "vernier", 1);
  setenv("NCCL_NVLS_ENABLE", "0", 1);
  fmt::print("ranks  policy      first      p50      p99      max   ms, {} rounds\n", rounds);
  bool fine = true;
  for (const int ranks : {2, 4, 8}) {
    fine = measure("none", "", ranks, rounds) && fine;
    fine = measure("inline", inline_value(text.str()), ranks, rounds) && fine;
    fine = measure("file", kPolicy, ranks, rounds) && fine;
  }
  return fine ? 0 : 1;
}
