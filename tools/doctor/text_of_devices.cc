// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "tools/common/table.hpp"
#include "tools/doctor/distance.hpp"
#include "tools/doctor/report.hpp"

namespace vernier::doctor {
namespace {

using Align = Table::Align;

std::string number_text(const Reading<int>& reading) {
  if (reading.is_unreadable()) return "unreadable";
  return reading.present() ? std::to_string(reading.value) : "-";
}

std::string of_most(const Reading<int>& now, const Reading<int>& most) {
  if (!now.present()) return number_text(now);
  return most.present() && most.value != now.value ? fmt::format("{} of {}", now.value, most.value)
                                                   : std::to_string(now.value);
}

std::string links_text(const GpuFacts& gpu) {
  std::vector<std::string> parts;
  for (const auto& [other, count] : gpu.nvlinks)
    parts.push_back(fmt::format("{} to {}", count, other));
  return parts.empty() ? "none" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string gpus_text(const Facts& facts) {
  std::string text =
      fmt::format("GPUs: driver {}", shown(facts.driver, facts.driver.value, "absent"));
  if (facts.gpus.empty()) return text + "\n  none seen\n";
  Table table({{"", Align::right},
               {"GPU", Align::left},
               {"PCI", Align::left},
               {"sm", Align::right},
               {"NUMA", Align::right},
               {"PCIe gen", Align::right},
               {"lanes", Align::right},
               {"NVLinks up", Align::left}});
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    const GpuFacts& gpu = facts.gpus[i];
    table.add({std::to_string(i), gpu.nvml.name, gpu.nvml.pci,
               gpu.nvml.compute_capability.value_or("-"), number_text(gpu.pci.numa),
               of_most(gpu.nvml.pcie_generation, gpu.nvml.pcie_generation_max),
               of_most(gpu.nvml.pcie_width, gpu.nvml.pcie_width_max), links_text(gpu)});
  }
  return text + "\n" + table.text() + "\n";
}

std::string peer_text(const Facts& facts, const GpuFacts& a, const GpuFacts& b) {
  const int links = nvlinks_between(a, b);
  std::string text =
      links > 0 ? fmt::format("NV{}", links)
                : std::string(name_of(distance_between(a.pci, b.pci, facts.system.numa_nodes)));
  const auto status = a.nvml.peers.find(b.nvml.pci);
  if (status == a.nvml.peers.end()) return text + " ?";
  return status->second == 0 ? text : text + " -";
}

std::string matrix_text(const Facts& facts) {
  if (facts.gpus.empty() || facts.gpus.size() + facts.nics.size() < 2) return {};
  std::vector<Table::Column> columns = {{"way", Align::left}};
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    columns.push_back({fmt::format("GPU{}", i), Align::left});
  }
  for (const Nic& nic : facts.nics) columns.push_back({nic.name, Align::left});
  Table table(columns);
  for (std::size_t a = 0; a < facts.gpus.size(); ++a) {
    std::vector<std::string> row = {fmt::format("GPU{}", a)};
    for (std::size_t b = 0; b < facts.gpus.size(); ++b) {
      row.push_back(a == b ? "X" : peer_text(facts, facts.gpus[a], facts.gpus[b]));
    }
    for (std::size_t n = 0; n < facts.nics.size(); ++n) {
      row.push_back(fmt::format("{}{}", name_of(facts.distance[a][n]),
                                facts.nearest[a] == static_cast<int>(n) ? "*" : ""));
    }
    table.add(std::move(row));
  }
  return "\n" + table.text() +
         "\nNVn: n NVLinks; PIX: one PCIe switch; PXB: several; PHB: host bridge; NODE: NUMA node; "
         "SYS: between them; - no P2P" +
         (facts.nics.empty() ? "" : "; * the NIC for this GPU") + "\n";
}

// One table of what was measured, a row for each GPU that copies.
std::string rate_table(const Facts& facts, const char* title, double PairRate::*what) {
  std::vector<Table::Column> columns = {{title, Align::left}};
  std::vector<std::vector<std::string>> cells(facts.gpus.size(),
                                              std::vector<std::string>(facts.gpus.size(), "-"));
  for (const PairRate& rate : facts.rates) {
    cells[rate.from][rate.to] = fmt::format("{:.1f}", rate.*what);
  }
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    columns.push_back({fmt::format("GPU{}", i), Align::right});
  }
  Table table(columns);
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    std::vector<std::string> row = {fmt::format("GPU{}", i)};
    row.insert(row.end(), cells[i].begin(), cells[i].end());
    table.add(std::move(row));
  }
  return "\n" + table.text() + "\n";
}

std::string rates_text(const Facts& facts) {
  if (facts.rates.empty()) return {};
  return rate_table(facts, "GB/s, 64 MiB", &PairRate::gb_per_s) +
         rate_table(facts, "us, 16 bytes", &PairRate::small_copy_us);
}

std::string port_text(const Port& port) {
  std::string text = fmt::format("{} {}", port.link_layer, port.state);
  if (!port.active()) text += "/" + port.phys_state;
  return text;
}

std::string gid_text(const Port& port) {
  if (!port.ethernet()) return "-";
  if (!port.chosen) return "no RoCE v2";
  return fmt::format("{} ({}{})", port.chosen->index, port.chosen->type,
                     port.chosen->is_ipv4() ? ", IPv4" : "");
}

std::string nics_text(const Facts& facts) {
  if (facts.nics.empty()) return "\nRDMA NICs: none\n";
  Table table({{"NIC", Align::left},
               {"PCI", Align::left},
               {"NUMA", Align::right},
               {"PCIe", Align::left},
               {"port", Align::left},
               {"rate", Align::left},
               {"GID", Align::left},
               {"firmware", Align::left},
               {"verbs", Align::left}});
  for (const Nic& nic : facts.nics) {
    for (const Port& port : nic.ports) {
      table.add(
          {nic.name, nic.pci.address.empty() ? "-" : nic.pci.address, number_text(nic.pci.numa),
           nic.pci.speed_gts.present()
               ? fmt::format("{:g} GT/s x{}", nic.pci.speed_gts.value, number_text(nic.pci.width))
               : "-",
           fmt::format("{} {}", port.number, port_text(port)), port.rate, gid_text(port),
           nic.firmware.value_or("-"), shown(nic.verbs, "ok", "absent")});
    }
  }
  return "\nRDMA NICs: libibverbs " + shown(facts.verbs_library, "there", "absent") + "\n" +
         table.text() + "\n";
}

}  // namespace

std::string text_of_devices(const Facts& facts) {
  return gpus_text(facts) + matrix_text(facts) + rates_text(facts) + nics_text(facts);
}

}  // namespace vernier::doctor
