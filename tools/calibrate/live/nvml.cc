// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/nvml.hpp"

#include <dlfcn.h>

#include <array>

namespace vernier::calibrate {
namespace {

constexpr unsigned kMaxLinks = 18;  // of Hopper and Blackwell

template <typename Function>
void find_function(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
}

}  // namespace

Nvml::Nvml() {
  void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return;
  int (*init)() = nullptr;
  find_function(library, init, "nvmlInit_v2");
  if (init == nullptr || init() != 0) return;
  find_function(library, driver_version_, "nvmlSystemGetDriverVersion");
  find_function(library, handle_, "nvmlDeviceGetHandleByPciBusId_v2");
  find_function(library, link_state_, "nvmlDeviceGetNvLinkState");
  find_function(library, link_version_, "nvmlDeviceGetNvLinkVersion");
  find_function(library, clock_, "nvmlDeviceGetClockInfo");
  find_function(library, utilization_, "nvmlDeviceGetUtilizationRates");
  find_function(library, memory_, "nvmlDeviceGetMemoryInfo");
}

std::optional<std::string> Nvml::driver_version() const {
  std::array<char, 96> text{};
  if (driver_version_ == nullptr || driver_version_(text.data(), text.size()) != 0) {
    return std::nullopt;
  }
  return text.data();
}

Nvml::Device Nvml::find(const std::string& pci_bus_id) const {
  Device device = nullptr;
  if (handle_ == nullptr || handle_(pci_bus_id.c_str(), &device) != 0) return nullptr;
  return device;
}

std::optional<Nvml::Links> Nvml::nvlinks(Device device) const {
  if (device == nullptr || link_state_ == nullptr) return std::nullopt;
  Links links{0, 0};
  for (unsigned link = 0; link < kMaxLinks; ++link) {
    unsigned up = 0;
    if (link_state_(device, link, &up) != 0 || up == 0) continue;
    ++links.active;
    unsigned version = 0;
    if (link_version_ != nullptr && link_version_(device, link, &version) == 0) {
      links.version = static_cast<int>(version);
    }
  }
  if (links.active == 0) return std::nullopt;
  return links;
}

std::optional<int> Nvml::clock_mhz(Device device, int type) const {
  unsigned mhz = 0;
  if (device == nullptr || clock_ == nullptr || clock_(device, type, &mhz) != 0) {
    return std::nullopt;
  }
  return static_cast<int>(mhz);
}

std::optional<Nvml::Use> Nvml::use(Device device) const {
  Utilization utilization{};
  Memory memory{};
  if (device == nullptr || utilization_ == nullptr || memory_ == nullptr ||
      utilization_(device, &utilization) != 0 || memory_(device, &memory) != 0) {
    return std::nullopt;
  }
  return Use{static_cast<int>(utilization.gpu), static_cast<double>(memory.used) / (1ull << 30)};
}

}  // namespace vernier::calibrate
