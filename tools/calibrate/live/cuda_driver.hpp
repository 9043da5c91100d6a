// SPDX-License-Identifier: Apache-2.0
//
// The CUDA driver functions that measuring needs, found in libcuda.so.1 at run time: nothing that
// ships links CUDA. Names are the oldest versioned ones (CUDA 12.0), so any CUDA 12 or 13 driver
// has them. Types are declared here; the layouts that matter are pointers and ints.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tools/calibrate/machine_error.hpp"

namespace vernier::calibrate {

using CudaResult = int;  // CUresult; 0 is success
using CudaDevice = int;
using CudaContext = struct CudaContextTag*;
using CudaStream = struct CudaStreamTag*;
using CudaEvent = struct CudaEventTag*;
using CudaGraph = struct CudaGraphTag*;
using CudaGraphExec = struct CudaGraphExecTag*;
using CudaPointer = unsigned long long;  // device address

inline constexpr int kCaptureModeGlobal = 0;  // what torch and vLLM capture in
inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr int kAttributeSmClockKhz = 13;
inline constexpr int kAttributeMajor = 75;  // of the compute capability
inline constexpr int kAttributeMinor = 76;

// Every function returns a CudaResult.
struct CudaDriver {
  CudaResult (*init)(unsigned flags);
  CudaResult (*driver_get_version)(int* version);  // 13000 is CUDA 13.0
  CudaResult (*device_get_count)(int* count);
  CudaResult (*device_get)(CudaDevice* device, int ordinal);
  CudaResult (*device_get_name)(char* name, int length, CudaDevice device);
  CudaResult (*device_get_pci_bus_id)(char* id, int length, CudaDevice device);
  CudaResult (*device_get_attribute)(int* value, int attribute, CudaDevice device);
  CudaResult (*device_can_access_peer)(int* can, CudaDevice device, CudaDevice peer);
  CudaResult (*primary_context_retain)(CudaContext* context, CudaDevice device);
  CudaResult (*context_set_current)(CudaContext context);
  CudaResult (*context_enable_peer_access)(CudaContext peer, unsigned flags);
  CudaResult (*mem_get_info)(std::size_t* free_bytes, std::size_t* total_bytes);
  CudaResult (*mem_alloc)(CudaPointer* pointer, std::size_t nbytes);
  CudaResult (*mem_free)(CudaPointer pointer);
  CudaResult (*mem_alloc_host)(void** pointer, std::size_t nbytes);
  CudaResult (*memcpy_to_device)(CudaPointer to, const void* from, std::size_t nbytes);
  CudaResult (*memcpy_to_host)(void* to, CudaPointer from, std::size_t nbytes);
  CudaResult (*memcpy_peer_async)(CudaPointer to, CudaContext to_context, CudaPointer from,
                                  CudaContext from_context, std::size_t nbytes, CudaStream stream);
  CudaResult (*memset_bytes)(CudaPointer to, unsigned char byte, std::size_t nbytes);
  CudaResult (*context_synchronize)();
  CudaResult (*stream_create)(CudaStream* stream, unsigned flags);
  CudaResult (*stream_synchronize)(CudaStream stream);
  CudaResult (*stream_destroy)(CudaStream stream);
  CudaResult (*stream_begin_capture)(CudaStream stream, int mode);
  CudaResult (*stream_end_capture)(CudaStream stream, CudaGraph* graph);
  CudaResult (*graph_instantiate)(CudaGraphExec* exec, CudaGraph graph, unsigned long long flags);
  CudaResult (*graph_launch)(CudaGraphExec exec, CudaStream stream);
  CudaResult (*graph_exec_destroy)(CudaGraphExec exec);
  CudaResult (*graph_destroy)(CudaGraph graph);
  CudaResult (*event_create)(CudaEvent* event, unsigned flags);
  CudaResult (*event_record)(CudaEvent event, CudaStream stream);
  CudaResult (*event_synchronize)(CudaEvent event);
  CudaResult (*event_destroy)(CudaEvent event);
  CudaResult (*event_elapsed_ms)(float* elapsed_ms, CudaEvent start, CudaEvent end);
};

// Opens libcuda.so.1 once per process and calls cuInit. Throws MachineError: no driver, a function
// that it lacks, no GPU.
[[nodiscard]] const CudaDriver& cuda_driver();

// Throws MachineError naming `what` and the code.
void require_cuda(CudaResult result, const char* what);

}  // namespace vernier::calibrate
