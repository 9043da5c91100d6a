// SPDX-License-Identifier: Apache-2.0
//
// The enumerations vernier speaks in and their one spelling as text. Numbers are NCCL's (2.19 to
// 2.32), so a value converts to and from the plugin ABI without a table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "vernier/abi/nccl_base.h"

namespace vernier {

enum class Collective : std::uint8_t {
  broadcast = ncclFuncBroadcast,
  reduce = ncclFuncReduce,
  allgather = ncclFuncAllGather,
  reducescatter = ncclFuncReduceScatter,
  allreduce = ncclFuncAllReduce,
};

// Whether each rank has a part of the bytes that NCCL's tuner sees, which are ranks x that.
constexpr bool has_parts(Collective collective) {
  return collective == Collective::allgather || collective == Collective::reducescatter;
}

enum class Algorithm : std::uint8_t {
  tree = NCCL_ALGO_TREE,
  ring = NCCL_ALGO_RING,
  collnet_direct = NCCL_ALGO_COLLNET_DIRECT,
  collnet_chain = NCCL_ALGO_COLLNET_CHAIN,
  nvls = NCCL_ALGO_NVLS,
  nvls_tree = NCCL_ALGO_NVLS_TREE,
  pat = NCCL_ALGO_PAT,
};

enum class Protocol : std::uint8_t {
  ll = NCCL_PROTO_LL,
  ll128 = NCCL_PROTO_LL128,
  simple = NCCL_PROTO_SIMPLE,
};

// Index is the enumerator's value.
inline constexpr std::array<std::string_view, 5> kCollectiveNames = {
    "broadcast", "reduce", "allgather", "reducescatter", "allreduce"};
inline constexpr std::array<std::string_view, 7> kAlgorithmNames = {
    "tree", "ring", "collnet_direct", "collnet_chain", "nvls", "nvls_tree", "pat"};
inline constexpr std::array<std::string_view, 3> kProtocolNames = {"ll", "ll128", "simple"};

constexpr std::string_view name_of(Collective value) {
  return kCollectiveNames[static_cast<std::size_t>(value)];
}
constexpr std::string_view name_of(Algorithm value) {
  return kAlgorithmNames[static_cast<std::size_t>(value)];
}
constexpr std::string_view name_of(Protocol value) {
  return kProtocolNames[static_cast<std::size_t>(value)];
}

// Exact, lower-case match; nullopt for any other text.
template <typename Enum, std::size_t N>
constexpr std::optional<Enum> find_name(const std::array<std::string_view, N>& names,
                                        std::string_view text) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}
constexpr std::optional<Collective> find_collective(std::string_view text) {
  return find_name<Collective>(kCollectiveNames, text);
}
constexpr std::optional<Algorithm> find_algorithm(std::string_view text) {
  return find_name<Algorithm>(kAlgorithmNames, text);
}
constexpr std::optional<Protocol> find_protocol(std::string_view text) {
  return find_name<Protocol>(kProtocolNames, text);
}

// An algorithm with its protocol: one cell of NCCL's cost table. Written "ring/ll128".
struct Choice {
  Algorithm algorithm;
  Protocol protocol;
  friend constexpr bool operator==(Choice, Choice) = default;
};

// Whether NCCL 2.22 to 2.32 can ever mark this cell usable for this collective, on any machine.
constexpr bool is_possible(Collective collective, Choice choice) {
  const bool simple = choice.protocol == Protocol::simple;
  switch (collective) {
    case Collective::broadcast:
    case Collective::reduce: return choice.algorithm == Algorithm::ring;
    case Collective::allgather:
    case Collective::reducescatter:
      switch (choice.algorithm) {
        case Algorithm::ring: return true;
        case Algorithm::pat:
        case Algorithm::nvls:
        case Algorithm::collnet_direct: return simple;
        default: return false;
      }
    case Collective::allreduce:
      switch (choice.algorithm) {
        case Algorithm::tree:
        case Algorithm::ring: return true;
        case Algorithm::pat: return false;
        default: return simple;
      }
  }
  return false;
}

}  // namespace vernier
