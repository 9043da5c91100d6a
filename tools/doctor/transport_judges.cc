// SPDX-License-Identifier: Apache-2.0
//
// Judges of variables about NICs, interfaces and the ways between GPUs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tools/doctor/environment_judges.hpp"
#include "tools/doctor/environment_values.hpp"

namespace vernier::doctor::judge {
namespace {

// One of "mlx5_0:1", "=mlx5_0", of the list in NCCL_IB_HCA.
struct HcaPattern {
  bool exact;
  std::string name;
  explicit HcaPattern(std::string text) : exact(text.starts_with('=')) {
    if (exact) text.erase(0, 1);
    name = text.substr(0, text.find(':'));
  }
  [[nodiscard]] bool matches(const std::string& device) const {
    return exact ? device == name : device.starts_with(name);
  }
};

// NCCL_IB_HCA: "^" and "=" stand in front of the whole list.
struct HcaList {
  bool inverted;
  std::vector<HcaPattern> patterns;
  explicit HcaList(std::string value) : inverted(value.starts_with('^')) {
    if (inverted) value.erase(0, 1);
    const bool exact = value.starts_with('=');
    if (exact) value.erase(0, 1);
    for (const std::string& part : split(value, ',')) {
      patterns.emplace_back(exact && !part.starts_with('=') ? "=" + part : part);
    }
  }
};

// Names in a list of what to take that no device here has. To leave out what is not there does no
// harm.
std::vector<std::string> absent_names(const HcaList& list, const Facts& facts) {
  std::vector<std::string> absent;
  if (list.inverted || facts.nics.empty()) return absent;
  for (const HcaPattern& pattern : list.patterns) {
    if (std::none_of(facts.nics.begin(), facts.nics.end(),
                     [&](const Nic& nic) { return pattern.matches(nic.name); })) {
      absent.push_back(pattern.name);
    }
  }
  return absent;
}

// Ports that carry something, by kind.
std::vector<std::pair<const Nic*, const Port*>> active_ports(const Facts& facts) {
  std::vector<std::pair<const Nic*, const Port*>> ports;
  for (const Nic& nic : facts.nics) {
    for (const Port& port : nic.ports) {
      if (port.active()) ports.emplace_back(&nic, &port);
    }
  }
  return ports;
}

bool only_infiniband(const Facts& facts) {
  const auto ports = active_ports(facts);
  return !ports.empty() && std::none_of(ports.begin(), ports.end(),
                                        [](const auto& port) { return port.second->ethernet(); });
}

constexpr std::array<std::string_view, 11> kLevels = {"loc", "nvl", "nvb", "c2c",  "pix", "pxb",
                                                      "p2c", "pxn", "phb", "node", "sys"};

}  // namespace

std::string level_invalid(Value value, const Facts&) {
  const auto level = number(value);
  if (level && *level >= 0 && *level <= 5) return {};
  const std::string word = lower(value);
  if (std::find(kLevels.begin(), kLevels.end(), word) != kLevels.end()) return {};
  return "is no level (LOC, NVL, PIX, PXB, PXN, PHB, SYS, or the old 0 to 5)";
}

std::string gdr_level_sys(Value value, const Facts& facts) {
  if (facts.system.numa_nodes < 2 || (value != "5" && lower(value) != "sys")) return {};
  return fmt::format("means SYS, on {} NUMA nodes", facts.system.numa_nodes);
}

std::string p2p_disabled(Value value, const Facts& facts) {
  if (value.empty() || value == "0") return {};
  for (const GpuFacts& gpu : facts.gpus) {
    for (const auto& [peer, status] : gpu.nvml.peers) {
      if (status == 0) return "is on, and these GPUs have P2P";
    }
  }
  return {};
}

std::string ib_disabled(Value value, const Facts& facts) {
  const std::size_t ports = active_ports(facts).size();
  if (value.empty() || value == "0" || ports == 0) return {};
  return fmt::format("is on, and {} RDMA ports are active", ports);
}

std::string net_socket(Value value, const Facts& facts) {
  const std::size_t ports = active_ports(facts).size();
  return lower(value) == "socket" && ports > 0
             ? fmt::format("leaves {} active RDMA ports out", ports)
             : "";
}

std::string hca_matches_none(Value value, const Facts& facts) {
  const HcaList list(value);
  const auto absent = absent_names(list, facts);
  if (absent.empty() || absent.size() < list.patterns.size()) return {};
  return fmt::format("names {}: no device here", fmt::join(absent, ", "));
}

std::string hca_names_absent(Value value, const Facts& facts) {
  const HcaList list(value);
  const auto absent = absent_names(list, facts);
  if (absent.size() == list.patterns.size() || absent.empty()) return {};
  return fmt::format("names {}: no device here, beside some that are", fmt::join(absent, ", "));
}

std::string hca_matches_several(Value value, const Facts& facts) {
  for (const HcaPattern& pattern : HcaList(value).patterns) {
    // A number at the end was meant as a whole one; "mlx5" was not.
    if (pattern.exact || pattern.name.empty() || pattern.name.back() < '0' ||
        pattern.name.back() > '9' || pattern.name.find('_') == std::string::npos) {
      continue;
    }
    std::vector<std::string> names;
    for (const Nic& nic : facts.nics) {
      if (pattern.matches(nic.name)) names.push_back(nic.name);
    }
    if (names.size() > 1) {
      return fmt::format("is a prefix: it takes {}", fmt::join(names, ", "));
    }
  }
  return {};
}

std::string hca_leaves_out(Value value, const Facts& facts) {
  const HcaList list(value);
  std::vector<std::string> out;
  for (const Nic& nic : facts.nics) {
    const bool named = std::any_of(list.patterns.begin(), list.patterns.end(),
                                   [&](const HcaPattern& p) { return p.matches(nic.name); });
    if (nic.active() && named == list.inverted) out.push_back(nic.name);
  }
  if (out.empty()) return {};
  return fmt::format("leaves active {} out", fmt::join(out, ", "));
}

std::string gid_index_on_infiniband(Value value, const Facts& facts) {
  const auto index = number(value);
  return index && *index >= 0 && only_infiniband(facts) ? "is set, and all active ports are "
                                                          "InfiniBand"
                                                        : "";
}

std::string gid_index_not_v2(Value value, const Facts& facts) {
  const auto index = number(value);
  if (!index || *index < 0) return {};
  for (const auto& [nic, port] : active_ports(facts)) {
    if (!port->ethernet()) continue;
    const auto gid = std::find_if(port->gids.begin(), port->gids.end(),
                                  [&](const Gid& one) { return one.index == *index; });
    if (gid == port->gids.end()) {
      return fmt::format("is empty on {} port {}", nic->name, port->number);
    }
    if (gid->type != "RoCE v2") {
      return fmt::format("is {} on {} port {}", gid->type, nic->name, port->number);
    }
  }
  return {};
}

std::string tc_on_infiniband(Value, const Facts& facts) {
  return only_infiniband(facts) ? "is set, and all active ports are InfiniBand" : "";
}

std::string interface_unknown(Value value, const Facts& facts) {
  if (value.starts_with('^') || facts.system.interfaces.empty()) return {};
  std::string list = value;
  const bool exact = list.starts_with('=');
  if (exact) list.erase(0, 1);
  for (const std::string& name : split(list, ',')) {
    const std::string bare = name.substr(0, name.find(':'));
    const bool found = std::any_of(
        facts.system.interfaces.begin(), facts.system.interfaces.end(),
        [&](const std::string& one) { return exact ? one == bare : one.starts_with(bare); });
    if (found) return {};  // one is enough: nodes differ
  }
  return fmt::format("names no interface here ({})", fmt::join(facts.system.interfaces, ", "));
}

}  // namespace vernier::doctor::judge
