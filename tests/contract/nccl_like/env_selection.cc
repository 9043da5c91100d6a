// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/nccl_like/env_selection.hpp"

#include <strings.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace vernier::contract {
namespace {

using Names = std::vector<std::string>;

const Names kFunctionNames = {"Broadcast", "Reduce", "AllGather", "ReduceScatter", "AllReduce"};
const Names kAlgorithmNames = {"Tree",     "Ring", "CollNetDirect", "CollNetChain", "NVLS",
                               "NVLSTree", "PAT"};
const Names kProtocolNames = {"LL", "LL128", "Simple"};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

int find(const Names& names, const std::string& text) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (strcasecmp(names[i].c_str(), text.c_str()) == 0) return static_cast<int>(i);
  }
  return -1;
}

// "Ring,Tree" or "^NVLS". Unknown names make it false, where they are not ignored.
template <std::size_t N>
bool read_list(std::string list, const Names& names, bool ignore_unknown,
               std::array<bool, N>& enabled) {
  const bool inverted = list.starts_with('^');
  if (inverted) list.erase(0, 1);
  enabled.fill(inverted);
  for (const std::string& name : split(list, ',')) {
    const int index = find(names, name);
    if (index >= 0) {
      enabled[static_cast<std::size_t>(index)] = !inverted;
    } else if (!ignore_unknown) {
      return false;
    }
  }
  return true;
}

template <std::size_t N, std::size_t F>
bool read_variable(const char* text, const Names& names, EnvGrammar grammar,
                   std::array<std::array<bool, N>, F>& enabled) {
  for (auto& row : enabled) row.fill(true);
  if (text == nullptr || *text == '\0') return true;
  if (grammar == EnvGrammar::one_list) {
    read_list(text, names, true, enabled[0]);
    std::fill(enabled.begin() + 1, enabled.end(), enabled[0]);
    return true;
  }
  bool first = true;
  for (const std::string& element : split(text, ';')) {
    const std::size_t colon = element.find(':');
    if (colon == std::string::npos) {
      if (!first || !read_list(element, names, false, enabled[0])) return false;
      std::fill(enabled.begin() + 1, enabled.end(), enabled[0]);
    } else {
      const int func = find(kFunctionNames, element.substr(0, colon));
      if (func < 0) return false;
      auto& row = enabled[static_cast<std::size_t>(func)];
      if (!read_list(element.substr(colon + 1), names, false, row)) return false;
    }
    first = false;
  }
  return true;
}

}  // namespace

bool EnvSelection::allows(int func, int algorithm, int protocol) const {
  if (func < 0 || func >= kFunctions) return true;
  const auto f = static_cast<std::size_t>(func);
  return (algorithm >= kAlgorithms || algorithms[f][static_cast<std::size_t>(algorithm)]) &&
         (protocol >= kProtocols || protocols[f][static_cast<std::size_t>(protocol)]);
}

std::optional<EnvSelection> read_env_selection(EnvGrammar grammar) {
  const char* const algo = std::getenv("NCCL_ALGO");
  const char* const proto = std::getenv("NCCL_PROTO");
  EnvSelection selection;
  selection.is_set = algo != nullptr || proto != nullptr;
  if (!read_variable(algo, kAlgorithmNames, grammar, selection.algorithms) ||
      !read_variable(proto, kProtocolNames, grammar, selection.protocols)) {
    return std::nullopt;
  }
  return selection;
}

}  // namespace vernier::contract
