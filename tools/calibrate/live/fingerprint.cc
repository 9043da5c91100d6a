// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/fingerprint.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <map>
#include <string_view>

#include "tools/calibrate/live/cuda_driver.hpp"
#include "tools/machine/nvml_library.hpp"

extern char** environ;

namespace vernier::calibrate {
namespace {

using machine::Nvml;

constexpr int kAttributeMulticast = 132;  // CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED
// A GPU that nobody uses holds some hundred MiB for its driver.
constexpr double kIdleGib = 1.0;
constexpr int kIdlePercent = 5;

const Nvml& nvml() {
  static const Nvml one;
  return one;
}

CudaDevice device_at(int ordinal) {
  CudaDevice device = 0;
  require_cuda(cuda_driver().device_get(&device, ordinal), "cuDeviceGet");
  return device;
}

std::string name_at(int ordinal) {
  std::array<char, 256> name{};
  require_cuda(cuda_driver().device_get_name(name.data(), static_cast<int>(name.size()) - 1,
                                             device_at(ordinal)),
               "cuDeviceGetName");
  return name.data();
}

std::string bus_id_at(int ordinal) {
  std::array<char, 64> bus_id{};
  const bool known = cuda_driver().device_get_pci_bus_id(
                         bus_id.data(), static_cast<int>(bus_id.size()), device_at(ordinal)) == 0;
  return known ? bus_id.data() : "";
}

Nvml::Device nvml_at(int ordinal) {
  const std::string bus_id = bus_id_at(ordinal);
  return bus_id.empty() ? nullptr : nvml().find(bus_id.c_str());
}

int attribute(int ordinal, int which) {
  int value = 0;
  return cuda_driver().device_get_attribute(&value, which, device_at(ordinal)) == 0 ? value : 0;
}

std::string links_text() {
  const std::optional<Nvml::Links> links = nvml().nvlinks(nvml_at(0));
  if (!links) return "PCIe, no NVLink seen";
  // NVML counts versions, nvmlNvlinkVersion_t: 6 is 4.0.
  constexpr std::array kVersions = {"?", "1.0", "2.0", "2.2", "3.0", "3.1", "4.0", "5.0", "6.0"};
  const auto version = static_cast<std::size_t>(links->version);
  return fmt::format("NVLink {}, {} links a GPU",
                     version < kVersions.size() ? kVersions[version] : kVersions[0], links->active);
}

std::string p2p_text(int gpus) {
  const char* const disabled = std::getenv("NCCL_P2P_DISABLE");
  if (disabled != nullptr && std::string_view(disabled) != "0") {
    return "off (NCCL_P2P_DISABLE)";
  }
  int can = 0;
  int pairs = 0;
  for (int a = 0; a < gpus; ++a) {
    for (int b = 0; b < gpus; ++b) {
      if (a == b) continue;
      int yes = 0;
      ++pairs;
      if (cuda_driver().device_can_access_peer(&yes, device_at(a), device_at(b)) == 0) can += yes;
    }
  }
  if (pairs == 0) return "not seen";  // a launcher shows this task its own GPU only
  if (can == pairs) return "all pairs";
  return can == 0 ? "no pair" : fmt::format("{} of {} pairs", can, pairs);
}

std::string nvls_text() {
  const char* const enabled = std::getenv("NCCL_NVLS_ENABLE");
  if (enabled != nullptr && std::string_view(enabled) == "0") return "off (NCCL_NVLS_ENABLE=0)";
  return attribute(0, kAttributeMulticast) != 0 ? "as NCCL decides" : "no multicast";
}

}  // namespace

int count_gpus() {
  int count = 0;
  require_cuda(cuda_driver().device_get_count(&count), "cuDeviceGetCount");
  return count;
}

Json describe_machine(int gpus) {
  int cuda = 0;
  require_cuda(cuda_driver().driver_get_version(&cuda), "cuDriverGetVersion");
  Json machine{{"gpu", name_at(0)}, {"gpus", gpus}};
  for (int i = 1; i < gpus; ++i) {
    if (name_at(i) != name_at(0)) machine["other_gpus"].push_back(name_at(i));
  }
  machine["compute_capability"] =
      fmt::format("{}.{}", attribute(0, kAttributeMajor), attribute(0, kAttributeMinor));
  machine["driver"] = nvml().driver_version().value_or("unknown");
  machine["cuda"] = fmt::format("{}.{}", cuda / 1000, cuda % 1000 / 10);
  machine["links"] = links_text();
  machine["p2p"] = p2p_text(gpus);
  machine["nvls"] = nvls_text();
  return machine;
}

std::pair<int, int> clocks_mhz() {
  const Nvml::Device device = nvml_at(0);
  return {nvml().clock_mhz(device, Nvml::kSmClock).value_or(0),
          nvml().clock_mhz(device, Nvml::kMemoryClock).value_or(0)};
}

Json describe_environment() {
  std::map<std::string, std::string> set;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = text.substr(0, equals);
    if (name.starts_with("NCCL_") || name == "CUDA_VISIBLE_DEVICES") {
      set[std::string(name)] = text.substr(equals + 1);
    }
  }
  Json json = Json::object();
  for (const auto& [name, value] : set) json[name] = value;
  return json;
}

std::optional<std::string> busy_gpu(int ordinal) {
  const std::optional<Nvml::Use> use = nvml().use(nvml_at(ordinal));
  if (!use || (use->memory_gib < kIdleGib && use->utilization_percent < kIdlePercent)) {
    return std::nullopt;
  }
  return fmt::format("GPU {} ({}) is in use: {:.1f} GiB, {} % busy", ordinal, name_at(ordinal),
                     use->memory_gib, use->utilization_percent);
}

std::vector<std::string> busy_gpus(int gpus) {
  std::vector<std::string> lines;
  for (int i = 0; i < gpus; ++i) {
    if (const auto line = busy_gpu(i)) lines.push_back(*line);
  }
  return lines;
}

GpuFacts describe_gpu(int ordinal) {
  return {name_at(ordinal), bus_id_at(ordinal), nvml().driver_version().value_or("unknown")};
}

}  // namespace vernier::calibrate
