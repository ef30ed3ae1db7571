//===- NcclComm.cpp - NCCL as a provider -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See NcclComm.h. The functions have the types of our own trampolines, which have
// NCCL's names.
//
//===----------------------------------------------------------------------===//

#include "CUDA/NcclComm.h"
#include "CUDA/Driver.h"
#include "CUDA/Library.h"
#include "CUDA/Watchdog.h"

#include <cstdlib>
#include <mutex>

namespace colo::runtime::cuda {

namespace {

// Of the types of our trampolines.
#define COLO_NCCL_FUNCTIONS(X)                                                                                         \
  X(ncclGetVersion)                                                                                                    \
  X(ncclGetUniqueId)                                                                                                   \
  X(ncclCommInitRank)                                                                                                  \
  X(ncclCommSplit)                                                                                                     \
  X(ncclCommFinalize)                                                                                                  \
  X(ncclCommDestroy)                                                                                                   \
  X(ncclCommAbort)                                                                                                     \
  X(ncclCommGetAsyncError)                                                                                             \
  X(ncclCommCount)                                                                                                     \
  X(ncclCommUserRank)                                                                                                  \
  X(ncclCommCuDevice)                                                                                                  \
  X(ncclGetErrorString)                                                                                                \
  X(ncclGetLastError)                                                                                                  \
  X(ncclGroupStart)                                                                                                    \
  X(ncclGroupEnd)                                                                                                      \
  X(ncclAllReduce)                                                                                                     \
  X(ncclAllGather)                                                                                                     \
  X(ncclReduceScatter)                                                                                                 \
  X(ncclBroadcast)                                                                                                     \
  X(ncclReduce)                                                                                                        \
  X(ncclSend)                                                                                                          \
  X(ncclRecv)                                                                                                          \
  X(ncclMemAlloc)                                                                                                      \
  X(ncclMemFree)

struct Nccl {
#define COLO_DECLARE(NAME) decltype(&::NAME) NAME;
  COLO_NCCL_FUNCTIONS(COLO_DECLARE)
#undef COLO_DECLARE
};

Nccl nccl;

/// What ncclComm_t points at; `handle` is null for one rank.
struct Communicator {
  ncclComm_t handle = nullptr;
  int ranks = 1, rank = 0;
  Watchdog *watchdog = nullptr;
  int number = 0; ///< the watchdog's
};

/// Operations of a group, which reach their streams when it ends.
struct Group {
  struct Member {
    const Communicator *comm;
    CudaStream stream;
    uint32_t number;
  };
  int depth = 0;
  std::vector<Member> members;
};

Group &group() {
  static thread_local Group instance;
  return instance;
}

thread_local std::string message;

Communicator &unwrap(ncclComm_t comm) { return *reinterpret_cast<Communicator *>(comm); }

ncclComm_t wrap(Communicator communicator) { return reinterpret_cast<ncclComm_t>(new Communicator(communicator)); }

/// Keeps what a failure says, with the model's op.
ncclResult_t kept(ncclResult_t result, const char *call, ncclComm_t handle = nullptr) {
  if (result == ncclSuccess || result == ncclInProgress)
    return result;
  const char *site = callerSite(), *last = nccl.ncclGetLastError(handle);
  message = formatString("%s%s%s: %s%s%s%s", site, *site ? ": " : "", call, nccl.ncclGetErrorString(result),
                         last && *last ? ": " : "", last ? last : "", checkHint());
  return result;
}

/// A rank's own part of what it sends itself.
ncclResult_t copy(const void *from, void *to, size_t count, ncclDataType_t type, cudaStream_t stream) {
  if (from != to && count)
    check(driver().cuMemcpyDtoDAsync_v2(addressOf(to), addressOf(from), count * typeBytes(type), stream),
          "cuMemcpyDtoDAsync", callerSite());
  return ncclSuccess;
}

ncclResult_t getVersion(int *version) { return kept(nccl.ncclGetVersion(version), "ncclGetVersion"); }
ncclResult_t getUniqueId(ncclUniqueId *id) { return kept(nccl.ncclGetUniqueId(id), "ncclGetUniqueId"); }

ncclResult_t initRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t *) {
  Communicator made{nullptr, ranks, rank};
  ncclResult_t result = kept(nccl.ncclCommInitRank(&made.handle, ranks, id, rank), "ncclCommInitRank");
  if (result == ncclSuccess)
    *comm = wrap(made);
  return result;
}

/// Makes a communicator under the watchdog's eyes.
template <typename Make> ncclResult_t makeWatched(Communicator &made, Make make) {
  if (!made.watchdog)
    return make();
  made.number = made.watchdog->addCommunicator();
  uint32_t call = made.watchdog->call(made.number, /*site=*/-1);
  made.watchdog->startOnHost(made.number, call);
  ncclResult_t result = make();
  if (result == ncclSuccess && made.handle)
    made.watchdog->setHandle(made.number, made.handle);
  made.watchdog->finishOnHost(made.number, call);
  return result;
}

ncclResult_t split(ncclComm_t parent, int color, int key, ncclComm_t *child, ncclConfig_t *config) {
  *child = nullptr;
  if (!unwrap(parent).handle) {
    if (color != NCCL_SPLIT_NOCOLOR)
      *child = wrap({});
    return ncclSuccess;
  }
  Communicator made;
  made.watchdog = unwrap(parent).watchdog;
  ncclResult_t result = makeWatched(made, [&] {
    ncclResult_t split =
        kept(nccl.ncclCommSplit(unwrap(parent).handle, color, key, &made.handle, config), "ncclCommSplit");
    if (split == ncclSuccess && made.handle) {
      nccl.ncclCommCount(made.handle, &made.ranks);
      nccl.ncclCommUserRank(made.handle, &made.rank);
    }
    return split;
  });
  if (result == ncclSuccess && made.handle)
    *child = wrap(made);
  return result;
}

ncclResult_t finalize(ncclComm_t comm) {
  ncclComm_t handle = unwrap(comm).handle;
  return handle ? kept(nccl.ncclCommFinalize(handle), "ncclCommFinalize", handle) : ncclSuccess;
}

ncclResult_t destroy(ncclComm_t comm) {
  if (!comm)
    return ncclSuccess;
  ncclComm_t handle = unwrap(comm).handle;
  if (Watchdog *watchdog = unwrap(comm).watchdog)
    watchdog->forget(unwrap(comm).number);
  delete &unwrap(comm);
  return handle ? kept(nccl.ncclCommDestroy(handle), "ncclCommDestroy") : ncclSuccess;
}

ncclResult_t abortComm(ncclComm_t comm) {
  ncclComm_t handle = unwrap(comm).handle;
  return handle ? nccl.ncclCommAbort(handle) : ncclSuccess;
}

ncclResult_t getAsyncError(ncclComm_t comm, ncclResult_t *error) {
  *error = ncclSuccess;
  ncclComm_t handle = unwrap(comm).handle;
  return handle ? nccl.ncclCommGetAsyncError(handle, error) : ncclSuccess;
}

ncclResult_t countRanks(ncclComm_t comm, int *ranks) {
  *ranks = unwrap(comm).ranks;
  return ncclSuccess;
}
ncclResult_t userRank(ncclComm_t comm, int *rank) {
  *rank = unwrap(comm).rank;
  return ncclSuccess;
}
ncclResult_t deviceOf(ncclComm_t comm, int *device) {
  *device = 0;
  ncclComm_t handle = unwrap(comm).handle;
  return handle ? nccl.ncclCommCuDevice(handle, device) : ncclSuccess;
}
const char *lastError(ncclComm_t) { return message.c_str(); }

void markFinished(const Group::Member &member) {
  check(driver().cuStreamWriteValue32_v2(
            member.stream, addressOf(member.comm->watchdog->finishedWord(member.comm->number)), member.number, 0),
        "cuStreamWriteValue32", callerSite());
}

/// Calls an operation between marks on its stream, which the watchdog reads. The stream comes to a group's operations
/// as one, when the group ends.
template <typename Call>
ncclResult_t watched(ncclComm_t comm, cudaStream_t stream, const char *name, Call call, int peer = -1) {
  Communicator &own = unwrap(comm);
  if (Watchdog *watchdog = own.watchdog) {
    uint32_t number =
        watchdog->call(own.number, callerSiteNumber(), peer < 0 ? -1 : watchdog->worldRank(own.number, peer));
    check(driver().cuStreamWriteValue32_v2(stream, addressOf(watchdog->startedWord(own.number)), number, 0),
          "cuStreamWriteValue32", callerSite());
    Group::Member member{&own, stream, number};
    if (group().depth)
      group().members.push_back(member);
    ncclResult_t result = kept(call(own.handle), name, own.handle);
    if (!group().depth)
      markFinished(member);
    return result;
  }
  return kept(call(own.handle), name, own.handle);
}

/// Without the library there is nothing to group.
ncclResult_t groupStart() {
  ++group().depth;
  return nccl.ncclGroupStart ? kept(nccl.ncclGroupStart(), "ncclGroupStart") : ncclSuccess;
}
ncclResult_t groupEnd() {
  ncclResult_t result = nccl.ncclGroupEnd ? kept(nccl.ncclGroupEnd(), "ncclGroupEnd") : ncclSuccess;
  if (--group().depth == 0) {
    for (const Group::Member &member : group().members)
      markFinished(member);
    group().members.clear();
  }
  return result;
}

ncclResult_t allReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                       cudaStream_t stream) {
  if (!unwrap(comm).handle)
    return copy(send, recv, count, type, stream);
  return watched(comm, stream, "ncclAllReduce",
                 [&](ncclComm_t handle) { return nccl.ncclAllReduce(send, recv, count, type, op, handle, stream); });
}

ncclResult_t allGather(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                       cudaStream_t stream) {
  if (!unwrap(comm).handle)
    return copy(send, recv, count, type, stream);
  return watched(comm, stream, "ncclAllGather",
                 [&](ncclComm_t handle) { return nccl.ncclAllGather(send, recv, count, type, handle, stream); });
}

ncclResult_t reduceScatter(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  if (!unwrap(comm).handle)
    return copy(send, recv, count, type, stream);
  return watched(comm, stream, "ncclReduceScatter", [&](ncclComm_t handle) {
    return nccl.ncclReduceScatter(send, recv, count, type, op, handle, stream);
  });
}

ncclResult_t broadcast(const void *send, void *recv, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                       cudaStream_t stream) {
  if (!unwrap(comm).handle)
    return copy(send, recv, count, type, stream);
  return watched(comm, stream, "ncclBroadcast",
                 [&](ncclComm_t handle) { return nccl.ncclBroadcast(send, recv, count, type, root, handle, stream); });
}

ncclResult_t reduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, int root,
                    ncclComm_t comm, cudaStream_t stream) {
  if (!unwrap(comm).handle)
    return copy(send, recv, count, type, stream);
  return watched(comm, stream, "ncclReduce",
                 [&](ncclComm_t handle) { return nccl.ncclReduce(send, recv, count, type, op, root, handle, stream); });
}

ncclResult_t sendTo(const void *send, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                    cudaStream_t stream) {
  return watched(
      comm, stream, "ncclSend",
      [&](ncclComm_t handle) { return nccl.ncclSend(send, count, type, peer, handle, stream); }, peer);
}

ncclResult_t receiveFrom(void *recv, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                         cudaStream_t stream) {
  return watched(
      comm, stream, "ncclRecv",
      [&](ncclComm_t handle) { return nccl.ncclRecv(recv, count, type, peer, handle, stream); }, peer);
}

/// NCCL has a function for it from 2.28 on only.
ncclResult_t allToAll(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                      cudaStream_t stream) {
  const Communicator &own = unwrap(comm);
  if (!own.handle)
    return copy(send, recv, count, type, stream);
  size_t bytes = count * typeBytes(type);
  ncclResult_t result = groupStart();
  for (int peer = 0; peer < own.ranks && result == ncclSuccess; ++peer) {
    result = sendTo(static_cast<const char *>(send) + peer * bytes, count, type, peer, comm, stream);
    if (result == ncclSuccess)
      result = receiveFrom(static_cast<char *>(recv) + peer * bytes, count, type, peer, comm, stream);
  }
  ncclResult_t ended = groupEnd();
  return result == ncclSuccess ? ended : result;
}

ncclResult_t memAlloc(void **pointer, size_t bytes) { return kept(nccl.ncclMemAlloc(pointer, bytes), "ncclMemAlloc"); }
ncclResult_t memFree(void *pointer) { return kept(nccl.ncclMemFree(pointer), "ncclMemFree"); }

} // namespace

Status loadNccl() {
  static std::once_flag once;
  static Status status;
  std::call_once(once, [] {
    // A communicator's graph is never under way beside another or a plain operation: the host waits at the end of each
    // step. With the library's support for that, graphs of several communicators, launched by one thread, may hang.
    setenv("NCCL_GRAPH_MIXING_SUPPORT", "0", /*overwrite=*/0);
#define COLO_IMPORT(NAME) {#NAME, reinterpret_cast<void **>(&nccl.NAME)},
    status = openLibrary({"libnccl.so.2"}, "by which GPUs communicate", {COLO_NCCL_FUNCTIONS(COLO_IMPORT)});
#undef COLO_IMPORT
  });
  return status;
}

std::string whyNcclHasNoGraph() {
  constexpr int first = 20900; // before, numbers of versions had four digits
  int version = 0;
  if (nccl.ncclGetVersion(&version) != ncclSuccess || version < first)
    return formatString("NCCL %d.%d does not capture what it does, 2.9 and later do",
                        version < 10000 ? version / 1000 : version / 10000,
                        version < 10000 ? version / 100 % 10 : version / 100 % 100);
  return "";
}

const CommProvider *ncclProvider() {
  static const CommProvider provider = {
      "nccl",     getVersion, getUniqueId, initRank,  split,       finalize, destroy,   abortComm, getAsyncError,
      countRanks, userRank,   deviceOf,    lastError, groupStart,  groupEnd, allReduce, allGather, reduceScatter,
      broadcast,  reduce,     allToAll,    sendTo,    receiveFrom, memAlloc, memFree};
  return &provider;
}

ncclResult_t makeNcclWorld(const ncclUniqueId &id, int rank, int ranks, Watchdog &watchdog, ncclComm_t &world) {
  Communicator made;
  made.ranks = ranks;
  made.rank = rank;
  made.watchdog = &watchdog;
  ncclResult_t result =
      makeWatched(made, [&] { return kept(nccl.ncclCommInitRank(&made.handle, ranks, id, rank), "ncclCommInitRank"); });
  if (result != ncclSuccess)
    return result;
  watchdog.met();
  world = wrap(made);
  return ncclSuccess;
}

std::string describeAsyncError(ncclComm_t handle) {
  ncclResult_t error = ncclSuccess, result = nccl.ncclCommGetAsyncError(handle, &error);
  if (result != ncclSuccess)
    error = result;
  if (error == ncclSuccess || error == ncclInProgress)
    return "";
  const char *last = nccl.ncclGetLastError(handle);
  return formatString("NCCL found an error, %s%s%s", nccl.ncclGetErrorString(error), last && *last ? ": " : "",
                      last ? last : "");
}

ncclComm_t makeWorldOfOne() { return wrap({}); }

} // namespace colo::runtime::cuda
