/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of NCCL's plugin ABI that all plugin kinds share: result codes, enumerations, logger.
 * Written from the documented layout (NCCL 2.19 to 2.32); spelling is NCCL's so that readers can
 * look names up. Valid C and C++; needs nothing but <stdint.h> and <stddef.h>. */
#ifndef VERNIER_ABI_NCCL_BASE_H
#define VERNIER_ABI_NCCL_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* NCCL propagates anything but ncclSuccess from a tuner: the collective, or the creation of the
 * communicator, fails (2.19 to 2.32). Our entry points return ncclSuccess only. */
typedef enum {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclSystemError = 2,
  ncclInternalError = 3,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7
} ncclResult_t;

/* A C enum in NCCL. An int here: every value NCCL may pass in a later release stays well defined.
 * Only 0 to 4 reach a tuner up to 2.30.7. */
typedef int ncclFunc_t;
enum {
  ncclFuncBroadcast = 0,
  ncclFuncReduce = 1,
  ncclFuncAllGather = 2,
  ncclFuncReduceScatter = 3,
  ncclFuncAllReduce = 4
};

/* Algorithm numbers. PAT was appended in 2.23; the order never changed. */
enum {
  NCCL_ALGO_TREE = 0,
  NCCL_ALGO_RING = 1,
  NCCL_ALGO_COLLNET_DIRECT = 2,
  NCCL_ALGO_COLLNET_CHAIN = 3,
  NCCL_ALGO_NVLS = 4,
  NCCL_ALGO_NVLS_TREE = 5,
  NCCL_ALGO_PAT = 6
};

enum { NCCL_PROTO_LL = 0, NCCL_PROTO_LL128 = 1, NCCL_PROTO_SIMPLE = 2 };

typedef enum {
  NCCL_LOG_NONE = 0,
  NCCL_LOG_VERSION = 1,
  NCCL_LOG_WARN = 2,
  NCCL_LOG_INFO = 3,
  NCCL_LOG_ABORT = 4,
  NCCL_LOG_TRACE = 5
} ncclDebugLogLevel;

/* Subsystem flags of INFO lines; a line is printed when NCCL_DEBUG_SUBSYS names one of them.
 * NCCL's default set is INIT, BOOTSTRAP, ENV. Flags are ignored for WARN. */
enum { NCCL_INIT = 0x1, NCCL_TUNING = 0x40 };

/* Costs a process-wide mutex, a 1,024-byte buffer and a write: never called per collective. */
typedef void (*ncclDebugLogger_t)(ncclDebugLogLevel level, unsigned long flags, const char* file,
                                  int line, const char* fmt, ...);

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif
