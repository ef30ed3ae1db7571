//===- Nccl.cpp - NCCL, doubled -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ranks are threads of one process, and operations run on their streams through the
// runtime's provider for threads, in groups as the caller groups them.
//
//===----------------------------------------------------------------------===//

#include "Double.h"
#include "colo/Runtime/Comm.h"

#include <cstdlib>
#include <map>
#include <vector>

using namespace colo_double;
using namespace colo::runtime;

// Our own header hides NCCL's names, so the functions here have others for the compiler.
#define EXPORT(NAME) asm(".globl nccl" #NAME "\n.type nccl" #NAME ", @function\n.set nccl" #NAME ", double" #NAME)
EXPORT(GetVersion);
EXPORT(GetUniqueId);
EXPORT(CommInitRank);
EXPORT(CommSplit);
EXPORT(CommFinalize);
EXPORT(CommDestroy);
EXPORT(CommAbort);
EXPORT(CommGetAsyncError);
EXPORT(CommCount);
EXPORT(CommUserRank);
EXPORT(CommCuDevice);
EXPORT(GetErrorString);
EXPORT(GetLastError);
EXPORT(GroupStart);
EXPORT(GroupEnd);
EXPORT(AllReduce);
EXPORT(AllGather);
EXPORT(ReduceScatter);
EXPORT(Broadcast);
EXPORT(Reduce);
EXPORT(Send);
EXPORT(Recv);
EXPORT(MemAlloc);
EXPORT(MemFree);

namespace colo::runtime {
const char *callerSite() { return ""; }
void reportCommFailure(ncclResult_t, const char *message) { fail(message); }
} // namespace colo::runtime

namespace {
using Work = std::function<ncclResult_t()>;
struct Group {
  int depth = 0;
  std::vector<std::pair<CUstream_st *, Work>> work;
};
} // namespace

/// The devices that communicators are on. Errors of NCCL's own are asked for on any thread.
static std::mutex placesMutex;
static std::map<ncclComm_t, int> places;

static ncclResult_t made(ncclResult_t result, ncclComm_t comm) {
  std::lock_guard<std::mutex> lock(placesMutex);
  if (comm)
    places[comm] = context().number;
  return result;
}

static int version() {
  const char *asked = std::getenv("COLO_DOUBLE_NCCL");
  return asked ? std::atoi(asked) : 22800;
}

static const CommProvider &own() { return *threadsProvider(); }

static Group &group() {
  static thread_local Group instance;
  return instance;
}

static void finish(ncclResult_t result) {
  if (result != ncclSuccess)
    fail(own().lastError(nullptr));
}

static ncclResult_t enqueue(ncclComm_t comm, CUstream_st *stream, Work work) {
  if (!stream)
    fail("a collective on the default stream");
  if (stream->capture && version() < 20900)
    fail("a collective is captured by a version that cannot");
  note(CUgraph_st::Collective, stream, comm, "an operation of a communicator");
  if (group().depth)
    group().work.emplace_back(stream, std::move(work));
  else
    stream->submit([work] { finish(work()); });
  return ncclSuccess;
}

static size_t ranksOf(ncclComm_t comm) {
  int ranks = 1;
  own().count(comm, &ranks);
  return ranks;
}

static void *see(const void *memory, size_t count, ncclDataType_t type) {
  return visible(reinterpret_cast<Address>(memory), count * typeBytes(type), "a collective");
}

#define DEFINE extern "C" __attribute__((visibility("default"), used)) ncclResult_t

DEFINE doubleAllReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                       CUstream_st *stream) {
  if (mustFail("ncclAllReduce"))
    return ncclInternalError;
  const void *from = see(send, count, type);
  void *to = see(recv, count, type);
  return enqueue(comm, stream, [=] { return own().allReduce(from, to, count, type, op, comm, nullptr); });
}

DEFINE doubleAllGather(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                       CUstream_st *stream) {
  const void *from = see(send, count, type);
  void *to = see(recv, count * ranksOf(comm), type);
  return enqueue(comm, stream, [=] { return own().allGather(from, to, count, type, comm, nullptr); });
}

DEFINE doubleReduceScatter(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, CUstream_st *stream) {
  const void *from = see(send, count * ranksOf(comm), type);
  void *to = see(recv, count, type);
  return enqueue(comm, stream, [=] { return own().reduceScatter(from, to, count, type, op, comm, nullptr); });
}

DEFINE doubleBroadcast(const void *send, void *recv, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                       CUstream_st *stream) {
  const void *from = see(send, count, type);
  void *to = see(recv, count, type);
  return enqueue(comm, stream, [=] { return own().broadcast(from, to, count, type, root, comm, nullptr); });
}

DEFINE doubleReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, int root,
                    ncclComm_t comm, CUstream_st *stream) {
  const void *from = see(send, count, type);
  void *to = see(recv, count, type);
  return enqueue(comm, stream, [=] { return own().reduce(from, to, count, type, op, root, comm, nullptr); });
}

DEFINE doubleSend(const void *send, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, CUstream_st *stream) {
  const void *from = see(send, count, type);
  return enqueue(comm, stream, [=] { return own().send(from, count, type, peer, comm, nullptr); });
}

DEFINE doubleRecv(void *recv, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, CUstream_st *stream) {
  void *to = see(recv, count, type);
  return enqueue(comm, stream, [=] { return own().recv(to, count, type, peer, comm, nullptr); });
}

DEFINE doubleGroupStart() {
  ++group().depth;
  return ncclSuccess;
}

/// One task a stream, in which its operations advance together.
DEFINE doubleGroupEnd() {
  Group &mine = group();
  if (--mine.depth)
    return ncclSuccess;
  std::vector<std::pair<CUstream_st *, std::vector<Work>>> streams;
  for (auto &[stream, work] : mine.work) {
    if (streams.empty() || streams.back().first != stream)
      streams.emplace_back(stream, std::vector<Work>());
    streams.back().second.push_back(std::move(work));
  }
  mine.work.clear();
  for (auto &[stream, all] : streams)
    stream->submit([all = std::move(all)] {
      own().groupStart();
      for (const Work &work : all)
        finish(work());
      finish(own().groupEnd());
    });
  return ncclSuccess;
}

DEFINE doubleGetVersion(int *version) {
  *version = ::version();
  return ncclSuccess;
}
DEFINE doubleGetUniqueId(ncclUniqueId *id) { return own().getUniqueId(id); }
DEFINE doubleCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank) {
  return made(own().initRank(comm, ranks, id, rank, nullptr), *comm);
}
DEFINE doubleCommSplit(ncclComm_t comm, int color, int key, ncclComm_t *child, ncclConfig_t *) {
  return made(own().split(comm, color, key, child, nullptr), *child);
}
DEFINE doubleCommFinalize(ncclComm_t comm) { return own().finalize(comm); }
DEFINE doubleCommDestroy(ncclComm_t comm) {
  // The real one waits for the graph, for ever.
  if (isInGraph(comm))
    fail("ncclCommDestroy of a communicator that a graph holds");
  std::lock_guard<std::mutex> lock(placesMutex);
  places.erase(comm);
  return own().destroy(comm);
}
DEFINE doubleCommAbort(ncclComm_t comm) { return own().abort(comm); }
DEFINE doubleCommGetAsyncError(ncclComm_t comm, ncclResult_t *error) {
  std::lock_guard<std::mutex> lock(placesMutex);
  auto place = places.find(comm);
  if (place == places.end())
    fail("ncclCommGetAsyncError of what is no communicator");
  *error = hasAsyncError(place->second) ? ncclRemoteError : ncclSuccess;
  return ncclSuccess;
}
DEFINE doubleCommCount(ncclComm_t comm, int *ranks) { return own().count(comm, ranks); }
DEFINE doubleCommUserRank(ncclComm_t comm, int *rank) { return own().userRank(comm, rank); }
DEFINE doubleCommCuDevice(ncclComm_t, int *device) {
  *device = context().number;
  return ncclSuccess;
}
DEFINE doubleMemAlloc(void **, size_t) { fail("ncclMemAlloc is for programs that register memory"); }
DEFINE doubleMemFree(void *) { fail("ncclMemFree is for programs that register memory"); }
DOUBLE_EXPORT const char *doubleGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "remote process exited or there was a network error" : "an error of the double";
}
DOUBLE_EXPORT const char *doubleGetLastError(ncclComm_t comm) { return own().lastError(comm); }
