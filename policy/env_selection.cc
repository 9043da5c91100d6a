// SPDX-License-Identifier: Apache-2.0
#include "vernier/env_selection.hpp"

#include <algorithm>
#include <string>

namespace vernier {
namespace {

// NCCL writes AllReduce, NVLSTree and CollNetDirect where we write allreduce and nvls_tree.
std::string fold(std::string_view name) {
  std::string folded;
  for (const char c : name) {
    if (c != '_') folded += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return folded;
}

template <std::size_t N>
std::optional<std::size_t> find_folded(const std::array<std::string_view, N>& names,
                                       std::string_view text) {
  const std::string wanted = fold(text);
  for (std::size_t i = 0; i < N; ++i) {
    if (fold(names[i]) == wanted) return i;
  }
  return std::nullopt;
}

std::string_view take_until(std::string_view& rest, char separator) {
  const std::string_view part = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

// The names in "a,b" or "^a,b" as bits; with one that is unknown a problem, and no bits.
template <std::size_t N>
std::optional<unsigned> parse_list(const std::array<std::string_view, N>& names,
                                   std::string_view list, std::string& problem) {
  const bool inverted = list.starts_with('^');
  if (inverted) list.remove_prefix(1);
  unsigned mask = 0;
  while (!list.empty()) {
    const std::string_view name = take_until(list, ',');
    const auto index = find_folded(names, name);
    if (!index) {
      problem = "\"" + std::string(name) + "\" is not a name that NCCL knows";
      return std::nullopt;
    }
    mask |= 1u << *index;
  }
  return inverted ? ~mask : mask;
}

template <std::size_t N>
EnvLists parse(const std::array<std::string_view, N>& names, std::optional<std::string_view> text,
               std::string& problem) {
  EnvLists everything;
  everything.allowed.fill(~0u);
  if (!text) return everything;
  EnvLists lists = everything;
  std::string_view rest = *text;
  for (bool first = true; !rest.empty(); first = false) {
    const std::string_view part = take_until(rest, ';');
    const std::size_t colon = part.find(':');
    const auto mask =
        parse_list(names, colon == part.npos ? part : part.substr(colon + 1), problem);
    if (!mask) return everything;
    if (colon == part.npos) {
      if (!first) {
        problem = "\"" + std::string(part) + "\" is for no collective";
        return everything;
      }
      if (part.empty()) continue;
      lists.allowed.fill(*mask);
      lists.applies.fill(true);
      continue;
    }
    const auto collective = find_folded(kCollectiveNames, part.substr(0, colon));
    if (!collective) {
      problem = "\"" + std::string(part.substr(0, colon)) + "\" is not a collective";
      return everything;
    }
    lists.allowed[*collective] = *mask;
    lists.applies[*collective] = true;
  }
  return lists;
}

}  // namespace

EnvSelection::EnvSelection(std::optional<std::string_view> nccl_algo,
                           std::optional<std::string_view> nccl_proto)
    : algorithms_(parse(kAlgorithmNames, nccl_algo, problem_)),
      protocols_(parse(kProtocolNames, nccl_proto, problem_)) {}

bool EnvSelection::forces_ll128() const {
  for (std::size_t c = 0; c < kCollectiveNames.size(); ++c) {
    const bool allowed =
        (protocols_.allowed[c] >> static_cast<unsigned>(Protocol::ll128) & 1u) != 0;
    if (protocols_.applies[c] && allowed) return true;
  }
  return false;
}

}  // namespace vernier
