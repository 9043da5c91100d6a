// SPDX-License-Identifier: Apache-2.0
//
// libnvidia-ml.so.1, as far as `vernier calibrate` and `vernier doctor` ask it. FAKE_GPU_BUSY: the
// ordinal of a GPU that somebody else uses. FAKE_NVLINKS: links of each GPU, 0 to 18; FAKE_GPU_CUT:
// the ordinal of a GPU whose first link is down.
#include <array>
#include <cstdio>
#include <cstdlib>

#include "tests/fake_machine/environment.hpp"

#define NVML_EXPORT extern "C" __attribute__((visibility("default")))

using vernier::fake_machine::env_number;

namespace {

constexpr int kNotSupported = 3;
constexpr unsigned kFirstBus = 0x10;  // as cuda/device.cc makes bus ids

struct Device {
  long ordinal;
};

Device* device_at(unsigned ordinal) {
  static std::array<Device, 64> devices{};
  if (ordinal >= devices.size()) return nullptr;
  devices[ordinal].ordinal = ordinal;
  return &devices[ordinal];
}

bool is_busy(const Device* device) { return device->ordinal == env_number("FAKE_GPU_BUSY", -1); }

}  // namespace

NVML_EXPORT int nvmlInit_v2() { return 0; }

NVML_EXPORT int nvmlSystemGetDriverVersion(char* text, unsigned length) {
  std::snprintf(text, length, "999.99");
  return 0;
}

NVML_EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char* id, Device** device) {
  unsigned domain = 0;
  unsigned bus = 0;
  if (std::sscanf(id, "%x:%x", &domain, &bus) != 2 || bus < kFirstBus) return 2;
  *device = device_at(bus - kFirstBus);
  return *device == nullptr ? 2 : 0;
}

NVML_EXPORT int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = static_cast<unsigned>(env_number("FAKE_GPU_COUNT", 4));
  return 0;
}

NVML_EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device** device) {
  *device = device_at(index);
  return *device == nullptr ? 2 : 0;
}

NVML_EXPORT int nvmlDeviceGetName(Device*, char* name, unsigned length) {
  std::snprintf(name, length, "%s",
                vernier::fake_machine::env_text("FAKE_GPU_NAME", "NVIDIA H200").c_str());
  return 0;
}

struct PciInfo {
  char legacy[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned ids[2];
  char id[32];
};

NVML_EXPORT int nvmlDeviceGetPciInfo_v3(Device* device, PciInfo* info) {
  *info = {};
  info->bus = kFirstBus + static_cast<unsigned>(device->ordinal);
  return 0;
}

NVML_EXPORT int nvmlDeviceGetCudaComputeCapability(Device*, int* major, int* minor) {
  *major = 9;
  *minor = 0;
  return 0;
}

NVML_EXPORT int nvmlDeviceGetCurrPcieLinkGeneration(Device*, unsigned* value) {
  *value = 5;
  return 0;
}
NVML_EXPORT int nvmlDeviceGetMaxPcieLinkGeneration(Device*, unsigned* value) {
  *value = 5;
  return 0;
}
NVML_EXPORT int nvmlDeviceGetCurrPcieLinkWidth(Device*, unsigned* value) {
  *value = 16;
  return 0;
}
NVML_EXPORT int nvmlDeviceGetMaxPcieLinkWidth(Device*, unsigned* value) {
  *value = 16;
  return 0;
}

NVML_EXPORT int nvmlDeviceGetGpuFabricInfo(Device*, void*) { return kNotSupported; }

NVML_EXPORT int nvmlDeviceGetNvLinkState(Device* device, unsigned link, unsigned* up) {
  if (link >= env_number("FAKE_NVLINKS", 0)) return kNotSupported;
  *up = device->ordinal == env_number("FAKE_GPU_CUT", -1) && link == 0 ? 0 : 1;
  return 0;
}

NVML_EXPORT int nvmlDeviceGetNvLinkRemoteDeviceType(Device*, unsigned, int* type) {
  *type = 2;  // a switch
  return 0;
}

NVML_EXPORT int nvmlDeviceGetP2PStatus(Device*, Device*, int, int* status) {
  *status = 0;
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
