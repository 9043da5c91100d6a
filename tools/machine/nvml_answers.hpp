// SPDX-License-Identifier: Apache-2.0
//
// What NVML says of a machine, as far as `vernier doctor` asks. Numbers are NVML's own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/machine/reading.hpp"

namespace vernier::machine {

struct NvLink {
  bool up;
  int version;               // 0: unknown
  std::string remote;        // PCI address of what is at the other end, or empty
  Reading<int> remote_type;  // nvmlIntNvLinkDeviceType_t: 0 GPU, 1 IBM NPU, 2 switch
  bool operator==(const NvLink&) const = default;
};

inline constexpr int kRemoteGpu = 0;
inline constexpr int kRemoteSwitch = 2;

struct Gpu {
  std::string pci;  // as in sysfs: "0000:18:00.0"
  std::string name;
  Reading<std::string> compute_capability;  // "9.0"
  Reading<int> pcie_generation;
  Reading<int> pcie_generation_max;  // of GPU and slot together
  Reading<int> pcie_width;
  Reading<int> pcie_width_max;
  Reading<int> performance_state;  // 0 (P0, fastest) to 15; an idle GPU lowers its PCIe generation
  Reading<int> mig;                // 1: on
  Reading<int> fabric_state;       // nvmlGpuFabricState_t: 0 none, 1 not started, 2 goes on, 3 done
  std::map<int, NvLink> links;     // by number; of those the GPU has
  std::map<std::string, int> peers;  // PCI address: nvmlGpuP2PStatus_t for reading; 0 is ok
  bool operator==(const Gpu&) const = default;
};

struct NvmlAnswers {
  std::string driver;
  std::vector<Gpu> gpus;  // in NVML's order, which is that of PCI addresses
  bool operator==(const NvmlAnswers&) const = default;
};

}  // namespace vernier::machine
