//===- Comm.h - communication providers behind the NCCL interface ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A provider is a table of functions with NCCL's contracts. One is chosen at
// launch, before the first communicator exists; the trampolines of Nccl.h count
// what each rank sends (docs/communication.md) and call the table. The runtime
// itself calls the table directly, so its own traffic is not counted.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_COMM_H
#define COLO_RUNTIME_COMM_H

#include "colo/Runtime/Nccl.h"
#include "colo/Runtime/Program.h"

namespace colo::runtime {

struct CommProvider {
  const char *name;
  ncclResult_t (*getVersion)(int *);
  ncclResult_t (*getUniqueId)(ncclUniqueId *);
  ncclResult_t (*initRank)(ncclComm_t *, int ranks, ncclUniqueId, int rank, ncclConfig_t *);
  ncclResult_t (*split)(ncclComm_t, int color, int key, ncclComm_t *, ncclConfig_t *);
  ncclResult_t (*finalize)(ncclComm_t);
  ncclResult_t (*destroy)(ncclComm_t);
  ncclResult_t (*abort)(ncclComm_t);
  ncclResult_t (*getAsyncError)(ncclComm_t, ncclResult_t *);
  ncclResult_t (*count)(ncclComm_t, int *);
  ncclResult_t (*userRank)(ncclComm_t, int *);
  ncclResult_t (*device)(ncclComm_t, int *);
  const char *(*lastError)(ncclComm_t);
  ncclResult_t (*groupStart)();
  ncclResult_t (*groupEnd)();
  ncclResult_t (*allReduce)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t, cudaStream_t);
  ncclResult_t (*allGather)(const void *, void *, size_t, ncclDataType_t, ncclComm_t, cudaStream_t);
  ncclResult_t (*reduceScatter)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t, cudaStream_t);
  ncclResult_t (*broadcast)(const void *, void *, size_t, ncclDataType_t, int root, ncclComm_t, cudaStream_t);
  ncclResult_t (*reduce)(const void *, void *, size_t, ncclDataType_t, ncclRedOp_t, int root, ncclComm_t, cudaStream_t);
  ncclResult_t (*allToAll)(const void *, void *, size_t, ncclDataType_t, ncclComm_t, cudaStream_t);
  ncclResult_t (*send)(const void *, size_t, ncclDataType_t, int peer, ncclComm_t, cudaStream_t);
  ncclResult_t (*recv)(void *, size_t, ncclDataType_t, int peer, ncclComm_t, cudaStream_t);
  ncclResult_t (*memAlloc)(void **, size_t);
  ncclResult_t (*memFree)(void *);
};

/// Ranks are threads of this process.
const CommProvider *threadsProvider();

/// Seconds that an operation may wait for another rank before it fails; 600 at
/// start.
void setCommTimeout(double seconds);
double commTimeout();

/// The process's provider, for memory of the host. Set once, before the first call of an nccl function.
void setCommProvider(const CommProvider *provider);
const CommProvider &commProvider();

/// Bytes of one element; 0 for a type that does not exist.
size_t typeBytes(ncclDataType_t type);
const char *typeName(ncclDataType_t type);
const char *redOpName(ncclRedOp_t op);

/// What left a rank at one site.
struct CommCounter {
  int64_t calls = 0, bytes = 0, messages = 0;
  CommCounter &operator+=(const CommCounter &other) {
    calls += other.calls, bytes += other.bytes, messages += other.messages;
    return *this;
  }
  CommCounter operator-(const CommCounter &other) const {
    return {calls - other.calls, bytes - other.bytes, messages - other.messages};
  }
};

/// Who calls: set by each rank for its own thread. `site` points at the frame's
/// field that emitted code writes; counters has siteCount + 1 entries, the last
/// for calls without a site.
struct CommCaller {
  const int64_t *site = nullptr;
  const ColoSite *sites = nullptr;
  int64_t siteCount = 0;
  CommCounter *counters = nullptr;
  bool counting = true;
  const CommProvider *provider = nullptr; ///< of the rank's device; null: the process's
};
void setCommCaller(CommCaller *caller);

/// The model's place of the calling thread's current operation, for messages.
const char *callerSite();
/// Its number, or -1.
int64_t callerSiteNumber();

/// Called when an operation fails, on the thread where it is found (a stream's
/// worker included). Without one, nccl functions only return the error.
using CommFailureHandler = void (*)(ncclResult_t result, const char *message);
void setCommFailureHandler(CommFailureHandler handler);
void reportCommFailure(ncclResult_t result, const char *message);

/// Elements of chunk `index` of `count` cut into `parts`: the first count % parts
/// chunks hold one more.
inline size_t chunkSize(size_t count, int parts, int index) {
  return count / parts + (static_cast<size_t>(index) < count % parts ? 1 : 0);
}
inline size_t chunkBegin(size_t count, int parts, int index) {
  size_t extra = count % parts;
  return count / parts * index + (static_cast<size_t>(index) < extra ? index : extra);
}

/// Elements that rank `rank` of `ranks` sends in a ring all-reduce of `count`:
/// all chunks but rank + 1 while reducing, all but rank + 2 while gathering.
int64_t ringAllReduceSent(int64_t count, int ranks, int rank);

} // namespace colo::runtime

#endif // COLO_RUNTIME_COMM_H
