// SPDX-License-Identifier: Apache-2.0
//
// Devices, contexts, and the state they share.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "tests/fake_machine/cuda/state.hpp"
#include "tests/fake_machine/environment.hpp"

namespace vernier::fake_machine {
namespace {

constexpr int kMaxDevices = 64;
constexpr int kDriverVersion = 13000;

thread_local const Context* current = nullptr;

std::array<Context, kMaxDevices>& contexts() {
  static std::array<Context, kMaxDevices> all = [] {
    std::array<Context, kMaxDevices> made{};
    for (int device = 0; device < kMaxDevices; ++device) {
      made[static_cast<std::size_t>(device)].device = device;
    }
    return made;
  }();
  return all;
}

int require_device(int device) {
  if (!state().initialized) return kCudaNotInitialized;
  return device >= 0 && device < device_count() ? kCudaSuccess : kCudaInvalidDevice;
}

}  // namespace

// Never destroyed: the process may end anywhere.
State& state() {
  static State* const one = new State;
  return *one;
}

int device_count() {
  return static_cast<int>(std::clamp(env_number("FAKE_GPU_COUNT", 4), 0L, long{kMaxDevices}));
}

int current_device() { return current == nullptr ? -1 : current->device; }

int require_context() {
  if (!state().initialized) return kCudaNotInitialized;
  return current == nullptr ? kCudaInvalidContext : kCudaSuccess;
}

int require_no_capture() {
  const int result = require_context();
  if (result != kCudaSuccess) return result;
  bool capturing = false;
  for (const auto& [stream, owned] : state().streams) {
    if (!stream->capturing) continue;
    stream->invalidated = true;
    capturing = true;
  }
  return capturing ? kCudaCaptureUnsupported : kCudaSuccess;
}

}  // namespace vernier::fake_machine

using namespace vernier::fake_machine;

int cuInit(unsigned flags) {
  if (flags != 0) return kCudaInvalidValue;
  if (device_count() == 0) return kCudaNoDevice;
  state().initialized = true;
  return kCudaSuccess;
}

int cuDriverGetVersion(int* version) {
  if (version == nullptr) return kCudaInvalidValue;
  *version = kDriverVersion;
  return kCudaSuccess;
}

int cuDeviceGetCount(int* count) {
  if (!state().initialized) return kCudaNotInitialized;
  if (count == nullptr) return kCudaInvalidValue;
  *count = device_count();
  return kCudaSuccess;
}

int cuDeviceGet(int* device, int ordinal) {
  if (device == nullptr) return kCudaInvalidValue;
  if (const int result = require_device(ordinal); result != kCudaSuccess) return result;
  *device = ordinal;
  return kCudaSuccess;
}

int cuDeviceGetName(char* name, int length, int device) {
  if (const int result = require_device(device); result != kCudaSuccess) return result;
  if (name == nullptr || length <= 0) return kCudaInvalidValue;
  const std::string text = env_text("FAKE_GPU_NAME", "NVIDIA H200");
  std::strncpy(name, text.c_str(), static_cast<std::size_t>(length));  // as the driver does it
  return kCudaSuccess;
}

int cuDeviceGetPCIBusId(char* id, int length, int device) {
  if (const int result = require_device(device); result != kCudaSuccess) return result;
  if (id == nullptr || length < 13) return kCudaInvalidValue;
  std::snprintf(id, static_cast<std::size_t>(length), "0000:%02X:00.0", 0x10 + device);
  return kCudaSuccess;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  if (const int result = require_device(device); result != kCudaSuccess) return result;
  if (value == nullptr) return kCudaInvalidValue;
  switch (attribute) {
    case 13: *value = 1980000; break;  // SM clock, kHz
    case 16: *value = 132; break;      // multiprocessors
    case 75: *value = 9; break;        // compute capability
    case 76: *value = 0; break;
    default: return kCudaInvalidValue;
  }
  return kCudaSuccess;
}

int cuDeviceCanAccessPeer(int* can, int device, int peer) {
  if (can == nullptr) return kCudaInvalidValue;
  if (const int result = require_device(device); result != kCudaSuccess) return result;
  if (const int result = require_device(peer); result != kCudaSuccess) return result;
  *can = device == peer ? 0 : 1;
  return kCudaSuccess;
}

int cuDevicePrimaryCtxRetain(Context** context, int device) {
  if (context == nullptr) return kCudaInvalidValue;
  if (const int result = require_device(device); result != kCudaSuccess) return result;
  *context = &contexts()[static_cast<std::size_t>(device)];
  return kCudaSuccess;
}

int cuCtxEnablePeerAccess(Context* peer, unsigned flags) {
  if (const int result = require_context(); result != kCudaSuccess) return result;
  return peer != nullptr && flags == 0 ? kCudaSuccess : kCudaInvalidValue;
}

int cuCtxSetCurrent(Context* context) {
  if (!state().initialized) return kCudaNotInitialized;
  const auto& all = contexts();
  if (context != nullptr && (context < all.data() || context >= all.data() + all.size())) {
    return kCudaInvalidContext;
  }
  current = context;
  return kCudaSuccess;
}

int cuCtxGetDevice(int* device) {
  if (const int result = require_context(); result != kCudaSuccess) return result;
  if (device == nullptr) return kCudaInvalidValue;
  *device = current_device();
  return kCudaSuccess;
}

int cuCtxSynchronize() { return require_no_capture(); }

int fake_cuda_current_device() { return current_device(); }
void fake_cuda_advance(double ns) { state().now_ns += ns; }
