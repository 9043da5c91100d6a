// SPDX-License-Identifier: Apache-2.0
//
// A profiler that does nothing: what is left is NCCL's own price of an event type. For tests only.
//
//   PROBE_EVENT_MASK  event types to ask for (64, KernelCh, by default)
//   PROBE_TRACE       a file that gets a line for each start and stop; slow
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "vernier/abi/nccl_profiler.h"

namespace {

std::FILE* trace = nullptr;
char handle;  // NCCL tells of kernels and channels only what has a parent's handle

ncclResult_t init(void** context, uint64_t, int* mask, const char*, int, int, int,
                  ncclDebugLogger_t) {
  const char* const wanted = std::getenv("PROBE_EVENT_MASK");
  *mask = wanted == nullptr ? ncclProfileKernelCh : std::atoi(wanted);
  const char* const file = std::getenv("PROBE_TRACE");
  if (file != nullptr && trace == nullptr) {
    trace = std::fopen(file, "w");
    if (trace != nullptr) std::setvbuf(trace, nullptr, _IOLBF, 0);  // finalize may never come
  }
  *context = &handle;
  return ncclSuccess;
}

const char* name_of(const ncclProfilerEventDescr_v5_t& event) {
  switch (event.type) {
    case ncclProfileGroup: return "Group";
    case ncclProfileColl: return event.coll.func;
    case ncclProfileP2p: return event.p2p.func;
    case ncclProfileKernelCh: return "KernelCh";
    case ncclProfileGroupApi: return "GroupApi";
    case ncclProfileCollApi: return event.collApi.func;
    case ncclProfileP2pApi: return event.p2pApi.func;
    case ncclProfileKernelLaunch: return "KernelLaunch";
    default: return "?";
  }
}

ncclResult_t start(void*, void** event_handle, ncclProfilerEventDescr_v5_t* event) {
  *event_handle = &handle;
  if (trace != nullptr) {
    // Stops are told apart by the type that the handle stands for.
    *event_handle = reinterpret_cast<void*>(event->type);
    std::fprintf(trace, "thread %ld start %llu %s parent %p\n", syscall(SYS_gettid),
                 static_cast<unsigned long long>(event->type), name_of(*event), event->parentObj);
  }
  return ncclSuccess;
}

ncclResult_t stop(void* event_handle) {
  if (trace != nullptr) {
    std::fprintf(trace, "thread %ld stop %llu\n", syscall(SYS_gettid),
                 static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(event_handle)));
  }
  return ncclSuccess;
}

ncclResult_t record(void*, int, void*) { return ncclSuccess; }

ncclResult_t finalize(void*) { return ncclSuccess; }

}  // namespace

extern "C" __attribute__((visibility("default")))
const ncclProfiler_v5_t ncclProfiler_v5 = {"event-probe", init, start, stop, record, finalize};
