//===- Nccl.h - the subset of NCCL's C interface that programs call ----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names, enumerators and signatures of nccl.h for what emitted code and the
// runtime call, so that one object file works with every provider. Definitions
// are hidden trampolines (lib/Runtime/Trampolines.cpp) that count bytes and
// dispatch to the provider chosen at launch; an executable exports none of them.
//
// Counts are elements. A collective on a communicator must be entered by all of
// its ranks with the same kind, count, type, operation and root. Buffers belong
// to the communicator until the operation is done on its stream.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_NCCL_H
#define COLO_RUNTIME_NCCL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COLO_HIDDEN __attribute__((visibility("hidden")))

typedef struct ncclComm *ncclComm_t;
typedef struct CUstream_st *cudaStream_t;
/* Opaque here: the CPU providers take a null pointer only. */
typedef struct ncclConfig_v21700 ncclConfig_t;

#define NCCL_UNIQUE_ID_BYTES 128
typedef struct {
  char internal[NCCL_UNIQUE_ID_BYTES];
} ncclUniqueId;

typedef enum {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclSystemError = 2,
  ncclInternalError = 3,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7,
  ncclNumResults = 8
} ncclResult_t;

typedef enum {
  ncclInt8 = 0,
  ncclUint8 = 1,
  ncclInt32 = 2,
  ncclUint32 = 3,
  ncclInt64 = 4,
  ncclUint64 = 5,
  ncclFloat16 = 6,
  ncclFloat32 = 7,
  ncclFloat64 = 8,
  ncclBfloat16 = 9,
  ncclNumTypes = 10
} ncclDataType_t;

typedef enum { ncclSum = 0, ncclProd = 1, ncclMax = 2, ncclMin = 3, ncclAvg = 4, ncclNumOps = 5 } ncclRedOp_t;

#define NCCL_SPLIT_NOCOLOR -1

COLO_HIDDEN ncclResult_t ncclGetVersion(int *version);
COLO_HIDDEN ncclResult_t ncclGetUniqueId(ncclUniqueId *id);
COLO_HIDDEN ncclResult_t ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank);
COLO_HIDDEN ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank,
                                                ncclConfig_t *config);
COLO_HIDDEN ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t *child, ncclConfig_t *config);
COLO_HIDDEN ncclResult_t ncclCommFinalize(ncclComm_t comm);
COLO_HIDDEN ncclResult_t ncclCommDestroy(ncclComm_t comm);
COLO_HIDDEN ncclResult_t ncclCommAbort(ncclComm_t comm);
COLO_HIDDEN ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error);
COLO_HIDDEN ncclResult_t ncclCommCount(ncclComm_t comm, int *count);
COLO_HIDDEN ncclResult_t ncclCommUserRank(ncclComm_t comm, int *rank);
COLO_HIDDEN ncclResult_t ncclCommCuDevice(ncclComm_t comm, int *device);
COLO_HIDDEN const char *ncclGetErrorString(ncclResult_t result);
COLO_HIDDEN const char *ncclGetLastError(ncclComm_t comm);
COLO_HIDDEN ncclResult_t ncclGroupStart(void);
COLO_HIDDEN ncclResult_t ncclGroupEnd(void);
COLO_HIDDEN ncclResult_t ncclAllReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op,
                                       ncclComm_t comm, cudaStream_t stream);
COLO_HIDDEN ncclResult_t ncclAllGather(const void *send, void *recv, size_t sendCount, ncclDataType_t type,
                                       ncclComm_t comm, cudaStream_t stream);
COLO_HIDDEN ncclResult_t ncclReduceScatter(const void *send, void *recv, size_t recvCount, ncclDataType_t type,
                                           ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream);
COLO_HIDDEN ncclResult_t ncclBroadcast(const void *send, void *recv, size_t count, ncclDataType_t type, int root,
                                       ncclComm_t comm, cudaStream_t stream);
COLO_HIDDEN ncclResult_t ncclReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op,
                                    int root, ncclComm_t comm, cudaStream_t stream);
COLO_HIDDEN ncclResult_t ncclAlltoAll(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                                      cudaStream_t stream);
COLO_HIDDEN ncclResult_t ncclSend(const void *send, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                                  cudaStream_t stream);
COLO_HIDDEN ncclResult_t ncclRecv(void *recv, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                                  cudaStream_t stream);
COLO_HIDDEN ncclResult_t ncclMemAlloc(void **pointer, size_t bytes);
COLO_HIDDEN ncclResult_t ncclMemFree(void *pointer);

#ifdef __cplusplus
}
#endif

#endif // COLO_RUNTIME_NCCL_H
