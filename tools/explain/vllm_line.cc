// SPDX-License-Identifier: Apache-2.0
#include "tools/explain/vllm_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace vernier::joblog {
namespace {

constexpr std::size_t kMaxText = 200;
constexpr std::size_t kMaxBackends = 16;
constexpr int kMaxRanks = 4096;

// Between `before` and the first of `ends` behind it.
std::optional<std::string_view> between(std::string_view line, std::string_view before,
                                        std::string_view ends) {
  const std::size_t at = line.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = line.substr(at + before.size());
  const std::size_t end = rest.find_first_of(ends);
  if (end == std::string_view::npos || end == 0 || end > kMaxText) return std::nullopt;
  return rest.substr(0, end);
}

bool keep(std::string& text, std::optional<std::string_view> found) {
  if (found && text.empty()) text = std::string(*found);
  return found.has_value();
}

// "Using ['CUSTOM', 'PYNCCL'] all-reduce backends for group 'tp:0'", with more words since 0.30.
bool read_backends(std::string_view line, std::vector<std::string>& backends) {
  const std::size_t end = line.find("] all-reduce backends");
  const std::size_t begin = line.find("Using [");
  if (end == std::string_view::npos || begin > end) return false;
  const auto group = between(line.substr(end), "group '", "'");
  if (!group || !group->starts_with("tp")) return false;
  if (!backends.empty()) return true;
  std::string_view list = line.substr(begin + 7, end - begin - 7);
  while (backends.size() < kMaxBackends) {
    const auto name = between(list, "'", "'");
    if (!name) break;
    backends.emplace_back(*name);
    list.remove_prefix(static_cast<std::size_t>(name->data() + name->size() - list.data()) + 1);
  }
  return !backends.empty();
}

bool read_engine(std::string_view line, VllmFacts& facts) {
  const auto version = between(line, "LLM engine (v", ")");
  if (!version) return false;
  (void)keep(facts.version, version);
  (void)keep(facts.model, between(line, "model='", "'"));
  if (const auto digits = between(line, "tensor_parallel_size=", ", )"); digits && facts.tp == 0) {
    int tp = 0;
    const char* const end = digits->data() + digits->size();
    const auto [stop, error] = std::from_chars(digits->data(), end, tp);
    if (error == std::errc() && stop == end && tp > 0 && tp <= kMaxRanks) facts.tp = tp;
  }
  return true;
}

}  // namespace

bool read_vllm_line(std::string_view line, VllmFacts& facts) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.find("all-reduce backends") != line.npos) return read_backends(line, facts.backends);
  if (line.find("LLM engine (v") != line.npos) return read_engine(line, facts);
  const std::string ended = std::string(line.substr(0, 4 * kMaxText)) + '\n';
  if (ended.find("vLLM is using nccl==") != ended.npos) {
    return keep(facts.nccl, between(ended, "vLLM is using nccl==", " \n"));
  }
  return keep(facts.custom_disabled,
              between(ended, "Custom allreduce is disabled because ", ".\n"));
}

std::vector<std::string> absent_backends(const VllmFacts& facts) {
  // vLLM's names, and those of route_table.cc.
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kNames = {
      {{"FLASHINFER", "flashinfer"},
       {"CUSTOM", "custom all-reduce"},
       {"SYMM_MEM", "torch symmetric memory"}}};
  std::vector<std::string> absent;
  if (facts.backends.empty()) return absent;
  for (const auto& [theirs, ours] : kNames) {
    if (std::find(facts.backends.begin(), facts.backends.end(), theirs) == facts.backends.end()) {
      absent.emplace_back(ours);
    }
  }
  return absent;
}

}  // namespace vernier::joblog
