// SPDX-License-Identifier: Apache-2.0
//
// `decision_instructions RULES CALLS`: makes that many decisions, for
// tests/bench/count_instructions to count under callgrind.
#include <valgrind/callgrind.h>

#include "tests/bench/decision_cases.hpp"

int main(int argc, char** argv) {
  using namespace vernier::bench;
  if (argc != 3) {
    std::fprintf(stderr, "usage: decision_instructions RULES CALLS\n");
    return 2;
  }
  const auto rules = static_cast<std::size_t>(std::atoll(argv[1]));
  const auto calls = static_cast<std::size_t>(std::atoll(argv[2]));
  const ncclTuner_v6_t& tuner = load_tuner();
  const auto communicator = make_communicator(make_policy(rules));
  const auto queries = make_queries(10'000);
  CALLGRIND_START_INSTRUMENTATION;  // reading thousands of rules under it would take a minute
  int unanswered = 0;
  for (std::size_t i = 0; i < calls; ++i) {
    unanswered += ask(tuner, communicator.get(), queries[i % queries.size()]) != 16;
  }
  return unanswered == 0 ? 0 : 1;
}
