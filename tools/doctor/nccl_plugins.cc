// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/nccl_plugins.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace vernier::doctor {
namespace {

constexpr int kOnlyNames = 22703;  // 2.27.3, as in PyTorch 2.8: a path does not work
constexpr int kNoneIsOff = 22803;  // 2.28.3

const char* default_name(PluginKind kind) {
  switch (kind) {
    case PluginKind::tuner: return "libnccl-tuner";
    case PluginKind::profiler: return "libnccl-profiler";
    case PluginKind::net: return "libnccl-net";
  }
  return "";
}

bool same_letters(const std::string& a, const std::string& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return (x | 0x20) == (y | 0x20);
         });
}

bool is_file_name(const std::string& asked) {
  return asked.starts_with("lib") && asked.ends_with(".so");
}

// NCCL compares as many letters as the value has, so any leading part will do.
bool is_built_in(PluginKind kind, const std::string& asked, int version) {
  const std::string word = "STATIC_PLUGIN";
  const int first = kind == PluginKind::tuner ? 22200 : 22300;
  return kind != PluginKind::net && version >= first && version != kOnlyNames &&
         asked.size() <= word.size() && same_letters(asked, word.substr(0, asked.size()));
}

// The newest version of the plugin's ABI that an NCCL knows; 0: none.
int newest_symbol(PluginKind kind, int version) {
  using Row = std::pair<int, int>;  // from this NCCL on: newest
  static constexpr std::array<Row, 7> kTuner = {
      {{23206, 7}, {23000, 6}, {22800, 5}, {22400, 4}, {22200, 3}, {22100, 2}, {21900, 1}}};
  static constexpr std::array<Row, 7> kProfiler = {
      {{23100, 7}, {22900, 6}, {22800, 5}, {22700, 4}, {22600, 3}, {22400, 2}, {22300, 1}}};
  for (const auto& [from, newest] : kind == PluginKind::tuner ? kTuner : kProfiler) {
    if (version >= from) return newest;
  }
  return 0;
}

}  // namespace

PluginNames plugin_names(PluginKind kind, const std::string& asked, int version) {
  const std::string base = default_name(kind);
  if (kind != PluginKind::net && newest_symbol(kind, version) == 0) return {};
  if (asked.empty()) {
    // 2.19 and 2.20 load a tuner only where one is named.
    if (kind == PluginKind::tuner && version < 22100) return {};
    return {false, false, {base + ".so"}};
  }
  if (same_letters(asked, "none") && (version >= kNoneIsOff || kind == PluginKind::net)) {
    return {true, false, {}};
  }
  if (is_built_in(kind, asked, version)) return {false, true, {}};
  const std::string expanded = fmt::format("{}-{}.so", base, asked);
  if (kind == PluginKind::tuner && version < 22100) return {false, false, {asked}};
  if (kind == PluginKind::profiler && version < 22600) return {false, false, {asked}};
  if (version == kOnlyNames) return {false, false, {is_file_name(asked) ? asked : expanded}};
  if (version > kOnlyNames && (asked.find('/') != asked.npos || is_file_name(asked))) {
    return {false, false, {asked}};
  }
  return {false, false, {asked, expanded}};
}

bool falls_back_to_net(PluginKind kind, int version) {
  if (kind == PluginKind::net) return false;
  return version >= (kind == PluginKind::tuner ? 22100 : kNoneIsOff);
}

std::vector<std::string> plugin_symbols(PluginKind kind, int version) {
  std::vector<std::string> symbols;
  if (kind == PluginKind::net) return symbols;
  const bool tuner = kind == PluginKind::tuner;
  const int oldest = tuner && version >= 22100 ? 2 : 1;  // v1 went with 2.20
  for (int abi = newest_symbol(kind, version); abi >= oldest; --abi) {
    symbols.push_back(fmt::format("{}_v{}", tuner ? "ncclTunerPlugin" : "ncclProfiler", abi));
  }
  return symbols;
}

}  // namespace vernier::doctor
