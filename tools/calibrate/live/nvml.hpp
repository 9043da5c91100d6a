// SPDX-License-Identifier: Apache-2.0
//
// The few NVML functions that a fingerprint needs, found in libnvidia-ml.so.1 at run time. Reports
// and carries on: where there is no NVML, everything is unknown.
#pragma once

#include <optional>
#include <string>

namespace vernier::calibrate {

class Nvml {
 public:
  Nvml();

  using Device = struct NvmlDeviceTag*;

  [[nodiscard]] std::optional<std::string> driver_version() const;
  [[nodiscard]] Device find(const std::string& pci_bus_id) const;  // nullptr: unknown
  // Links that are up, and their NVLink version; nullopt where the GPU has none.
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

  static constexpr int kSmClock = 1;
  static constexpr int kMemoryClock = 2;

 private:
  int (*driver_version_)(char*, unsigned) = nullptr;
  int (*handle_)(const char*, Device*) = nullptr;
  int (*link_state_)(Device, unsigned, unsigned*) = nullptr;
  int (*link_version_)(Device, unsigned, unsigned*) = nullptr;
  int (*clock_)(Device, int, unsigned*) = nullptr;
  struct Utilization {
    unsigned gpu;
    unsigned memory;
  };
  int (*utilization_)(Device, Utilization*) = nullptr;
  struct Memory {
    unsigned long long total;
    unsigned long long free;
    unsigned long long used;
  };
  int (*memory_)(Device, Memory*) = nullptr;
};

}  // namespace vernier::calibrate
