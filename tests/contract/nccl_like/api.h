/* SPDX-License-Identifier: Apache-2.0
 *
 * libnccl_like.so stands in for libnccl.so.2 where no GPU is needed: it behaves as NCCL 2.21 to
 * 2.32 does TOWARDS A TUNER PLUGIN. It opens the plugin, creates communicators, builds cost tables,
 * asks getCollInfo, and says what NCCL would then have run. Nothing is communicated; its default
 * cost model is invented.
 *
 * It exports ncclGetVersion, as NCCL does, and nccl_like_api. Each image of the file (a copy at
 * another path is another image) is one NCCL: its own release, log and plugin reference. */
#ifndef VERNIER_CONTRACT_NCCL_LIKE_API_H
#define VERNIER_CONTRACT_NCCL_LIKE_API_H

#include "vernier/abi/nccl_base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct NcclLikeComm NcclLikeComm;

enum {
  NCCL_LIKE_MAX_CELLS = 64,
  NCCL_LIKE_ALLGATHERV = 11 /* ncclFunc_t of AllGatherV, 2.29+; grouped broadcasts before */
};

typedef struct {
  int ranks;
  int nodes;
  uint64_t comm_id;
  int channels;      /* comm->nChannels; limited by the release's MAXCHANNELS */
  int nvls_channels; /* 0: no NVLS */
  int collnet;       /* whether CollNet is there */
} NcclLikeShape;

typedef struct {
  int abi;               /* version of the symbol in use; 0: no tuner */
  void* context;         /* what the tuner's init returned through its pointer */
  int init_result;       /* ncclResult_t of the tuner's init */
  int constants_written; /* init changed the tuning constants or the NVLink domain info */
  int has_chunk_size;    /* v6 with a getChunkSize */
} NcclLikeCommFacts;

/* One group with `ops` equal collectives (which NCCL merges for the decision). */
typedef struct {
  ncclFunc_t func;
  uint64_t count; /* elements per rank: sent for AllGather, received for ReduceScatter */
  int element_bytes;
  int fp8;
  int ops;
  int registered; /* both buffers are registered */
  int captured;   /* the stream is being captured */
  /* Predicted microseconds, [algorithms][protocols]; NULL: the default model. */
  const float* model;
  int algorithms; /* 0: as the release; else a NCCL yet to come */
  int protocols;  /* 0: as the release (3); else a NCCL yet to come */
  /* Predicted time of a symmetric-memory kernel that is possible for this call; < 0: none. */
  double symmetric_us;
} NcclLikeCall;

/* What would have happened to a real process. */
typedef enum {
  NCCL_LIKE_SOUND = 0,
  NCCL_LIKE_NO_SUCH_KERNEL,   /* a combination that cannot run was chosen: error, hang or worse */
  NCCL_LIKE_NO_SUCH_CHANNEL,  /* CollNet, AllGatherV 2.29/2.30: indexes channels not there */
  NCCL_LIKE_DIVISION_BY_ZERO, /* a channel number or a chunk size that became 0 */
  NCCL_LIKE_WROTE_OUTSIDE     /* bytes beside the table or beside nChannels changed */
} NcclLikeDamage;

typedef struct {
  int result;     /* ncclResult_t of the collective */
  int damage;     /* NcclLikeDamage */
  char text[160]; /* why, when one of the two is not 0 */
  int ran;        /* 1: algorithm and protocol ran; 0: none, or a symmetric kernel */
  int symmetric;  /* 1: a symmetric kernel ran */
  int algorithm;
  int protocol;
  int channels;          /* most channels the operation may spread over */
  int default_algorithm; /* the choice without the tuner; -1: none */
  int default_protocol;
  int default_channels;
  int tuner_calls;
  int chunk_calls;
  uint64_t tuner_nbytes; /* nBytes of the last call */
  int tuner_pipe_ops;    /* numPipeOps of the last call */
  int tuner_reg_buff;    /* regBuff of the last call */
  int tuner_result;      /* ncclResult_t of the last call */
  int tuner_channels;    /* *nChannels after the last call */
  int tuner_algorithm;   /* 2.21: what the tuner set; -1: it left the choice to NCCL */
  int tuner_protocol;
  int algorithms; /* of the table */
  int protocols;
  float before[NCCL_LIKE_MAX_CELLS];
  float after[NCCL_LIKE_MAX_CELLS];
} NcclLikeOutcome;

typedef struct {
  int level; /* ncclDebugLogLevel */
  unsigned long flags;
  const char* file;
  const char* text; /* formatted into NCCL's 1,024 bytes; valid until clear_log */
  int truncated;
} NcclLikeLine;

typedef struct {
  int opens;       /* successful dlopen calls for the tuner */
  int closes;      /* dlclose calls */
  int abi;         /* version of the symbol in use now; 0: none */
  char path[4096]; /* what dlopen was given, of the last successful one */
} NcclLikeLoads;

typedef struct {
  /* Which NCCL this image is, e.g. 22809. Before any communicator; forgets a failed load, as a new
   * process would. ncclInvalidArgument for a release without facts. */
  ncclResult_t (*set_release)(int code);

  /* Where file names without a '/' are looked for first; stands for LD_LIBRARY_PATH, which glibc
   * reads only when a process starts. */
  void (*set_library_dir)(const char* dir);

  /* One rank of a communicator. Not success: creation failed, *comm is NULL. */
  ncclResult_t (*create)(const NcclLikeShape* shape, NcclLikeComm** comm);
  /* All ranks of a communicator, one thread each, as processes on a node would: returns the first
   * failure after all of them have returned. */
  ncclResult_t (*create_all)(const NcclLikeShape* shape, NcclLikeComm** comms);
  void (*destroy)(NcclLikeComm* comm);
  void (*facts)(const NcclLikeComm* comm, NcclLikeCommFacts* facts);

  /* One group end. Calls for one communicator must not overlap, as in NCCL. */
  void (*ask)(NcclLikeComm* comm, const NcclLikeCall* call, NcclLikeOutcome* outcome);

  void (*loads)(NcclLikeLoads* loads);
  ncclDebugLogger_t logger; /* a function of this image */
  int (*count_lines)(void);
  void (*line)(int index, NcclLikeLine* line);
  void (*clear_log)(void);
} NcclLikeApi;

/* The exported function. */
const NcclLikeApi* nccl_like_api(void);

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif
