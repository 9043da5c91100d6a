// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include "vernier/policy.hpp"

namespace vernier {
namespace {

bool may_share_shape(const Rule& a, const Rule& b) {
  const auto meet = [](const std::optional<int>& x, const std::optional<int>& y) {
    return !x || !y || *x == *y;
  };
  return a.collective == b.collective && meet(a.ranks, b.ranks) && meet(a.nodes, b.nodes);
}

}  // namespace

std::vector<std::pair<std::size_t, std::size_t>> find_overlaps(const std::vector<Rule>& rules) {
  std::vector<std::size_t> by_min(rules.size());
  std::iota(by_min.begin(), by_min.end(), std::size_t{0});
  std::stable_sort(by_min.begin(), by_min.end(), [&rules](std::size_t a, std::size_t b) {
    return rules[a].min_bytes < rules[b].min_bytes;
  });
  // One pair per later rule: 4,000 equal rules are 4,000 findings, not 8,000,000.
  std::vector<std::size_t> earlier_of(rules.size(), rules.size());
  for (std::size_t i = 0; i < by_min.size(); ++i) {
    const Rule& low = rules[by_min[i]];
    // Ascending lower ends: nothing further on can start inside `low` once one starts beyond it.
    for (std::size_t j = i + 1; j < by_min.size(); ++j) {
      const Rule& high = rules[by_min[j]];
      if (high.min_bytes > low.max_bytes) break;
      if (!may_share_shape(low, high) || high.min_bytes > high.max_bytes) continue;
      const auto [earlier, later] = std::minmax(by_min[i], by_min[j]);
      earlier_of[later] = std::min(earlier_of[later], earlier);
    }
  }
  std::vector<std::pair<std::size_t, std::size_t>> overlaps;
  for (std::size_t later = 0; later < rules.size(); ++later) {
    if (earlier_of[later] != rules.size()) overlaps.emplace_back(earlier_of[later], later);
  }
  return overlaps;
}

}  // namespace vernier
