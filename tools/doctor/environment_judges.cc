// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/environment_judges.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <string_view>
#include <vector>

#include "vernier/env_selection.hpp"

namespace vernier::doctor::judge {
namespace {

std::optional<int> number(Value value) {
  int result = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc{} || end != value.data() + value.size()) return std::nullopt;
  return result;
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

std::vector<std::string> split(std::string text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::optional<std::string_view> other(const Facts& facts, const char* name) {
  const auto found = facts.environment.find(name);
  if (found == facts.environment.end()) return std::nullopt;
  return found->second.value;
}

// Our names have underscores, NCCL's have none; EnvSelection takes both.
std::string problem_of(const EnvSelection& selection, Value value) {
  if (!selection.problem().empty()) return selection.problem();
  return value.find('_') != value.npos ? "NCCL's names have no underscore" : "";
}

// Algorithms or protocols that a value excludes, for any collective.
template <typename Enum, std::size_t N>
std::string excluded(const EnvSelection& selection, const std::array<std::string_view, N>& names,
                     Choice (*choice)(Enum)) {
  std::vector<std::string_view> gone;
  for (std::size_t i = 0; i < N; ++i) {
    if (!selection.allows(Collective::allreduce, choice(static_cast<Enum>(i)))) {
      gone.push_back(names[i]);
    }
  }
  if (gone.empty()) return {};
  return fmt::format("excludes {} at every size", fmt::join(gone, ", "));
}

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

std::string is_set(Value, const Facts&) { return "is set"; }
std::string is_on(Value value, const Facts&) {
  return value.empty() || value == "0" ? "" : "is on";
}
std::string is_zero(Value value, const Facts&) { return value == "0" ? "is off" : ""; }
std::string is_one(Value value, const Facts&) { return value == "1" ? "is set" : ""; }

std::string algo_invalid(Value value, const Facts&) {
  return problem_of(EnvSelection(value, {}), value);
}
std::string algo_unknown_ignored(Value value, const Facts& facts) {
  return algo_invalid(value, facts);
}
std::string proto_invalid(Value value, const Facts&) {
  return problem_of(EnvSelection({}, value), value);
}
std::string proto_unknown_ignored(Value value, const Facts& facts) {
  return proto_invalid(value, facts);
}

std::string algo_stops(Value value, const Facts& facts) {
  const EnvSelection selection(value, other(facts, "NCCL_PROTO"));
  if (!selection.problem().empty()) return {};
  std::vector<std::string_view> stopped;
  for (std::size_t c = 0; c < kCollectiveNames.size(); ++c) {
    bool any = false;
    for (std::size_t a = 0; a < kAlgorithmNames.size(); ++a) {
      for (std::size_t p = 0; p < kProtocolNames.size(); ++p) {
        const Choice choice{static_cast<Algorithm>(a), static_cast<Protocol>(p)};
        const auto collective = static_cast<Collective>(c);
        any = any || (is_possible(collective, choice) && selection.allows(collective, choice));
      }
    }
    if (!any) stopped.push_back(kCollectiveNames[c]);
  }
  if (stopped.empty()) return {};
  return fmt::format("leaves no algorithm for {}", fmt::join(stopped, ", "));
}

std::string algo_names_some(Value value, const Facts&) {
  const std::string first = value.substr(0, value.find(';'));
  return first.find(':') != first.npos ? "names some collectives only" : "";
}

std::string algo_hides(Value value, const Facts&) {
  const EnvSelection selection(value, {});
  return excluded<Algorithm>(selection, kAlgorithmNames, [](Algorithm a) {
    return Choice{a, Protocol::simple};
  });
}

std::string proto_hides(Value value, const Facts&) {
  const EnvSelection selection({}, value);
  return excluded<Protocol>(selection, kProtocolNames, [](Protocol p) {
    return Choice{Algorithm::ring, p};
  });
}

std::string proto_ll128_unsafe(Value value, const Facts& facts) {
  const bool no_nvlink =
      facts.gpus.size() > 1 && std::all_of(facts.gpus.begin(), facts.gpus.end(),
                                           [](const GpuFacts& gpu) { return gpu.nvlinks.empty(); });
  const bool named = lower(value).find("ll128") != value.npos && value.find('^') == value.npos;
  return no_nvlink && named ? "names LL128 on GPUs without NVLink" : "";
}

std::string nvls_without_algo(Value value, const Facts& facts) {
  const auto algo = other(facts, "NCCL_ALGO");
  if (!algo || value.empty() || value == "0") return {};
  const EnvSelection selection(*algo, {});
  if (selection.allows(Collective::allreduce, {Algorithm::nvls, Protocol::simple})) return {};
  return fmt::format("is on, and NCCL_ALGO={} excludes NVLS", *algo);
}

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
  if (facts.nics.empty()) return {};
  for (const HcaPattern& pattern : HcaList(value).patterns) {
    if (std::none_of(facts.nics.begin(), facts.nics.end(),
                     [&](const Nic& nic) { return pattern.matches(nic.name); })) {
      return fmt::format("names {}, which is no device here", pattern.name);
    }
  }
  return {};
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

std::string fewer_threads(Value value, const Facts&) {
  const auto threads = number(value);
  if (threads && *threads >= 512) return {};
  return "is below the default of 512";
}

std::string few_channels(Value value, const Facts&) {
  const auto channels = number(value);
  return channels && *channels > 0 && *channels < 16 ? "caps every size" : "";
}

std::string collnet_without_plugin(Value value, const Facts& facts) {
  if (value.empty() || value == "0") return {};
  for (const NcclLibrary& library : facts.nccl) {
    for (const std::string& symbol : library.net.content.value.nccl_symbols) {
      if (symbol.starts_with("ncclCollNetPlugin")) return {};
    }
  }
  return "is on, and no net plugin here offers CollNet";
}

std::string debug_invalid(Value value, const Facts&) {
  constexpr std::array<std::string_view, 5> kLevelsOfDebug = {"version", "warn", "info", "abort",
                                                              "trace"};
  const std::string word = lower(value);
  if (word.empty() ||
      std::find(kLevelsOfDebug.begin(), kLevelsOfDebug.end(), word) != kLevelsOfDebug.end()) {
    return {};
  }
  return "is none of VERSION, WARN, INFO, ABORT, TRACE";
}

std::string debug_trace(Value value, const Facts&) {
  return lower(value) == "trace" ? "asks for what release builds leave out" : "";
}

std::string nowin_without_policy(Value value, const Facts& facts) {
  if (value.empty() || value == "0" || other(facts, "NCCL_VERNIER_POLICY")) return {};
  return "is on without a policy";
}

std::string efficiency_with_tuner(Value value, const Facts& facts) {
  const std::string word = lower(value);
  if (word != "1" && word.find("efficiency") == word.npos) return {};
  for (const NcclLibrary& library : facts.nccl) {
    if (!library.tuner.symbol.empty() || library.tuner.built_in) return "is set beside a tuner";
  }
  return {};
}

}  // namespace vernier::doctor::judge
