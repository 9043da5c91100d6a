// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/distance.hpp"

#include <algorithm>
#include <array>

namespace vernier::doctor {

std::string_view name_of(Distance distance) {
  constexpr std::array<std::string_view, 6> kNames = {"PIX", "PXB", "PHB", "NODE", "SYS", "?"};
  return kNames[static_cast<std::size_t>(distance)];
}

Distance distance_between(const PciDevice& a, const PciDevice& b, int numa_nodes) {
  if (a.chain.empty() || b.chain.empty()) return Distance::unknown;
  std::size_t common = 0;
  while (common < a.chain.size() && common < b.chain.size() && a.chain[common] == b.chain[common]) {
    ++common;
  }
  if (common > 1) {
    // Below the common bridge. A switch is two bridges, one up and one down: behind the same
    // switch a device has one more above itself, behind another switch three.
    const std::size_t below = std::max(a.chain.size(), b.chain.size()) - common;
    return below <= 2 ? Distance::pix : Distance::pxb;
  }
  if (common == 1) return Distance::phb;
  if (numa_nodes == 1) return Distance::node;
  if (!a.numa.present() || !b.numa.present() || a.numa.value < 0 || b.numa.value < 0) {
    return Distance::unknown;
  }
  return a.numa.value == b.numa.value ? Distance::node : Distance::sys;
}

int nvlinks_between(const GpuFacts& a, const GpuFacts& b) {
  if (const auto direct = a.nvlinks.find(b.nvml.pci); direct != a.nvlinks.end()) {
    return direct->second;
  }
  const auto of_a = a.nvlinks.find("NVSwitch");
  const auto of_b = b.nvlinks.find("NVSwitch");
  if (of_a == a.nvlinks.end() || of_b == b.nvlinks.end()) return 0;
  return std::min(of_a->second, of_b->second);
}

void find_distances(Facts& facts) {
  std::vector<int> users(facts.nics.size(), 0);
  for (const GpuFacts& gpu : facts.gpus) {
    std::vector<Distance> row;
    int best = -1;
    for (std::size_t i = 0; i < facts.nics.size(); ++i) {
      row.push_back(distance_between(gpu.pci, facts.nics[i].pci, facts.system.numa_nodes));
      if (!facts.nics[i].active()) continue;
      const auto rank = [&](std::size_t nic) { return std::pair(row[nic], users[nic]); };
      if (best < 0 || rank(i) < rank(static_cast<std::size_t>(best))) best = static_cast<int>(i);
    }
    if (best >= 0) ++users[static_cast<std::size_t>(best)];
    facts.distance.push_back(std::move(row));
    facts.nearest.push_back(best);
  }
}

}  // namespace vernier::doctor
