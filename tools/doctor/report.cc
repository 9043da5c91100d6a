// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "tools/doctor/distance.hpp"

namespace vernier::doctor {
namespace {

std::string system_text(const SystemFacts& system) {
  std::string text;
  if (!system.provenance.empty()) text = system.provenance + "\n";
  return text + fmt::format("Linux {}, {}, {}, {} NUMA node{}\n\n",
                            shown(system.kernel, system.kernel.value, "?"),
                            system.is_virtual ? "virtual machine" : "no hypervisor seen",
                            system.container.empty() ? "no container seen"
                                                     : "in a container (" + system.container + ")",
                            system.numa_nodes, system.numa_nodes == 1 ? "" : "s");
}

std::size_t count(const std::vector<Finding>& findings, Severity severity) {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [severity](const Finding& finding) { return finding.severity == severity; }));
}

std::string summary(const std::vector<Finding>& findings) {
  const auto plural = [&](Severity severity) {
    const std::size_t n = count(findings, severity);
    return fmt::format("{} {}{}", n, name_of(severity), n == 1 ? "" : "s");
  };
  return fmt::format("{}, {}, {}", plural(Severity::error), plural(Severity::warning),
                     plural(Severity::note));
}

std::string findings_text(const std::vector<Finding>& findings) {
  std::string text = "\n";
  for (const Finding& finding : findings) {
    text += fmt::format("{}: {} [{}]\n  so:  {}\n  fix: {}\n", name_of(finding.severity),
                        printable(finding.evidence), finding.id, finding.consequence, finding.fix);
    if (!finding.source.empty()) text += fmt::format("  src: {}\n", finding.source);
  }
  return text + summary(findings);
}

template <typename T>
void put(Json& json, const char* name, const Reading<T>& reading) {
  if (reading.present()) {
    json[name] = reading.value;
  } else if (reading.is_unreadable()) {
    json[name] = Json{{"unreadable", reading.why}};
  } else {
    json[name] = nullptr;
  }
}

Json json_of_gpu(const Facts& facts, std::size_t index) {
  const GpuFacts& gpu = facts.gpus[index];
  Json json{{"name", gpu.nvml.name}, {"pci", gpu.nvml.pci}};
  put(json, "compute_capability", gpu.nvml.compute_capability);
  put(json, "numa", gpu.pci.numa);
  put(json, "pcie_generation", gpu.nvml.pcie_generation);
  put(json, "pcie_generation_max", gpu.nvml.pcie_generation_max);
  put(json, "pcie_width", gpu.nvml.pcie_width);
  put(json, "pcie_width_max", gpu.nvml.pcie_width_max);
  put(json, "performance_state", gpu.nvml.performance_state);
  json["nvlinks"] = gpu.nvlinks;
  Json p2p = Json::object();
  for (const auto& [peer, status] : gpu.nvml.peers) p2p[peer] = status == 0;
  json["p2p"] = std::move(p2p);
  Json nics = Json::object();
  for (std::size_t n = 0; n < facts.nics.size(); ++n) {
    nics[facts.nics[n].name] = name_of(facts.distance[index][n]);
  }
  json["distance"] = std::move(nics);
  for (const PairRate& rate : facts.rates) {
    if (rate.from != index) continue;
    json["measured"][facts.gpus[rate.to].nvml.pci] =
        Json{{"gb_per_s", rate.gb_per_s}, {"small_copy_us", rate.small_copy_us}};
  }
  const int nearest = facts.nearest[index];
  json["nic"] = nearest < 0 ? Json() : Json(facts.nics[static_cast<std::size_t>(nearest)].name);
  return json;
}

Json json_of_port(const Port& port) {
  Json gids = Json::array();
  for (const Gid& gid : port.gids) {
    gids.push_back(Json{
        {"index", gid.index}, {"gid", gid.gid}, {"type", gid.type}, {"interface", gid.interface}});
  }
  return Json{{"number", port.number},
              {"state", port.state},
              {"phys_state", port.phys_state},
              {"link_layer", port.link_layer},
              {"rate", port.rate},
              {"gid_index", port.chosen ? Json(port.chosen->index) : Json()},
              {"gids", std::move(gids)},
              {"counters", port.counters}};
}

Json json_of_nic(const Nic& nic) {
  Json json{{"name", nic.name}, {"pci", nic.pci.address}};
  put(json, "numa", nic.pci.numa);
  put(json, "pcie_speed_gts", nic.pci.speed_gts);
  put(json, "pcie_speed_max_gts", nic.pci.speed_max_gts);
  put(json, "pcie_width", nic.pci.width);
  put(json, "pcie_width_max", nic.pci.width_max);
  put(json, "firmware", nic.firmware);
  put(json, "board", nic.board);
  put(json, "device_file", nic.verbs_file);
  json["verbs"] = shown(nic.verbs, "ok", "absent");
  json["ports"] = Json::array();
  for (const Port& port : nic.ports) json["ports"].push_back(json_of_port(port));
  return json;
}

Json json_of_plugin(const PluginChoice& plugin) {
  return Json{{"asked", plugin.asked},   {"file", plugin.file},
              {"symbol", plugin.symbol}, {"from_net_plugin", plugin.from_net_plugin},
              {"off", plugin.off},       {"exports", plugin.content.value.nccl_symbols}};
}

Json json_of_gpudirect(const GpuDirectFacts& facts) {
  Json json;
  put(json, "peermem", facts.peermem);
  put(json, "open_kernel_module", facts.open_kernel_module);
  json["dma_buf"] = facts.dma_buf ? Json(*facts.dma_buf) : Json();
  json["unified_memory"] = facts.unified_memory;
  json["iommu"] = facts.iommu;
  put(json, "memlock_bytes", facts.memlock_bytes);
  put(json, "dev_infiniband", facts.infiniband_files);
  put(json, "shm_bytes", facts.shm_bytes);
  return json;
}

Json json_of_nccl(const NcclLibrary& library) {
  Json json{{"file", library.file},
            {"found_by", library.found_by},
            {"version", library.content.value.nccl_version}};
  if (library.content.is_unreadable()) json["unreadable"] = library.content.why;
  json["tuner"] = json_of_plugin(library.tuner);
  json["profiler"] = json_of_plugin(library.profiler);
  json["net"] = json_of_plugin(library.net);
  return json;
}

}  // namespace

std::string text_of(const Facts& facts, const std::vector<Finding>& findings) {
  const std::string text = system_text(facts.system) + text_of_devices(facts) +
                           text_of_software(facts) + findings_text(findings);
  // Names come from devices, files and, with --machine, from anybody.
  std::string safe;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    safe += (safe.empty() ? "" : "\n") + printable(line);
  }
  return safe;
}

Json json_of(const Facts& facts, const std::vector<Finding>& findings) {
  Json json{
      {"provenance", facts.system.provenance.empty() ? "this machine" : facts.system.provenance}};
  put(json, "kernel", facts.system.kernel);
  json["virtual_machine"] = facts.system.is_virtual;
  json["container"] = facts.system.container;
  json["numa_nodes"] = facts.system.numa_nodes;
  put(json, "driver", facts.driver);
  json["gpus"] = Json::array();
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) json["gpus"].push_back(json_of_gpu(facts, i));
  json["nics"] = Json::array();
  for (const Nic& nic : facts.nics) json["nics"].push_back(json_of_nic(nic));
  json["gpudirect"] = json_of_gpudirect(facts.gpudirect);
  json["nccl"] = Json::array();
  for (const NcclLibrary& library : facts.nccl) json["nccl"].push_back(json_of_nccl(library));
  json["environment"] = Json::object();
  for (const auto& [name, setting] : facts.environment) {
    json["environment"][name] =
        Json{{"value", setting.value}, {"from", setting.source}, {"hides", setting.hidden}};
  }
  json["findings"] = Json::array();
  for (const Finding& finding : findings) {
    json["findings"].push_back(Json{{"id", finding.id},
                                    {"severity", name_of(finding.severity)},
                                    {"evidence", finding.evidence},
                                    {"consequence", finding.consequence},
                                    {"fix", finding.fix},
                                    {"source", finding.source}});
  }
  return json;
}

}  // namespace vernier::doctor
