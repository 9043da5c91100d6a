// SPDX-License-Identifier: Apache-2.0
#include "tools/calibrate/live/cuda_driver.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

namespace vernier::calibrate {
namespace {

constexpr const char* kLibrary = "libcuda.so.1";

template <typename Function>
void find(void* library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) {
    throw MachineError(fmt::format("{} has no {}: its driver is too old", kLibrary, name));
  }
}

CudaDriver open_driver() {
  void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw MachineError(fmt::format("no NVIDIA driver here: {} cannot be opened", kLibrary));
  }
  CudaDriver driver{};
  find(library, driver.init, "cuInit");
  find(library, driver.driver_get_version, "cuDriverGetVersion");
  find(library, driver.device_get_count, "cuDeviceGetCount");
  find(library, driver.device_get, "cuDeviceGet");
  find(library, driver.device_get_name, "cuDeviceGetName");
  find(library, driver.device_get_pci_bus_id, "cuDeviceGetPCIBusId");
  find(library, driver.device_get_attribute, "cuDeviceGetAttribute");
  find(library, driver.device_can_access_peer, "cuDeviceCanAccessPeer");
  find(library, driver.primary_context_retain, "cuDevicePrimaryCtxRetain");
  find(library, driver.context_set_current, "cuCtxSetCurrent");
  find(library, driver.context_enable_peer_access, "cuCtxEnablePeerAccess");
  find(library, driver.mem_get_info, "cuMemGetInfo_v2");
  find(library, driver.mem_alloc, "cuMemAlloc_v2");
  find(library, driver.mem_free, "cuMemFree_v2");
  find(library, driver.mem_alloc_host, "cuMemAllocHost_v2");
  find(library, driver.memcpy_to_device, "cuMemcpyHtoD_v2");
  find(library, driver.memcpy_to_host, "cuMemcpyDtoH_v2");
  find(library, driver.memcpy_peer_async, "cuMemcpyPeerAsync");
  find(library, driver.memset_bytes, "cuMemsetD8_v2");
  find(library, driver.context_synchronize, "cuCtxSynchronize");
  find(library, driver.stream_create, "cuStreamCreate");
  find(library, driver.stream_synchronize, "cuStreamSynchronize");
  find(library, driver.stream_destroy, "cuStreamDestroy_v2");
  find(library, driver.stream_begin_capture, "cuStreamBeginCapture_v2");
  find(library, driver.stream_end_capture, "cuStreamEndCapture");
  find(library, driver.graph_instantiate, "cuGraphInstantiateWithFlags");
  find(library, driver.graph_launch, "cuGraphLaunch");
  find(library, driver.graph_exec_destroy, "cuGraphExecDestroy");
  find(library, driver.graph_destroy, "cuGraphDestroy");
  find(library, driver.event_create, "cuEventCreate");
  find(library, driver.event_record, "cuEventRecord");
  find(library, driver.event_synchronize, "cuEventSynchronize");
  find(library, driver.event_destroy, "cuEventDestroy_v2");
  find(library, driver.event_elapsed_ms, "cuEventElapsedTime");
  require_cuda(driver.init(0), "cuInit");
  int devices = 0;
  require_cuda(driver.device_get_count(&devices), "cuDeviceGetCount");
  if (devices == 0) throw MachineError("the NVIDIA driver sees no GPU");
  return driver;
}

}  // namespace

const CudaDriver& cuda_driver() {
  static const CudaDriver driver = open_driver();
  return driver;
}

void require_cuda(CudaResult result, const char* what) {
  constexpr CudaResult kNoDevice = 100;  // CUDA_ERROR_NO_DEVICE
  if (result == 0) return;
  if (result == kNoDevice) throw MachineError("the NVIDIA driver sees no GPU");
  throw MachineError(fmt::format("{} failed with CUDA driver error {}", what, result));
}

}  // namespace vernier::calibrate
