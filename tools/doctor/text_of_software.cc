// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "tools/common/table.hpp"
#include "tools/doctor/report.hpp"
#include "tools/policy/rule_text.hpp"
#include "vernier/nccl_version.hpp"

namespace vernier::doctor {
namespace {

using Align = Table::Align;

std::string bytes_text(const Reading<std::uint64_t>& bytes) {
  if (bytes.is_unreadable()) return "unreadable: " + bytes.why;
  if (bytes.absent()) return "absent";
  if (bytes.value == std::numeric_limits<std::uint64_t>::max()) return "unlimited";
  return bytes.value >> 20 == 0 ? fmt::format("{} KiB", bytes.value >> 10)
                                : fmt::format("{} MiB", bytes.value >> 20);
}

std::string dma_buf_text(const GpuDirectFacts& gdr) {
  if (!gdr.dma_buf) return "unknown (the kernel module's kind cannot be read)";
  return *gdr.dma_buf ? "possible" : "no (kernel 5.12 and the open kernel module)";
}

std::string acs_text(const Facts& facts) {
  if (facts.system.is_virtual) return "the host's";
  bool unreadable = false;
  bool on = false;
  for (const GpuFacts& gpu : facts.gpus) {
    unreadable = unreadable || gpu.pci.acs_unreadable;
    on = on || !gpu.pci.acs.empty();
  }
  return on ? "redirects" : unreadable ? "unreadable without root" : "does not redirect";
}

std::string iommu_text(const Facts& facts) {
  if (!facts.gpudirect.iommu) return "off, or the host's";
  for (const GpuFacts& gpu : facts.gpus) {
    if (gpu.pci.iommu.present()) return "on, GPUs: " + gpu.pci.iommu.value;
  }
  return "on";
}

std::string sharp_text(const Facts& facts) {
  bool plugin = false;
  for (const NcclLibrary& library : facts.nccl) {
    for (const std::string& symbol : library.net.content.value.nccl_symbols) {
      plugin = plugin || symbol.starts_with("ncclCollNetPlugin");
    }
  }
  bool infiniband = false;
  for (const Nic& nic : facts.nics) {
    for (const Port& port : nic.ports) infiniband = infiniband || port.link_layer == "InfiniBand";
  }
  std::vector<std::string> lacks;
  if (!infiniband) lacks.emplace_back("InfiniBand");
  if (!plugin) lacks.emplace_back("a net plugin with CollNet");
  if (!facts.sharp_library) lacks.emplace_back("libsharp_coll");
  if (lacks.empty()) return "possible, if the fabric has an aggregation manager; two nodes or more";
  return fmt::format("not available: lacks {}", fmt::join(lacks, ", "));
}

std::string gpudirect_text(const Facts& facts) {
  const GpuDirectFacts& gdr = facts.gpudirect;
  Table table({{"", Align::left}, {"", Align::left}});
  if (gdr.unified_memory) {
    table.add({"GPUDirect RDMA", "not supported on GB10: GPU memory is system memory"});
  } else {
    table.add({"peer memory module", shown(gdr.peermem, gdr.peermem.value, "absent")});
    table.add({"dma-buf", dma_buf_text(gdr)});
  }
  table.add({"ACS", acs_text(facts)});
  table.add({"IOMMU", iommu_text(facts)});
  table.add(
      {"locked memory", bytes_text(gdr.memlock_bytes) + (gdr.ipc_lock ? ", CAP_IPC_LOCK" : "")});
  table.add({"/dev/infiniband",
             shown(gdr.infiniband_files, count_of(std::ssize(gdr.infiniband_files.value), "file"),
                   "absent")});
  table.add({"/dev/shm", bytes_text(gdr.shm_bytes)});
  table.add({"SHARP", sharp_text(facts)});
  return "\nReaching GPU memory\n" + table.text() + "\n";
}

std::string plugin_text(const PluginChoice& plugin) {
  if (plugin.off) return "off (none)";
  if (plugin.built_in) return "from the program itself (STATIC_PLUGIN)";
  if (plugin.file.empty()) return plugin.asked.empty() ? "none" : "not found: " + plugin.asked;
  if (!plugin.content.present()) return fmt::format("{}: {}", plugin.file, plugin.content.why);
  if (plugin.kind != "net" && plugin.symbol.empty()) return plugin.file + ": no symbol it knows";
  return plugin.symbol.empty() ? plugin.file : fmt::format("{} ({})", plugin.file, plugin.symbol);
}

std::string nccl_text(const Facts& facts) {
  if (facts.nccl.empty()) return "\nNCCL: no library found\n";
  std::string text = "\nNCCL, in the order in which a serving process would take them\n";
  for (const NcclLibrary& library : facts.nccl) {
    text += fmt::format("{} {} ({})\n",
                        library.version ? format_nccl_version(*library.version) : "version unknown",
                        library.file, fmt::join(library.found_by, ", "));
    if (!library.content.present()) {
      text += fmt::format("  {}\n", shown(library.content, "", "absent"));
      continue;
    }
    Table table({{"", Align::left}, {"", Align::left}});
    table.add({"  tuner", plugin_text(library.tuner)});
    table.add({"  profiler", plugin_text(library.profiler)});
    table.add({"  net plugin", plugin_text(library.net)});
    text += table.text() + "\n";
  }
  return text;
}

std::string environment_text(const Facts& facts) {
  if (facts.environment.empty()) return "\nVariables: no NCCL_* is set\n";
  Table table({{"variable", Align::left}, {"value", Align::left}, {"from", Align::left}});
  for (const auto& [name, setting] : facts.environment) {
    table.add({printable(name), printable(setting.value.substr(0, 60)), setting.source});
  }
  return "\nVariables\n" + table.text() + "\n";
}

}  // namespace

std::string text_of_software(const Facts& facts) {
  return gpudirect_text(facts) + nccl_text(facts) + environment_text(facts);
}

}  // namespace vernier::doctor
