// SPDX-License-Identifier: Apache-2.0
//
// libnvidia-ml.so.1, as far as `vernier calibrate` asks it. FAKE_GPU_BUSY: the ordinal of a GPU
// that somebody else uses.
#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/fake_machine/environment.hpp"

#define NVML_EXPORT extern "C" __attribute__((visibility("default")))

using vernier::fake_machine::env_number;

namespace {

struct Device {
  long ordinal;
};

bool is_busy(const Device* device) { return device->ordinal == env_number("FAKE_GPU_BUSY", -1); }

}  // namespace

NVML_EXPORT int nvmlInit_v2() { return 0; }

NVML_EXPORT int nvmlSystemGetDriverVersion(char* text, unsigned length) {
  std::snprintf(text, length, "999.99");
  return 0;
}

// As cuda/device.cc makes bus ids.
NVML_EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char* id, Device** device) {
  static std::array<Device, 64> devices{};
  constexpr unsigned kFirstBus = 0x10;
  unsigned domain = 0;
  unsigned bus = 0;
  if (std::sscanf(id, "%x:%x", &domain, &bus) != 2 || bus < kFirstBus ||
      bus - kFirstBus >= devices.size()) {
    return 2;
  }
  *device = &devices[bus - kFirstBus];
  (*device)->ordinal = bus - kFirstBus;
  return 0;
}

struct Utilization {
  unsigned gpu;
  unsigned memory;
};
NVML_EXPORT int nvmlDeviceGetUtilizationRates(Device* device, Utilization* utilization) {
  *utilization = {is_busy(device) ? 87u : 0u, 0};
  return 0;
}

struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
NVML_EXPORT int nvmlDeviceGetMemoryInfo(Device* device, Memory* memory) {
  constexpr unsigned long long kGib = 1ull << 30;
  const unsigned long long used = is_busy(device) ? 61 * kGib : kGib / 2;
  *memory = {140 * kGib, 140 * kGib - used, used};
  return 0;
}
