// SPDX-License-Identifier: Apache-2.0
//
// How a model is served, and on what.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vernier::workload {

enum class Engine : std::uint8_t { vllm, vllm_no_custom_ar, sglang, all_nccl };
inline constexpr std::array<std::string_view, 4> kEngineNames = {"vllm", "vllm-no-custom-ar",
                                                                 "sglang", "all-nccl"};
constexpr std::string_view name_of(Engine engine) {
  return kEngineNames[static_cast<std::size_t>(engine)];
}

// How the GPUs of one node reach each other. no_p2p: only through host memory.
enum class Links : std::uint8_t { nvlink, pcie, no_p2p };
inline constexpr std::array<std::string_view, 3> kLinksNames = {"nvlink", "pcie", "no-p2p"};
constexpr std::string_view name_of(Links links) {
  return kLinksNames[static_cast<std::size_t>(links)];
}

// What tells the experts' ranks where a token goes.
enum class Router : std::uint8_t { topk, logits };
inline constexpr std::array<std::string_view, 2> kRouterNames = {"topk", "logits"};

struct Deployment {
  int tp = 1;     // ranks that share each layer
  int dp = 1;     // ranks that share the experts, and nothing else
  int nodes = 1;  // over which those ranks are spread
  Engine engine = Engine::vllm;
  std::uint64_t max_num_seqs = 256;
  std::uint64_t max_num_batched_tokens = 8192;
  std::uint64_t spec_tokens = 0;
  bool sequence_parallel = false;
  Router router = Router::topk;
  std::uint64_t moe_hidden_size = 0;  // 0: as the model says
  int capability = 0;                 // 10 x major + minor; 0: not known
  std::optional<Links> links;         // not known
  // Names in route_table.cc: what the engine says that it does not use.
  std::vector<std::string> absent_backends{};
};

// "9.0", as 10 x major + minor; 0 for any other text.
[[nodiscard]] int parse_capability(std::string_view text);

}  // namespace vernier::workload
