// SPDX-License-Identifier: Apache-2.0
//
// The driver functions that the fake libcuda.so.1 exports, with the names and meanings of CUDA 12.0
// and types that are ours.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vernier::fake_machine {
struct Context;
struct Stream;
struct Event;
struct Graph;
struct GraphExec;

// CUresult, as far as it is returned here.
enum : int {
  kCudaSuccess = 0,
  kCudaInvalidValue = 1,
  kCudaOutOfMemory = 2,
  kCudaNotInitialized = 3,
  kCudaNoDevice = 100,
  kCudaInvalidDevice = 101,
  kCudaInvalidContext = 201,
  kCudaInvalidHandle = 400,
  kCudaIllegalState = 401,
  kCudaIllegalAddress = 700,
  kCudaNotSupported = 801,
  kCudaCaptureUnsupported = 900,
  kCudaCaptureInvalidated = 901,
};
}  // namespace vernier::fake_machine

#define FAKE_MACHINE_EXPORT __attribute__((visibility("default")))

extern "C" {
FAKE_MACHINE_EXPORT int cuInit(unsigned flags);
FAKE_MACHINE_EXPORT int cuDriverGetVersion(int* version);
FAKE_MACHINE_EXPORT int cuDeviceGetCount(int* count);
FAKE_MACHINE_EXPORT int cuDeviceGet(int* device, int ordinal);
FAKE_MACHINE_EXPORT int cuDeviceGetName(char* name, int length, int device);
FAKE_MACHINE_EXPORT int cuDeviceGetPCIBusId(char* id, int length, int device);
FAKE_MACHINE_EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device);
FAKE_MACHINE_EXPORT int cuDeviceCanAccessPeer(int* can, int device, int peer);
FAKE_MACHINE_EXPORT int cuDevicePrimaryCtxRetain(vernier::fake_machine::Context** context,
                                                 int device);
FAKE_MACHINE_EXPORT int cuCtxSetCurrent(vernier::fake_machine::Context* context);
FAKE_MACHINE_EXPORT int cuCtxGetDevice(int* device);
FAKE_MACHINE_EXPORT int cuCtxEnablePeerAccess(vernier::fake_machine::Context* peer, unsigned flags);
FAKE_MACHINE_EXPORT int cuCtxSynchronize();

FAKE_MACHINE_EXPORT int cuMemGetInfo_v2(std::size_t* free_bytes, std::size_t* total_bytes);
FAKE_MACHINE_EXPORT int cuMemAlloc_v2(unsigned long long* pointer, std::size_t nbytes);
FAKE_MACHINE_EXPORT int cuMemFree_v2(unsigned long long pointer);
FAKE_MACHINE_EXPORT int cuMemAllocHost_v2(void** pointer, std::size_t nbytes);
FAKE_MACHINE_EXPORT int cuMemcpyHtoD_v2(unsigned long long to, const void* from,
                                        std::size_t nbytes);
FAKE_MACHINE_EXPORT int cuMemcpyDtoH_v2(void* to, unsigned long long from, std::size_t nbytes);
FAKE_MACHINE_EXPORT int cuMemcpyPeerAsync(unsigned long long to,
                                          vernier::fake_machine::Context* to_context,
                                          unsigned long long from,
                                          vernier::fake_machine::Context* from_context,
                                          std::size_t nbytes,
                                          vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT int cuMemsetD8_v2(unsigned long long to, unsigned char byte,
                                      std::size_t nbytes);

FAKE_MACHINE_EXPORT int cuStreamCreate(vernier::fake_machine::Stream** stream, unsigned flags);
FAKE_MACHINE_EXPORT int cuStreamSynchronize(vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT int cuStreamDestroy_v2(vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT int cuStreamBeginCapture_v2(vernier::fake_machine::Stream* stream, int mode);
FAKE_MACHINE_EXPORT int cuStreamEndCapture(vernier::fake_machine::Stream* stream,
                                           vernier::fake_machine::Graph** graph);
FAKE_MACHINE_EXPORT int cuGraphInstantiateWithFlags(vernier::fake_machine::GraphExec** exec,
                                                    vernier::fake_machine::Graph* graph,
                                                    unsigned long long flags);
FAKE_MACHINE_EXPORT int cuGraphLaunch(vernier::fake_machine::GraphExec* exec,
                                      vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT int cuGraphExecDestroy(vernier::fake_machine::GraphExec* exec);
FAKE_MACHINE_EXPORT int cuGraphDestroy(vernier::fake_machine::Graph* graph);

FAKE_MACHINE_EXPORT int cuEventCreate(vernier::fake_machine::Event** event, unsigned flags);
FAKE_MACHINE_EXPORT int cuEventRecord(vernier::fake_machine::Event* event,
                                      vernier::fake_machine::Stream* stream);
FAKE_MACHINE_EXPORT int cuEventSynchronize(vernier::fake_machine::Event* event);
FAKE_MACHINE_EXPORT int cuEventDestroy_v2(vernier::fake_machine::Event* event);
FAKE_MACHINE_EXPORT int cuEventElapsedTime(float* elapsed_ms, vernier::fake_machine::Event* start,
                                           vernier::fake_machine::Event* end);
}
