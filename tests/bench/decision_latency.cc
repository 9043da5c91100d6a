// SPDX-License-Identifier: Apache-2.0
//
// How long one decision takes: getCollInfo of the shipped plugin beside a linear scan over the same
// rules. `decision_latency [--quick]`.
//
// The clock of a virtual machine may tick every 10 ns, so calls are timed in batches, less the same
// batch without the decision. "p50, p99, worst" are over sizes, each asked many times in a row;
// "mixed" asks the sizes in random order, which adds cache misses and mispredicted branches.
#include <time.h>

#include <cstring>
#include <numeric>

#include "tests/bench/decision_cases.hpp"

namespace vernier::bench {
namespace {

constexpr int kRepeats = 200;  // calls of one size in a row

double now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

struct Timing {
  double p50_ns;
  double p99_ns;
  double worst_ns;
  double mixed_ns;
};

double at_fraction(std::vector<double>& values, double fraction) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(fraction * static_cast<double>(values.size() - 1))];
}

// Keeps the compiler from removing or merging calls.
void consume(int value) { asm volatile("" : : "r"(value) : "memory"); }

// Mean time of asking `order`, in ns a call; the best of `rounds`, since noise only adds.
template <typename Ask>
double time_calls(const std::vector<const Query*>& order, int rounds, const Ask& ask_one) {
  double best_ns = 1e18;
  for (int round = 0; round < rounds; ++round) {
    const double start_ns = now_ns();
    for (const Query* query : order) consume(ask_one(*query));
    best_ns = std::min(best_ns, now_ns() - start_ns);
  }
  return best_ns / static_cast<double>(order.size());
}

// What surrounds the decision in time_calls: a fresh table, in memory.
int ask_nothing(const Query& query) {
  Costs costs = query.costs;
  asm volatile("" : : "r"(costs.data()) : "memory");
  return 0;
}

template <typename Ask>
Timing measure(const std::vector<Query>& queries, int rounds, const Ask& ask_one) {
  std::vector<double> by_size_ns;
  for (const Query& query : queries) {
    const std::vector<const Query*> order(kRepeats, &query);
    by_size_ns.push_back(time_calls(order, rounds, ask_one) -
                         time_calls(order, rounds, ask_nothing));
  }
  std::vector<const Query*> order;
  for (const Query& query : queries) order.push_back(&query);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(11));
  const double mixed_ns =
      time_calls(order, rounds, ask_one) - time_calls(order, rounds, ask_nothing);
  return {at_fraction(by_size_ns, 0.5), at_fraction(by_size_ns, 0.99), at_fraction(by_size_ns, 1.0),
          mixed_ns};
}

// What most tuners do: the first rule that contains the size, by a scan.
int scan(const std::vector<Rule>& rules, const Query& query) {
  Costs costs = query.costs;
  int channels = 0;
  for (const Rule& rule : rules) {
    if (rule.collective != Collective::allreduce || query.nbytes < rule.min_bytes ||
        query.nbytes > rule.max_bytes || !rule.matches_shape(4, 1)) {
      continue;
    }
    const std::size_t cell = static_cast<std::size_t>(rule.choice.algorithm) * kProtocols +
                             static_cast<std::size_t>(rule.choice.protocol);
    if (costs[cell] >= 0) {
      costs[cell] = 0;
      channels = *rule.channels;
    }
    break;
  }
  asm volatile("" : : "r"(costs.data()) : "memory");
  return channels;
}

int run(bool quick) {
  const ncclTuner_v6_t& tuner = load_tuner();
  const auto queries = make_queries(quick ? 50 : 2'000);
  const int rounds = quick ? 1 : 5;
  std::printf("one decision, ns; %zu random sizes, %d calls each, best of %d rounds\n",
              queries.size(), kRepeats, rounds);
  std::printf("%6s  %35s  %35s\n", "", "vernier", "linear scan");
  std::printf("%6s", "rules");
  for (int i = 0; i < 2; ++i) std::printf("  %8s %8s %8s %8s", "p50", "p99", "worst", "mixed");
  std::printf("\n");
  for (const std::size_t count : {10u, 100u, 1000u, 4000u}) {
    const Policy policy = make_policy(count);
    const auto communicator = make_communicator(policy);
    const Timing ours = measure(
        queries, rounds, [&](const Query& query) { return ask(tuner, communicator.get(), query); });
    const Timing linear =
        measure(queries, rounds, [&](const Query& query) { return scan(policy.rules, query); });
    std::printf("%6zu", count);
    for (const Timing& timing : {ours, linear}) {
      std::printf("  %8.1f %8.1f %8.1f %8.1f", timing.p50_ns, timing.p99_ns, timing.worst_ns,
                  timing.mixed_ns);
    }
    std::printf("\n");
  }
  return 0;
}

}  // namespace
}  // namespace vernier::bench

int main(int argc, char** argv) {
  return vernier::bench::run(argc > 1 && std::strcmp(argv[1], "--quick") == 0);
}
