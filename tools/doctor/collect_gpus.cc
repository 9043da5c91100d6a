// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor/collect.hpp"

namespace vernier::doctor {
namespace {

std::map<std::string, int> count_links(const machine::Gpu& gpu) {
  std::map<std::string, int> counts;
  for (const auto& [number, link] : gpu.links) {
    if (!link.up) continue;
    std::string other = "?";
    if (link.remote_type.present() && link.remote_type.value == machine::kRemoteSwitch) {
      other = "NVSwitch";
    } else if (!link.remote.empty()) {
      other = link.remote;
    }
    ++counts[other];
  }
  return counts;
}

// NVML may be missing where the GPU is not: then something is wrong with the driver.
bool has_nvidia_device(machine::MachineView& machine) {
  for (const std::string& address : machine.entries("/sys/bus/pci/devices").value) {
    const std::string folder = "/sys/bus/pci/devices/" + address;
    // 0x03: display controllers, which is what a GPU is to PCI.
    if (machine.text(folder + "/vendor").value_or("").starts_with("0x10de") &&
        machine.text(folder + "/class").value_or("").starts_with("0x03")) {
      return true;
    }
  }
  return false;
}

}  // namespace

void collect_gpus(machine::MachineView& machine, Facts& facts) {
  const Reading<machine::NvmlAnswers> nvml = machine.nvml();
  facts.has_nvidia_device = nvml.present() && !nvml.value.gpus.empty();
  if (!facts.has_nvidia_device) facts.has_nvidia_device = has_nvidia_device(machine);
  if (nvml.is_unreadable()) {
    facts.driver = Reading<std::string>::unreadable(nvml.why);
    return;
  }
  if (!nvml.present()) return;
  facts.driver = Reading<std::string>::of(nvml.value.driver);
  bool waits = false;
  for (const machine::Gpu& gpu : nvml.value.gpus) {
    facts.gpus.push_back({gpu, collect_pci(machine, gpu.pci), count_links(gpu)});
    if (facts.gpus.back().waits_for_fabric()) waits = true;
  }
  if (waits) facts.cuda_starts = machine.cuda_starts();
}

}  // namespace vernier::doctor
