// SPDX-License-Identifier: Apache-2.0
//
// A PCI device and the bridges above it, from sysfs.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <sstream>

#include "tools/doctor/collect.hpp"

namespace vernier::doctor {
namespace {

constexpr const char* kDevices = "/sys/bus/pci/devices/";
constexpr std::size_t kPlainConfigBytes = 256;  // what extended capabilities come after
constexpr std::uint16_t kAcsCapability = 0x000d;
// P2P Request Redirect, Completion Redirect and Upstream Forwarding (PCIe 5.0, 7.7.8.3): peer
// traffic goes up to the root complex instead of across the switch.
constexpr std::uint16_t kAcsRedirects = 0x4 | 0x8 | 0x10;

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

// Whether a bridge redirects; nothing where its configuration space was not given whole.
std::optional<bool> redirects_peers(const std::string& config) {
  if (config.size() <= kPlainConfigBytes) return std::nullopt;
  std::size_t at = kPlainConfigBytes;
  for (int i = 0; i < 64 && at >= kPlainConfigBytes && at + 8 <= config.size(); ++i) {
    const std::uint32_t header = number_at(config, at);
    if ((header & 0xffff) == kAcsCapability) {
      return (number_at(config, at + 4) >> 16 & kAcsRedirects) != 0;
    }
    at = header >> 20;
  }
  return false;
}

// "/sys/devices/pci0000:15/0000:15:01.0/0000:16:00.0" as its parts from "pci0000:15" on.
std::vector<std::string> chain_of(const std::string& path) {
  std::vector<std::string> chain;
  std::istringstream parts(path);
  for (std::string part; std::getline(parts, part, '/');) {
    if (!chain.empty() || part.starts_with("pci")) chain.push_back(part);
  }
  return chain;
}

template <typename T>
void keep_lower(Reading<T>& reading, const Reading<T>& other) {
  if (reading.present() && other.present()) reading.value = std::min(reading.value, other.value);
}

}  // namespace

PciDevice collect_pci(machine::MachineView& machine, const std::string& address) {
  PciDevice device;
  device.address = address;
  if (address.empty()) return device;
  const std::string folder = kDevices + address;
  device.chain = chain_of(machine.real_path(folder).value_or(""));
  device.numa = leading_int(machine.text(folder + "/numa_node"));
  device.speed_gts = leading_number(machine.text(folder + "/current_link_speed"));
  device.speed_max_gts = leading_number(machine.text(folder + "/max_link_speed"));
  device.width = leading_int(machine.text(folder + "/current_link_width"));
  device.width_max = leading_int(machine.text(folder + "/max_link_width"));
  if (device.chain.size() > 2) {  // the slot, which may have fewer lanes than the card
    const std::string slot = kDevices + device.chain[device.chain.size() - 2];
    keep_lower(device.speed_max_gts, leading_number(machine.text(slot + "/max_link_speed")));
    keep_lower(device.width_max, leading_int(machine.text(slot + "/max_link_width")));
  }
  device.iommu = machine.text(folder + "/iommu_group/type");
  device.iommu.value = trimmed(device.iommu.value);
  for (std::size_t i = 1; i + 1 < device.chain.size(); ++i) {
    const auto config = machine.text(kDevices + device.chain[i] + "/config");
    if (config.absent()) continue;
    const auto redirects = redirects_peers(config.value);
    if (!redirects) device.acs_unreadable = true;
    if (redirects.value_or(false)) device.acs.push_back(device.chain[i]);
  }
  return device;
}

}  // namespace vernier::doctor
