/* SPDX-License-Identifier: Apache-2.0
 *
 * NCCL's tuner plugin ABI, versions 2 to 6. A plugin exports data objects ncclTunerPlugin_vN; NCCL
 * tries the newest it knows first and uses the first it finds:
 *
 *   symbol   first NCCL   what changed
 *   v2       2.21.5       no cost table: algorithm and protocol are out-parameters
 *   v3       2.22.3       cost table
 *   v4       2.24.3       regBuff, before nChannels
 *   v5       2.28.3       init: context first, commId, NVLink domains, tuning constants
 *   v6       2.30.3       getChunkSize, last field, may be NULL
 *
 * `collCostTable` is declared float** but is the address of a contiguous float[numAlgo][numProto]:
 * predicted microseconds, negative where the combination cannot run. Valid C and C++. */
#ifndef VERNIER_ABI_NCCL_TUNER_H
#define VERNIER_ABI_NCCL_TUNER_H

#include "vernier/abi/nccl_base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const char* name;
  ncclResult_t (*init)(size_t nRanks, size_t nNodes, ncclDebugLogger_t logFunction, void** context);
  ncclResult_t (*getCollInfo)(void* context, ncclFunc_t collType, size_t nBytes, int collNetSupport,
                              int nvlsSupport, int numPipeOps, int* algorithm, int* protocol,
                              int* nChannels);
  ncclResult_t (*destroy)(void* context);
} ncclTuner_v2_t;

typedef struct {
  const char* name;
  ncclResult_t (*init)(size_t nRanks, size_t nNodes, ncclDebugLogger_t logFunction, void** context);
  ncclResult_t (*getCollInfo)(void* context, ncclFunc_t collType, size_t nBytes, int numPipeOps,
                              float** collCostTable, int numAlgo, int numProto, int* nChannels);
  ncclResult_t (*destroy)(void* context);
} ncclTuner_v3_t;

typedef struct {
  const char* name;
  ncclResult_t (*init)(size_t nRanks, size_t nNodes, ncclDebugLogger_t logFunction, void** context);
  ncclResult_t (*getCollInfo)(void* context, ncclFunc_t collType, size_t nBytes, int numPipeOps,
                              float** collCostTable, int numAlgo, int numProto, int regBuff,
                              int* nChannels);
  ncclResult_t (*destroy)(void* context);
} ncclTuner_v4_t;

typedef struct {
  int nNvlDomains;
  int minRanksPerNvlDomain;
  int maxRanksPerNvlDomain;
} ncclNvlDomainInfo_v5_t;

/* In and out during init: NCCL builds its cost model from it right after. We never write it, since
 * an edit changes every decision of the communicator, not those a rule names. */
typedef struct {
  double baseLatencies[7][3];
  double hwLatencies[3][7][3];
  double llMaxBws[4][3];
  double perChMaxRingLL128Bws[4][3];
  double perChMaxTreeLL128Bws[4][3];
  double perChMaxTreeBws[4][3];
  double perChMaxNVLSTreeBws[4][3];
} ncclTunerConstants_v5_t;

typedef struct {
  const char* name;
  ncclResult_t (*init)(void** context, uint64_t commId, size_t nRanks, size_t nNodes,
                       ncclDebugLogger_t logFunction, ncclNvlDomainInfo_v5_t* nvlDomainInfo,
                       ncclTunerConstants_v5_t* constants);
  ncclResult_t (*getCollInfo)(void* context, ncclFunc_t collType, size_t nBytes, int numPipeOps,
                              float** collCostTable, int numAlgo, int numProto, int regBuff,
                              int* nChannels);
  ncclResult_t (*finalize)(void* context);
} ncclTuner_v5_t;

typedef struct {
  const char* name;
  ncclResult_t (*init)(void** context, uint64_t commId, size_t nRanks, size_t nNodes,
                       ncclDebugLogger_t logFunction, ncclNvlDomainInfo_v5_t* nvlDomainInfo,
                       ncclTunerConstants_v5_t* constants);
  ncclResult_t (*getCollInfo)(void* context, ncclFunc_t collType, size_t nBytes, int numPipeOps,
                              float** collCostTable, int numAlgo, int numProto, int regBuff,
                              int* nChannels);
  ncclResult_t (*finalize)(void* context);
  ncclResult_t (*getChunkSize)(void* context, ncclFunc_t collType, size_t nBytes, int algorithm,
                               int protocol, int nChannels, size_t* chunkSize);
} ncclTuner_v6_t;

#ifdef __cplusplus
} /* extern "C" */
#define VERNIER_ABI_ASSERT(condition, text) static_assert(condition, text)
#else
#define VERNIER_ABI_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* Sizes and offsets of NCCL 2.30.7's headers on 64-bit Linux. */
VERNIER_ABI_ASSERT(sizeof(ncclTuner_v2_t) == 32, "tuner v2 is four pointers");
VERNIER_ABI_ASSERT(sizeof(ncclTuner_v3_t) == 32, "tuner v3 is four pointers");
VERNIER_ABI_ASSERT(sizeof(ncclTuner_v4_t) == 32, "tuner v4 is four pointers");
VERNIER_ABI_ASSERT(sizeof(ncclTuner_v5_t) == 32, "tuner v5 is four pointers");
VERNIER_ABI_ASSERT(sizeof(ncclTuner_v6_t) == 40, "tuner v6 is five pointers");
VERNIER_ABI_ASSERT(offsetof(ncclTuner_v6_t, getChunkSize) == 32, "getChunkSize is the last field");
VERNIER_ABI_ASSERT(sizeof(ncclNvlDomainInfo_v5_t) == 12, "three ints");
VERNIER_ABI_ASSERT(sizeof(ncclTunerConstants_v5_t) == 1152, "144 doubles");
VERNIER_ABI_ASSERT(offsetof(ncclTunerConstants_v5_t, hwLatencies) == 168, "layout");
VERNIER_ABI_ASSERT(offsetof(ncclTunerConstants_v5_t, llMaxBws) == 672, "layout");
VERNIER_ABI_ASSERT(offsetof(ncclTunerConstants_v5_t, perChMaxRingLL128Bws) == 768, "layout");
VERNIER_ABI_ASSERT(offsetof(ncclTunerConstants_v5_t, perChMaxTreeLL128Bws) == 864, "layout");
VERNIER_ABI_ASSERT(offsetof(ncclTunerConstants_v5_t, perChMaxTreeBws) == 960, "layout");
VERNIER_ABI_ASSERT(offsetof(ncclTunerConstants_v5_t, perChMaxNVLSTreeBws) == 1056, "layout");

#endif
