//===- Trampolines.cpp - nccl functions: count, then dispatch ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The counting rule is docs/communication.md: bytes that leave a rank, by ring
// and flat algorithms, whatever the provider really does. Communicators of one
// rank count nothing.
//
//===----------------------------------------------------------------------===//

#include "Profile.h"
#include "Ranges.h"
#include "colo/Runtime/Comm.h"
#include "colo/Runtime/Status.h"

#include <cstdio>

namespace colo::runtime {

static const CommProvider *process = nullptr;
static CommFailureHandler failureHandler = nullptr;
static thread_local CommCaller *caller = nullptr;

void setCommProvider(const CommProvider *chosen) { process = chosen; }
const CommProvider &commProvider() { return *process; }
void setCommFailureHandler(CommFailureHandler handler) { failureHandler = handler; }
void setCommCaller(CommCaller *chosen) { caller = chosen; }

/// Of the calling thread.
static const CommProvider *own() { return caller && caller->provider ? caller->provider : process; }

void reportCommFailure(ncclResult_t result, const char *message) {
  if (failureHandler)
    failureHandler(result, message);
}

int64_t callerSiteNumber() { return caller && caller->site && *caller->site < caller->siteCount ? *caller->site : -1; }

const char *callerSite() {
  int64_t site = callerSiteNumber();
  return site < 0 ? "" : caller->sites[site].source;
}

namespace {
struct Place {
  int ranks = 1, rank = 0;
  explicit Place(ncclComm_t comm) {
    own()->count(comm, &ranks);
    own()->userRank(comm, &rank);
  }
};
} // namespace

static void tally(const Place &place, int64_t elements, ncclDataType_t type, int64_t messages) {
  if (!caller || !caller->counters || !caller->counting || place.ranks <= 1)
    return;
  int64_t site = caller->site ? *caller->site : -1;
  if (site < 0 || site >= caller->siteCount)
    site = caller->siteCount;
  CommCounter &counter = caller->counters[site];
  counter.calls += 1;
  counter.bytes += elements * static_cast<int64_t>(typeBytes(type));
  counter.messages += messages;
}

static std::string describeSite() {
  int64_t site = callerSiteNumber();
  if (site < 0)
    return "a collective";
  const ColoSite &named = caller->sites[site];
  return formatString("%s, %s, %s", named.kind, named.source, named.phase);
}

static thread_local int groupDepth = 0;

/// Streams come to what a group holds when it ends.
static Profile *profileOfCall() {
  Profile *profile = currentProfile();
  return profile && profile->isOnStreams() && groupDepth > 0 ? nullptr : profile;
}

/// Times a call for --profile, under the caller's site, and names it for profilers.
struct TimedCall : ProfileScope, RangeScope {
  TimedCall()
      : ProfileScope(profileOfCall(), Profile::Collective, caller && caller->site ? *caller->site : -1, /*bytes=*/0),
        RangeScope(describeSite) {}
};

/// Inside a group an error surfaces at its end, with the provider's message.
static ncclResult_t checked(ncclResult_t result, ncclComm_t comm) {
  if (result != ncclSuccess && result != ncclInProgress)
    reportCommFailure(result, own()->lastError(comm));
  return result;
}

} // namespace colo::runtime

using namespace colo::runtime;

extern "C" {

ncclResult_t ncclGetVersion(int *version) { return own()->getVersion(version); }
ncclResult_t ncclGetUniqueId(ncclUniqueId *id) { return own()->getUniqueId(id); }

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t *config) {
  return checked(own()->initRank(comm, ranks, id, rank, config), nullptr);
}
ncclResult_t ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank) {
  return ncclCommInitRankConfig(comm, ranks, id, rank, nullptr);
}
ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t *child, ncclConfig_t *config) {
  return checked(own()->split(comm, color, key, child, config), comm);
}
ncclResult_t ncclCommFinalize(ncclComm_t comm) { return checked(own()->finalize(comm), comm); }
ncclResult_t ncclCommDestroy(ncclComm_t comm) { return own()->destroy(comm); }
ncclResult_t ncclCommAbort(ncclComm_t comm) { return own()->abort(comm); }
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error) { return own()->getAsyncError(comm, error); }
ncclResult_t ncclCommCount(ncclComm_t comm, int *count) { return own()->count(comm, count); }
ncclResult_t ncclCommUserRank(ncclComm_t comm, int *rank) { return own()->userRank(comm, rank); }
ncclResult_t ncclCommCuDevice(ncclComm_t comm, int *device) { return own()->device(comm, device); }
const char *ncclGetLastError(ncclComm_t comm) { return own()->lastError(comm); }

const char *ncclGetErrorString(ncclResult_t result) {
  static const char *const names[ncclNumResults] = {
      "no error",         "unhandled device error", "system error", "internal error",
      "invalid argument", "invalid usage",          "remote error", "in progress"};
  return result < ncclNumResults ? names[result] : "unknown result";
}

ncclResult_t ncclGroupStart(void) {
  ++groupDepth;
  return own()->groupStart();
}
ncclResult_t ncclGroupEnd(void) {
  --groupDepth;
  TimedCall timed;
  return checked(own()->groupEnd(), nullptr);
}

ncclResult_t ncclAllReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  TimedCall timed;
  Place place(comm);
  tally(place, ringAllReduceSent(count, place.ranks, place.rank), type, 2 * (place.ranks - 1));
  return checked(own()->allReduce(send, recv, count, type, op, comm, stream), comm);
}

ncclResult_t ncclAllGather(const void *send, void *recv, size_t sendCount, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  TimedCall timed;
  Place place(comm);
  tally(place, (place.ranks - 1) * sendCount, type, place.ranks - 1);
  return checked(own()->allGather(send, recv, sendCount, type, comm, stream), comm);
}

ncclResult_t ncclReduceScatter(const void *send, void *recv, size_t recvCount, ncclDataType_t type, ncclRedOp_t op,
                               ncclComm_t comm, cudaStream_t stream) {
  TimedCall timed;
  Place place(comm);
  tally(place, (place.ranks - 1) * recvCount, type, place.ranks - 1);
  return checked(own()->reduceScatter(send, recv, recvCount, type, op, comm, stream), comm);
}

ncclResult_t ncclBroadcast(const void *send, void *recv, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                           cudaStream_t stream) {
  TimedCall timed;
  Place place(comm);
  int64_t targets = place.rank == root ? place.ranks - 1 : 0;
  tally(place, targets * count, type, targets);
  return checked(own()->broadcast(send, recv, count, type, root, comm, stream), comm);
}

ncclResult_t ncclReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, int root,
                        ncclComm_t comm, cudaStream_t stream) {
  TimedCall timed;
  Place place(comm);
  int64_t targets = place.rank == root ? 0 : 1;
  tally(place, targets * count, type, targets);
  return checked(own()->reduce(send, recv, count, type, op, root, comm, stream), comm);
}

ncclResult_t ncclAlltoAll(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                          cudaStream_t stream) {
  TimedCall timed;
  Place place(comm);
  tally(place, (place.ranks - 1) * count, type, place.ranks - 1);
  return checked(own()->allToAll(send, recv, count, type, comm, stream), comm);
}

ncclResult_t ncclSend(const void *send, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  TimedCall timed;
  Place place(comm);
  int64_t leaving = peer == place.rank ? 0 : 1;
  tally(place, leaving * count, type, leaving);
  return checked(own()->send(send, count, type, peer, comm, stream), comm);
}

ncclResult_t ncclRecv(void *recv, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream) {
  TimedCall timed;
  tally(Place(comm), 0, type, 0);
  return checked(own()->recv(recv, count, type, peer, comm, stream), comm);
}

ncclResult_t ncclMemAlloc(void **pointer, size_t bytes) { return own()->memAlloc(pointer, bytes); }
ncclResult_t ncclMemFree(void *pointer) { return own()->memFree(pointer); }
}
