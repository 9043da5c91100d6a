// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "tools/doctor/facts.hpp"

namespace vernier::doctor {

// "PIX": one PCIe switch between them; "PXB": several; "PHB": the host bridge; "NODE": two host
// bridges of a NUMA node; "SYS": between NUMA nodes; "?".
[[nodiscard]] std::string_view name_of(Distance distance);

// `numa_nodes`: of the machine, 0 where unknown.
[[nodiscard]] Distance distance_between(const PciDevice& a, const PciDevice& b, int numa_nodes);

// NVLinks from one to the other: direct ones, or what both have to the switch.
[[nodiscard]] int nvlinks_between(const GpuFacts& a, const GpuFacts& b);

// Fills facts.distance and facts.nearest: to each GPU the nearest NIC with an active port, and of
// equally near ones the one that the fewest GPUs have got.
void find_distances(Facts& facts);

}  // namespace vernier::doctor
