// SPDX-License-Identifier: Apache-2.0
//
// The NVML functions that we need, found in libnvidia-ml.so.1 at run time. Reports and carries on:
// what a driver has no answer for is unknown, and so is everything where there is no NVML.
#pragma once

#include <optional>
#include <string>

#include "tools/machine/nvml_answers.hpp"

namespace vernier::machine {

class Nvml {
 public:
  Nvml();

  using Device = struct NvmlDeviceTag*;

  [[nodiscard]] std::optional<std::string> driver_version() const;
  [[nodiscard]] Device find(const std::string& pci_bus_id) const;  // nullptr: unknown
  // Links that are up, and their version (nvmlNvlinkVersion_t); nullopt where the GPU has none.
  struct Links {
    int active;
    int version;
  };
  [[nodiscard]] std::optional<Links> nvlinks(Device device) const;
  [[nodiscard]] std::optional<int> clock_mhz(Device device, int type) const;
  struct Use {
    int utilization_percent;
    double memory_gib;
  };
  [[nodiscard]] std::optional<Use> use(Device device) const;

  // All that `vernier doctor` asks, of every GPU that this process may see (CUDA_VISIBLE_DEVICES
  // plays no part in NVML).
  [[nodiscard]] Reading<NvmlAnswers> answers() const;

  static constexpr int kSmClock = 1;
  static constexpr int kMemoryClock = 2;

 private:
  [[nodiscard]] Gpu describe(Device device) const;
  [[nodiscard]] std::string pci_address(Device device) const;
  [[nodiscard]] std::map<int, NvLink> describe_links(Device device) const;
  [[nodiscard]] Reading<int> fabric_state(Device device) const;

  // Layouts of nvml.h, CUDA 12.0; checked against the real library by tests/gpu/doctor.
  struct Utilization {
    unsigned gpu;
    unsigned memory;
  };
  struct Memory {
    unsigned long long total;
    unsigned long long free;
    unsigned long long used;
  };
  struct PciInfo {  // nvmlPciInfo_t of the _v3 functions
    char bus_id_legacy[16];
    unsigned domain;
    unsigned bus;
    unsigned device;
    unsigned pci_device_id;
    unsigned pci_subsystem_id;
    char bus_id[32];
  };
  static_assert(sizeof(PciInfo) == 68);
  struct FabricInfo {  // nvmlGpuFabricInfo_t
    unsigned char cluster_uuid[16];
    int status;
    unsigned clique_id;
    unsigned char state;
  };
  static_assert(sizeof(FabricInfo) == 28);

  std::string problem_;    // why the library refuses; empty: it works, or there is none
  bool is_there_ = false;  // whether there is a library
  const char* (*error_text_)(int) = nullptr;
  int (*driver_version_)(char*, unsigned) = nullptr;
  int (*handle_)(const char*, Device*) = nullptr;
  int (*link_state_)(Device, unsigned, unsigned*) = nullptr;
  int (*link_version_)(Device, unsigned, unsigned*) = nullptr;
  int (*clock_)(Device, int, unsigned*) = nullptr;
  int (*utilization_)(Device, Utilization*) = nullptr;
  int (*memory_)(Device, Memory*) = nullptr;
  int (*count_)(unsigned*) = nullptr;
  int (*handle_by_index_)(unsigned, Device*) = nullptr;
  int (*name_)(Device, char*, unsigned) = nullptr;
  int (*pci_info_)(Device, PciInfo*) = nullptr;
  int (*capability_)(Device, int*, int*) = nullptr;
  int (*pcie_generation_)(Device, unsigned*) = nullptr;
  int (*pcie_generation_max_)(Device, unsigned*) = nullptr;
  int (*pcie_width_)(Device, unsigned*) = nullptr;
  int (*pcie_width_max_)(Device, unsigned*) = nullptr;
  int (*performance_state_)(Device, int*) = nullptr;
  int (*mig_)(Device, unsigned*, unsigned*) = nullptr;
  int (*fabric_)(Device, FabricInfo*) = nullptr;
  int (*link_remote_)(Device, unsigned, PciInfo*) = nullptr;
  int (*link_remote_type_)(Device, unsigned, int*) = nullptr;
  int (*p2p_status_)(Device, Device, int, int*) = nullptr;
};

}  // namespace vernier::machine
