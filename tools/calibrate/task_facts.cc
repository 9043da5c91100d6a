// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/task_facts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/common/table.hpp"

namespace vernier::calibrate {
namespace {

constexpr const char* kNotSet = "(not set)";

void add(std::vector<RanksOfValue>& values, const std::string& value, int rank) {
  const auto same = std::find_if(values.begin(), values.end(),
                                 [&](const RanksOfValue& one) { return one.value == value; });
  if (same == values.end()) {
    values.push_back({value, {rank}});
  } else {
    same->ranks.push_back(rank);
  }
}

}  // namespace

std::vector<FactDifference> differences(const std::map<int, Json>& facts) {
  std::vector<std::string> names;
  for (const auto& [rank, own] : facts) {
    for (const auto& [name, value] : own.items()) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  std::vector<FactDifference> all;
  for (const std::string& name : names) {
    FactDifference difference{name, {}};
    for (const auto& [rank, own] : facts) {
      add(difference.values, own.contains(name) ? own[name].get<std::string>() : kNotSet, rank);
    }
    if (difference.values.size() > 1) all.push_back(std::move(difference));
  }
  return all;
}

std::string differences_text(const std::vector<FactDifference>& all) {
  Table table(
      {{"what", Table::Align::left}, {"ranks", Table::Align::left}, {"value", Table::Align::left}});
  for (const FactDifference& difference : all) {
    bool first = true;
    for (const RanksOfValue& one : difference.values) {
      table.add({first ? difference.fact : "", ranks_text(one.ranks), printable(one.value)});
      first = false;
    }
  }
  return table.text();
}

Json to_json(const std::vector<FactDifference>& all) {
  Json json = Json::array();
  for (const FactDifference& difference : all) {
    Json values = Json::array();
    for (const RanksOfValue& one : difference.values) {
      values.push_back({{"value", one.value}, {"ranks", one.ranks}});
    }
    json.push_back({{"what", difference.fact}, {"values", values}});
  }
  return json;
}

std::string ranks_text(const std::vector<int>& ranks) {
  std::string text;
  for (std::size_t first = 0; first < ranks.size();) {
    std::size_t last = first;
    while (last + 1 < ranks.size() && ranks[last + 1] == ranks[last] + 1) ++last;
    if (!text.empty()) text += ",";
    text += first == last ? fmt::format("{}", ranks[first])
                          : fmt::format("{}-{}", ranks[first], ranks[last]);
    first = last + 1;
  }
  return text;
}

std::string ranks_by_host(const std::map<int, std::string>& hosts) {
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  for (const auto& [rank, host] : hosts) {
    if (groups.empty() || groups.back().first != host) groups.push_back({host, {}});
    groups.back().second.push_back(rank);
  }
  std::string text;
  for (const auto& [host, ranks] : groups) {
    text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", ranks_text(ranks), host);
  }
  return text;
}

}  // namespace vernier::calibrate
