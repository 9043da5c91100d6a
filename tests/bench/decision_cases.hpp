// SPDX-License-Identifier: Apache-2.0
//
// The policies and queries of the decision benchmarks: N rules that all match this communicator and
// collective, with random boundaries, and a cost table as NCCL fills it on an NVLink machine.
#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "plugin/tuner/communicator.hpp"
#include "plugin/tuner/policy_store.hpp"
#include "vernier/abi/nccl_tuner.h"
#include "vernier/policy.hpp"

namespace vernier::bench {

inline constexpr int kAlgorithms = 7;
inline constexpr int kProtocols = 3;
inline constexpr std::uint64_t kLargestBytes = 16u << 20;

using Costs = std::array<float, kAlgorithms * kProtocols>;

// What NCCL predicts for an allreduce: latency plus bytes over bandwidth, for tree and ring; the
// other five algorithms cannot run. ring/ll is the cheapest at every size, the rules' instead_of.
inline Costs predict(std::uint64_t nbytes) {
  struct Model {
    float latency_us;
    float gbps;
  };
  constexpr std::array<Model, 6> kModels = {{{11.0f, 30.0f},
                                             {13.0f, 80.0f},
                                             {26.0f, 90.0f},  // tree ll, ll128, simple
                                             {10.0f, 170.0f},
                                             {12.5f, 110.0f},
                                             {22.0f, 150.0f}}};  // ring
  Costs costs;
  costs.fill(-1.0f);
  for (std::size_t i = 0; i < kModels.size(); ++i) {
    costs[i] = kModels[i].latency_us + static_cast<float>(nbytes) / (kModels[i].gbps * 1e3f);
  }
  return costs;
}

// `count` adjacent ranges over [1, kLargestBytes]: every query finds a rule and changes the choice.
inline Policy make_policy(std::size_t count) {
  std::mt19937_64 random(count);
  std::uniform_int_distribution<std::uint64_t> bytes(1, kLargestBytes - 1);
  std::set<std::uint64_t> upper{kLargestBytes};
  while (upper.size() < count) upper.insert(bytes(random));
  Policy policy;
  std::uint64_t low = 1;
  for (const std::uint64_t high : upper) {
    policy.rules.push_back({.collective = Collective::allreduce,
                            .min_bytes = low,
                            .max_bytes = high,
                            .ranks = 4,
                            .nodes = 1,
                            .instead_of = Choice{Algorithm::ring, Protocol::ll},
                            .choice = {Algorithm::ring, Protocol::ll128},
                            .channels = 16,
                            .alignment = std::nullopt,
                            .evidence = std::nullopt,
                            .where = {}});
    low = high + 1;
  }
  return policy;
}

struct Query {
  std::uint64_t nbytes;
  Costs costs;
};

inline std::vector<Query> make_queries(std::size_t count) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::uint64_t> bytes(1, kLargestBytes);
  std::vector<Query> queries(count);
  for (Query& query : queries) {
    query.nbytes = bytes(random);
    query.costs = predict(query.nbytes);
  }
  return queries;
}

// The shipped plugin's exported struct. Its contexts come from the same core library, linked here:
// an inline policy, the one kind that applies rules so far, does not hold 4,000 of them.
inline const ncclTuner_v6_t& load_tuner() {
  void* const library = dlopen(VERNIER_TUNER_FILE, RTLD_NOW | RTLD_LOCAL);
  void* const symbol = library == nullptr ? nullptr : dlsym(library, "ncclTunerPlugin_v6");
  if (symbol == nullptr) {
    std::fprintf(stderr, "cannot load %s: %s\n", VERNIER_TUNER_FILE, dlerror());
    std::exit(3);
  }
  return *static_cast<const ncclTuner_v6_t*>(symbol);
}

inline std::unique_ptr<Communicator> make_communicator(const Policy& policy) {
  Activation activation;
  activation.reason = Reason::active;
  activation.table =
      std::make_shared<const DecisionTable>(compile(policy, 4, 1, AllGatherChannels::keep));
  activation.policy = std::make_shared<LoadedPolicy>(PolicySource::inline_text, "bench",
                                                     write_policy(policy, WithEvidence::no));
  auto communicator = std::make_unique<Communicator>(activation, NcclLog(nullptr));
  communicator->apply();
  return communicator;
}

// One call as NCCL makes it: the table is filled anew each time.
inline int ask(const ncclTuner_v6_t& tuner, Communicator* communicator, const Query& query) {
  Costs costs = query.costs;
  int channels = 0;
  tuner.getCollInfo(communicator, ncclFuncAllReduce, query.nbytes, 1,
                    reinterpret_cast<float**>(costs.data()), kAlgorithms, kProtocols, 1, &channels);
  return channels;
}

}  // namespace vernier::bench
