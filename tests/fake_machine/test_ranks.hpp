// SPDX-License-Identifier: Apache-2.0
//
// Forks one process per rank, each with a GPU, a stream and a communicator.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/fake_machine/nccl/api.hpp"

namespace vernier::fake_machine {

using Environment = std::map<std::string, std::string>;

struct Rank {
  int rank;
  int ranks;
  Stream* stream;
  CommHandle* comm;

  // Device memory holding `values`, and what device memory holds.
  [[nodiscard]] static void* upload(const std::vector<float>& values);
  [[nodiscard]] static std::vector<float> download(const void* pointer, std::size_t count);
  [[nodiscard]] static double used_mib();
  // Milliseconds of virtual time that `run` takes.
  [[nodiscard]] double time_ms(const std::function<void()>& run) const;
  [[nodiscard]] GraphExec* capture(const std::function<void()>& run) const;
};

// What became of a rank.
struct End {
  enum Kind { ended, killed, hung } kind;
  int signal;  // where killed
  std::vector<double> said;
};

// `body` runs in every child and returns what it wants to say. A child that has not ended after
// `limit_s` is hung, and is killed. `of_rank` adds to the environment of one rank.
[[nodiscard]] std::vector<End> run_ranks(
    int ranks, const Environment& environment,
    const std::function<std::vector<double>(const Rank&)>& body,
    const std::function<Environment(int rank)>& of_rank = {}, double limit_s = 20);

}  // namespace vernier::fake_machine
