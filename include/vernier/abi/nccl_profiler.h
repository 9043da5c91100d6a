/* SPDX-License-Identifier: Apache-2.0
 *
 * NCCL's profiler plugin ABI, versions 1 to 6 (NCCL 2.23 to 2.30; later releases load v6 too), as
 * far as vernier reads it. Written from the documented layout; spelling is NCCL's so that readers
 * can look names up. A descriptor's union has more members than are declared here; its size is
 * kept. Valid C and C++. */
#ifndef VERNIER_ABI_NCCL_PROFILER_H
#define VERNIER_ABI_NCCL_PROFILER_H

#include "vernier/abi/nccl_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Event types, which are bits of the activation mask too. Which of them arrive depends on the NCCL
 * release: KernelCh from 2.26, the Api events and KernelLaunch from 2.28, CeColl from 2.29. */
enum {
  ncclProfileGroup = 1,
  ncclProfileColl = 2,
  ncclProfileP2p = 4,
  ncclProfileKernelCh = 64,
  ncclProfileGroupApi = 256,
  ncclProfileCollApi = 512,
  ncclProfileP2pApi = 1024,
  ncclProfileKernelLaunch = 2048,
  ncclProfileCeColl = 4096
};

/* Strings of descriptors are literals of libnccl, except `name`, which is the communicator's, may
 * be NULL, and has to be copied. */

/* v1 has numbers where later versions have strings; NCCL 2.27 and later fill neither name nor
 * commHash for v1 to v3. Only NCCL 2.23 looks for v1 first. */
typedef struct {
  const char* name;
  uint64_t commHash;
  uint64_t seqNumber;
  uint8_t func;
  const void* sendBuff;
  void* recvBuff;
  size_t count;
  int root;
  uint8_t datatype;
  uint32_t op;
  size_t trafficBytes;
  uint8_t nMaxChannels;
  uint8_t nWarps;
  uint8_t algo;
  uint8_t proto;
  int isCollnet;
  int isNvls;
} ncclProfilerColl_v1_t;

typedef struct {
  const char* name;
  uint64_t commHash;
  uint8_t func;
  void* buff;
  uint8_t datatype;
  size_t count;
  int peer;
} ncclProfilerP2p_v1_t;

typedef struct {
  uint8_t type;
  void* parentObj;
  int rank;
  union {
    ncclProfilerColl_v1_t coll;
    ncclProfilerP2p_v1_t p2p;
  };
} ncclProfilerEventDescr_v1_t;

typedef struct {
  const char* name;
  uint64_t commHash;
  uint64_t seqNumber;
  const char* func;
  const void* sendBuff;
  void* recvBuff;
  size_t count;
  int root;
  const char* datatype;
  size_t trafficBytes;
  uint8_t nMaxChannels;
  uint8_t nWarps;
  const char* algo;
  const char* proto;
} ncclProfilerColl_v2_t;

typedef struct {
  const char* name;
  uint64_t commHash;
  const char* func;
  void* buff;
  const char* datatype;
  size_t count;
  int peer;
} ncclProfilerP2p_v2_t;

typedef struct {
  uint8_t type;
  void* parentObj;
  int rank;
  union {
    ncclProfilerColl_v2_t coll;
    ncclProfilerP2p_v2_t p2p;
  };
} ncclProfilerEventDescr_v2_t;

typedef struct {
  const char* name;
  uint64_t commHash;
  uint64_t seqNumber;
  const char* func;
  const void* sendBuff;
  void* recvBuff;
  size_t count;
  int root;
  const char* datatype;
  uint8_t nMaxChannels;
  uint8_t nWarps;
  const char* algo;
  const char* proto;
} ncclProfilerColl_v3_t;

typedef struct {
  uint8_t type;
  void* parentObj;
  int rank;
  union {
    ncclProfilerColl_v3_t coll;
    ncclProfilerP2p_v2_t p2p;
  };
} ncclProfilerEventDescr_v3_t;

/* From v4 on a communicator is described at init, and nChannels is what really runs (0 for
 * CollNet). AllGather and Broadcast arrive as bytes: count of ncclInt8. */
typedef struct {
  uint64_t seqNumber;
  const char* func;
  const void* sendBuff;
  void* recvBuff;
  size_t count;
  int root;
  const char* datatype;
  uint8_t nChannels;
  uint8_t nWarps;
  const char* algo;
  const char* proto;
} ncclProfilerColl_v4_t;

typedef struct {
  const char* func;
  void* buff;
  const char* datatype;
  size_t count;
  int peer;
  uint8_t nChannels;
} ncclProfilerP2p_v4_t;

/* Child of Coll or P2p: what one channel of its kernel wrote, ns of the GPU's timer. Started once
 * the CPU has noticed; the stop comes as a state. */
typedef struct {
  uint8_t channelId;
  uint64_t pTimer;
} ncclProfilerKernelCh_v4_t;

enum { ncclProfilerKernelChStop = 22 };
typedef struct {
  uint64_t pTimer;
} ncclProfilerKernelChStateArgs_v4_t; /* of a union, of which it is the first member */

typedef struct {
  uint8_t type;
  void* parentObj;
  int rank;
  union {
    ncclProfilerColl_v4_t coll;
    ncclProfilerP2p_v4_t p2p;
    ncclProfilerKernelCh_v4_t kernelCh;
  };
} ncclProfilerEventDescr_v4_t;

/* The call as the user made it; parent of the Coll or P2p event that it leads to, if any. */
typedef struct {
  const char* func;
  size_t count;
  const char* datatype;
  int root;
  void* stream;
  uint8_t graphCaptured; /* bool */
} ncclProfilerCollApi_v5_t;

typedef struct {
  const char* func;
  size_t count;
  const char* datatype;
  void* stream;
  uint8_t graphCaptured; /* bool */
} ncclProfilerP2pApi_v5_t;

typedef struct {
  void* stream;
} ncclProfilerKernelLaunch_v5_t;

typedef struct {
  uint64_t type;
  void* parentObj;
  int rank;
  union {
    ncclProfilerCollApi_v5_t collApi;
    ncclProfilerP2pApi_v5_t p2pApi;
    ncclProfilerKernelLaunch_v5_t kernelLaunch;
    ncclProfilerColl_v4_t coll; /* a parentGroup follows */
    ncclProfilerP2p_v4_t p2p;   /* a parentGroup follows */
    ncclProfilerKernelCh_v4_t kernelCh;
    uint8_t size[88];
  };
} ncclProfilerEventDescr_v5_t;

/* A collective that copy engines run instead of a kernel (2.29 and later). */
typedef struct {
  uint64_t seqNumber;
  const char* func;
  const void* sendBuff;
  void* recvBuff;
  size_t count;
  int root;
  const char* datatype;
} ncclProfilerCeColl_v6_t; /* more follows */

typedef struct {
  uint64_t type;
  void* parentObj;
  int rank;
  union {
    ncclProfilerCollApi_v5_t collApi;
    ncclProfilerP2pApi_v5_t p2pApi;
    ncclProfilerKernelLaunch_v5_t kernelLaunch;
    ncclProfilerColl_v4_t coll;
    ncclProfilerP2p_v4_t p2p;
    ncclProfilerKernelCh_v4_t kernelCh;
    ncclProfilerCeColl_v6_t ceColl;
    uint8_t size[88];
  };
} ncclProfilerEventDescr_v6_t;

/* NCCL ignores every result but that of init. A context may be NULL where init failed (2.28 and
 * later). The handle has to be written always: NCCL passes on what it finds there. The mask is one
 * int of the process, shared by all communicators. */
typedef ncclResult_t (*ncclProfilerInit_v1_t)(void** context, int* eActivationMask);
typedef ncclResult_t (*ncclProfilerInit_v4_t)(void** context, int* eActivationMask,
                                              const char* commName, uint64_t commHash, int nNodes,
                                              int nRanks, int rank, ncclDebugLogger_t logger);
/* The same arguments as v4 in another order. */
typedef ncclResult_t (*ncclProfilerInit_v5_t)(void** context, uint64_t commId, int* eActivationMask,
                                              const char* commName, int nNodes, int nRanks,
                                              int rank, ncclDebugLogger_t logger);

#define VERNIER_PROFILER_STRUCT(version, init_version)                             \
  typedef struct {                                                                 \
    const char* name;                                                              \
    ncclProfilerInit_v##init_version##_t init;                                     \
    ncclResult_t (*startEvent)(void* context, void** eHandle,                      \
                               ncclProfilerEventDescr_v##version##_t* eDescr);     \
    ncclResult_t (*stopEvent)(void* eHandle);                                      \
    ncclResult_t (*recordEventState)(void* eHandle, int eState, void* eStateArgs); \
    ncclResult_t (*finalize)(void* context);                                       \
  } ncclProfiler_v##version##_t;
VERNIER_PROFILER_STRUCT(1, 1)
VERNIER_PROFILER_STRUCT(2, 1)
VERNIER_PROFILER_STRUCT(3, 1)
VERNIER_PROFILER_STRUCT(4, 4)
VERNIER_PROFILER_STRUCT(5, 5)
VERNIER_PROFILER_STRUCT(6, 5)
#undef VERNIER_PROFILER_STRUCT

#ifdef __cplusplus
} /* extern "C" */

#define VERNIER_AT(type, member, offset) \
  static_assert(__builtin_offsetof(type, member) == (offset), "layout of " #type "." #member)
static_assert(sizeof(ncclProfilerEventDescr_v1_t) == 120);
static_assert(sizeof(ncclProfilerEventDescr_v2_t) == 128);
static_assert(sizeof(ncclProfilerEventDescr_v3_t) == 120);
static_assert(sizeof(ncclProfilerEventDescr_v4_t) == 104);
static_assert(sizeof(ncclProfilerEventDescr_v5_t) == 112);
static_assert(sizeof(ncclProfilerEventDescr_v6_t) == 112);
static_assert(sizeof(ncclProfiler_v1_t) == 48 && sizeof(ncclProfiler_v6_t) == 48);
VERNIER_AT(ncclProfilerEventDescr_v1_t, parentObj, 8);
VERNIER_AT(ncclProfilerEventDescr_v1_t, rank, 16);
VERNIER_AT(ncclProfilerEventDescr_v1_t, coll.commHash, 32);
VERNIER_AT(ncclProfilerEventDescr_v1_t, coll.func, 48);
VERNIER_AT(ncclProfilerEventDescr_v1_t, coll.count, 72);
VERNIER_AT(ncclProfilerEventDescr_v1_t, coll.datatype, 84);
VERNIER_AT(ncclProfilerEventDescr_v1_t, coll.nMaxChannels, 104);
VERNIER_AT(ncclProfilerEventDescr_v1_t, coll.algo, 106);
VERNIER_AT(ncclProfilerEventDescr_v1_t, coll.proto, 107);
VERNIER_AT(ncclProfilerEventDescr_v1_t, p2p.func, 40);
VERNIER_AT(ncclProfilerEventDescr_v1_t, p2p.datatype, 56);
VERNIER_AT(ncclProfilerEventDescr_v1_t, p2p.count, 64);
VERNIER_AT(ncclProfilerEventDescr_v2_t, coll.datatype, 88);
VERNIER_AT(ncclProfilerEventDescr_v2_t, coll.nMaxChannels, 104);
VERNIER_AT(ncclProfilerEventDescr_v2_t, coll.algo, 112);
VERNIER_AT(ncclProfilerEventDescr_v2_t, coll.proto, 120);
VERNIER_AT(ncclProfilerEventDescr_v2_t, p2p.count, 64);
VERNIER_AT(ncclProfilerEventDescr_v3_t, coll.nMaxChannels, 96);
VERNIER_AT(ncclProfilerEventDescr_v3_t, coll.algo, 104);
VERNIER_AT(ncclProfilerEventDescr_v3_t, coll.proto, 112);
VERNIER_AT(ncclProfilerEventDescr_v4_t, coll.func, 32);
VERNIER_AT(ncclProfilerEventDescr_v4_t, coll.count, 56);
VERNIER_AT(ncclProfilerEventDescr_v4_t, coll.datatype, 72);
VERNIER_AT(ncclProfilerEventDescr_v4_t, coll.nChannels, 80);
VERNIER_AT(ncclProfilerEventDescr_v4_t, coll.proto, 96);
VERNIER_AT(ncclProfilerEventDescr_v4_t, p2p.datatype, 40);
VERNIER_AT(ncclProfilerEventDescr_v4_t, p2p.nChannels, 60);
VERNIER_AT(ncclProfilerEventDescr_v4_t, kernelCh.channelId, 24);
VERNIER_AT(ncclProfilerEventDescr_v4_t, kernelCh.pTimer, 32);
VERNIER_AT(ncclProfilerEventDescr_v6_t, kernelCh.pTimer, 32);
VERNIER_AT(ncclProfilerEventDescr_v5_t, rank, 16);
VERNIER_AT(ncclProfilerEventDescr_v5_t, collApi.datatype, 40);
VERNIER_AT(ncclProfilerEventDescr_v5_t, collApi.graphCaptured, 64);
VERNIER_AT(ncclProfilerEventDescr_v5_t, p2pApi.stream, 48);
VERNIER_AT(ncclProfilerEventDescr_v5_t, p2pApi.graphCaptured, 56);
VERNIER_AT(ncclProfilerEventDescr_v5_t, coll.func, 32);
VERNIER_AT(ncclProfilerEventDescr_v6_t, ceColl.count, 56);
VERNIER_AT(ncclProfilerEventDescr_v6_t, ceColl.datatype, 72);
#undef VERNIER_AT
#endif
#endif
