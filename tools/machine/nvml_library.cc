// SPDX-License-Identifier: Apache-2.0
#include "tools/machine/nvml_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>

namespace vernier::machine {
namespace {

constexpr unsigned kMaxLinks = 18;  // of Hopper and Blackwell
constexpr int kNotSupported = 3;    // NVML_ERROR_NOT_SUPPORTED
constexpr int kP2pRead = 0;         // NVML_P2P_CAPS_INDEX_READ

template <typename Function>
void find_function(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
}

// As sysfs writes it: a domain of four digits, lower case.
std::string address(unsigned domain, unsigned bus, unsigned device) {
  return fmt::format("{:04x}:{:02x}:{:02x}.0", domain, bus, device);
}

}  // namespace

Nvml::Nvml() {
  void* const library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return;
  is_there_ = true;
  int (*init)() = nullptr;
  find_function(library, init, "nvmlInit_v2");
  find_function(library, error_text_, "nvmlErrorString");
  const int result = init == nullptr ? -1 : init();
  if (result != 0) {
    problem_ = error_text_ == nullptr || init == nullptr ? fmt::format("nvmlInit_v2: {}", result)
                                                         : error_text_(result);
    return;
  }
  find_function(library, driver_version_, "nvmlSystemGetDriverVersion");
  find_function(library, handle_, "nvmlDeviceGetHandleByPciBusId_v2");
  find_function(library, link_state_, "nvmlDeviceGetNvLinkState");
  find_function(library, link_version_, "nvmlDeviceGetNvLinkVersion");
  find_function(library, clock_, "nvmlDeviceGetClockInfo");
  find_function(library, utilization_, "nvmlDeviceGetUtilizationRates");
  find_function(library, memory_, "nvmlDeviceGetMemoryInfo");
  find_function(library, count_, "nvmlDeviceGetCount_v2");
  find_function(library, handle_by_index_, "nvmlDeviceGetHandleByIndex_v2");
  find_function(library, name_, "nvmlDeviceGetName");
  find_function(library, pci_info_, "nvmlDeviceGetPciInfo_v3");
  find_function(library, capability_, "nvmlDeviceGetCudaComputeCapability");
  find_function(library, pcie_generation_, "nvmlDeviceGetCurrPcieLinkGeneration");
  find_function(library, pcie_generation_max_, "nvmlDeviceGetMaxPcieLinkGeneration");
  find_function(library, pcie_width_, "nvmlDeviceGetCurrPcieLinkWidth");
  find_function(library, pcie_width_max_, "nvmlDeviceGetMaxPcieLinkWidth");
  find_function(library, performance_state_, "nvmlDeviceGetPerformanceState");
  find_function(library, mig_, "nvmlDeviceGetMigMode");
  find_function(library, fabric_, "nvmlDeviceGetGpuFabricInfo");
  find_function(library, link_remote_, "nvmlDeviceGetNvLinkRemotePciInfo_v2");
  find_function(library, link_remote_type_, "nvmlDeviceGetNvLinkRemoteDeviceType");
  find_function(library, p2p_status_, "nvmlDeviceGetP2PStatus");
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
  if (device == nullptr) return std::nullopt;
  Links links{0, 0};
  for (const auto& [number, link] : describe_links(device)) {
    if (!link.up) continue;
    ++links.active;
    if (link.version != 0) links.version = link.version;
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

std::string Nvml::pci_address(Device device) const {
  PciInfo info{};
  if (pci_info_ == nullptr || pci_info_(device, &info) != 0) return {};
  return address(info.domain, info.bus, info.device);
}

std::map<int, NvLink> Nvml::describe_links(Device device) const {
  std::map<int, NvLink> links;
  if (link_state_ == nullptr) return links;
  for (unsigned number = 0; number < kMaxLinks; ++number) {
    unsigned up = 0;
    if (link_state_(device, number, &up) != 0) continue;  // this GPU has no such link
    NvLink link{up != 0, 0, {}, {}};
    unsigned version = 0;
    if (up != 0 && link_version_ != nullptr && link_version_(device, number, &version) == 0) {
      link.version = static_cast<int>(version);
    }
    PciInfo remote{};
    if (up != 0 && link_remote_ != nullptr && link_remote_(device, number, &remote) == 0) {
      link.remote = address(remote.domain, remote.bus, remote.device);
    }
    int type = 0;
    if (up != 0 && link_remote_type_ != nullptr && link_remote_type_(device, number, &type) == 0) {
      link.remote_type = Reading<int>::of(type);
    }
    links[static_cast<int>(number)] = std::move(link);
  }
  return links;
}

Reading<int> Nvml::fabric_state(Device device) const {
  FabricInfo info{};
  if (fabric_ == nullptr) return {};
  const int result = fabric_(device, &info);
  if (result == kNotSupported) return Reading<int>::of(0);
  if (result != 0) return Reading<int>::unreadable(error_text_ ? error_text_(result) : "?");
  return Reading<int>::of(info.state);
}

Gpu Nvml::describe(Device device) const {
  const auto number = [device](int (*function)(Device, unsigned*)) -> Reading<int> {
    unsigned value = 0;
    if (function == nullptr || function(device, &value) != 0) return {};
    return Reading<int>::of(static_cast<int>(value));
  };
  Gpu gpu;
  gpu.pci = pci_address(device);
  std::array<char, 96> name{};
  if (name_ != nullptr && name_(device, name.data(), name.size()) == 0) gpu.name = name.data();
  int major = 0;
  int minor = 0;
  if (capability_ != nullptr && capability_(device, &major, &minor) == 0) {
    gpu.compute_capability = Reading<std::string>::of(fmt::format("{}.{}", major, minor));
  }
  gpu.pcie_generation = number(pcie_generation_);
  gpu.pcie_generation_max = number(pcie_generation_max_);
  gpu.pcie_width = number(pcie_width_);
  gpu.pcie_width_max = number(pcie_width_max_);
  int state = 0;
  if (performance_state_ != nullptr && performance_state_(device, &state) == 0) {
    gpu.performance_state = Reading<int>::of(state);
  }
  unsigned mode = 0;
  unsigned pending = 0;
  if (mig_ != nullptr && mig_(device, &mode, &pending) == 0) {
    gpu.mig = Reading<int>::of(static_cast<int>(mode));
  }
  gpu.fabric_state = fabric_state(device);
  gpu.links = describe_links(device);
  return gpu;
}

Reading<NvmlAnswers> Nvml::answers() const {
  using Result = Reading<NvmlAnswers>;
  if (!is_there_) return {};
  unsigned count = 0;
  if (!problem_.empty()) return Result::unreadable(problem_);
  if (count_ == nullptr || handle_by_index_ == nullptr || count_(&count) != 0) {
    return Result::unreadable("NVML does not say how many GPUs there are");
  }
  NvmlAnswers answers{driver_version().value_or(""), {}};
  std::vector<Device> devices;
  for (unsigned i = 0; i < count; ++i) {
    Device device = nullptr;
    if (handle_by_index_(i, &device) != 0) continue;  // fell off the bus, or not for this container
    devices.push_back(device);
    answers.gpus.push_back(describe(device));
  }
  for (std::size_t a = 0; a < devices.size(); ++a) {
    for (std::size_t b = 0; b < devices.size(); ++b) {
      int status = 0;
      if (a != b && p2p_status_ != nullptr &&
          p2p_status_(devices[a], devices[b], kP2pRead, &status) == 0) {
        answers.gpus[a].peers[answers.gpus[b].pci] = status;
      }
    }
  }
  return Result::of(std::move(answers));
}

}  // namespace vernier::machine
