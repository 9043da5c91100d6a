// SPDX-License-Identifier: Apache-2.0
//
// The collectives of an inference step: what a model makes an engine send (make_workload), or what
// a profile counted. docs/workload.md has the formulas.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/workload/deployment.hpp"
#include "tools/workload/model.hpp"
#include "vernier/names.hpp"

namespace vernier::workload {

inline constexpr std::uint64_t kKib = 1024;
inline constexpr std::uint64_t kMib = 1024 * kKib;

// Equal calls of one step. Bytes are those of NCCL's tuner: of allgather and reducescatter the
// total of all ranks.
struct Call {
  Collective collective;
  std::uint64_t nbytes;
  int ranks;
  int nodes;
  std::uint64_t calls;
  bool captured;        // into a CUDA graph, which replays NCCL's choice
  std::string label;    // "attention output"
  std::string backend;  // kNccl, kNotKnown, or who runs it instead
  [[nodiscard]] bool reaches_nccl() const;
};

enum class Phase : std::uint8_t { decode, prefill };
inline constexpr std::array<std::string_view, 2> kPhaseNames = {"decode", "prefill"};
constexpr std::string_view name_of(Phase phase) {
  return kPhaseNames[static_cast<std::size_t>(phase)];
}

struct Step {
  Phase phase;
  std::uint64_t tokens;  // on each rank that has tokens of its own; in graphs with padding
  std::vector<Call> calls;
};

// What is worth calibrating: calls that reach NCCL, and how often they come.
struct Size {
  Collective collective;
  std::uint64_t nbytes;
  int ranks;  // 0, as nodes: not known
  int nodes;
  std::uint64_t calls;     // of one process
  std::uint64_t captured;  // of them
};

struct Workload {
  std::string source;                // "llama (32 layers of 4096), tp 4, vllm"
  std::vector<std::string> assumed;  // what nobody stated: a sentence each
  std::vector<Size> sizes;           // by shape, collective, bytes
  std::vector<Step> steps;           // by tokens; empty where only sizes are known
};

// Throws Malformed where the deployment does not fit the model.
[[nodiscard]] Workload make_workload(const Model& model, const Deployment& deployment);

// The calls of steps that reach NCCL, each step once.
[[nodiscard]] std::vector<Size> sizes_of(const std::vector<Step>& steps);

// How many calls a step makes, and how many of them NCCL sees.
[[nodiscard]] std::uint64_t count_calls(const Step& step);
[[nodiscard]] std::uint64_t count_nccl_calls(const Step& step);

// What NCCL sees of the steps, in a sentence or two.
[[nodiscard]] std::string verdict(const Workload& workload);

}  // namespace vernier::workload
