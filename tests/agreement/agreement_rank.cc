// SPDX-License-Identifier: Apache-2.0
//
// One rank in a process of its own, on the NCCL-like host with the real plugin:
//   agreement_rank PLUGIN_DIR NCCL RANKS NODES COMM_ID:DELAY_MS...
// Creates communicators one after the other, each after its delay, and keeps them. After each, one
// JSON line: whether rules apply (asked, not read from the log), how long creation took, what the
// plugin logged since the last one. Then waits for the end of stdin.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/contract/nccl.hpp"

using namespace vernier::contract;
using std::chrono::steady_clock;

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  setenv("NCCL_TUNER_PLUGIN", "vernier", 1);
  const Nccl& nccl = Nccl::first();
  nccl.use_library_dir(argv[1]);
  nccl.use_release(std::atoi(argv[2]));
  NcclLikeShape shape = shape_of(std::atoi(argv[3]), std::atoi(argv[4]));
  std::vector<Comm> comms;
  for (int i = 5; i < argc; ++i) {
    shape.comm_id = std::strtoull(argv[i], nullptr, 10);
    const char* const delay = std::strchr(argv[i], ':');
    if (delay == nullptr) return 2;
    std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(delay + 1)));
    nccl.api().clear_log();
    const auto start = steady_clock::now();
    Comm comm = nccl.create(shape);
    const std::chrono::duration<double, std::milli> took = steady_clock::now() - start;
    if (!comm) return 3;  // init never fails
    nlohmann::json line{{"ms", took.count()}, {"log", nlohmann::json::array()}};
    const NcclLikeOutcome outcome = comm.ask(call_of(ncclFuncAllReduce, 4096));
    line["active"] =
        outcome.algorithm == NCCL_ALGO_TREE && outcome.default_algorithm != NCCL_ALGO_TREE;
    for (const LogLine& one : nccl.log()) {
      line["log"].push_back({{"level", one.level}, {"text", one.text}});
    }
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    std::fflush(stdout);
    comms.push_back(std::move(comm));
  }
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}
