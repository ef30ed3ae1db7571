//===- Nccl.cpp - NCCL, doubled -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ranks are threads, of one process or of several of one machine (Communicator.h).
// Operations run on their streams, in groups as the caller groups them.
//
//===----------------------------------------------------------------------===//

#include "Communicator.h"
#include "Double.h"

#include <cstdlib>
#include <cstring>
#include <set>
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

namespace {
struct Group {
  int depth = 0;
  std::vector<std::pair<CUstream_st *, Call>> calls;
};
} // namespace

/// Errors of NCCL's own are asked for on any thread.
static std::mutex liveMutex;
static std::set<Communicator *> live;

static Communicator *unwrap(ncclComm_t comm) { return reinterpret_cast<Communicator *>(comm); }

static ncclComm_t wrap(Communicator *made) {
  std::lock_guard<std::mutex> lock(liveMutex);
  if (made)
    live.insert(made);
  return reinterpret_cast<ncclComm_t>(made);
}

static int version() {
  const char *asked = std::getenv("COLO_DOUBLE_NCCL");
  return asked ? std::atoi(asked) : 22800;
}

static Group &group() {
  static thread_local Group instance;
  return instance;
}

static ncclResult_t enqueue(CUstream_st *stream, ncclComm_t comm, Kind kind, const void *send, void *recv, size_t count,
                            ncclDataType_t type, ncclRedOp_t op = ncclSum, int root = 0) {
  if (!stream)
    fail("a collective on the default stream");
  if (stream->capture && version() < 20900)
    fail("a collective is captured by a version that cannot");
  if (stream->capture && !std::getenv("NCCL_GRAPH_MIXING_SUPPORT"))
    fail("a collective is captured and NCCL_GRAPH_MIXING_SUPPORT not set");
  if (!stream->capture && isUnderWay(comm))
    fail("a plain operation of a communicator of which a graph is under way");
  note(CUgraph_st::Collective, stream, comm, "an operation of a communicator");
  Call call{{kind, type, op, root, count, send, recv, nullptr}, unwrap(comm)};
  if (root < 0 || root >= call.comm->ranks)
    return ncclInvalidArgument;
  if (group().depth)
    group().calls.emplace_back(stream, call);
  else
    stream->submit([call] { runCalls({call}); });
  return ncclSuccess;
}

static size_t ranksOf(ncclComm_t comm) { return unwrap(comm)->ranks; }

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
  return enqueue(stream, comm, Kind::AllReduce, from, to, count, type, op);
}

DEFINE doubleAllGather(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                       CUstream_st *stream) {
  const void *from = see(send, count, type);
  void *to = see(recv, count * ranksOf(comm), type);
  return enqueue(stream, comm, Kind::AllGather, from, to, count, type);
}

DEFINE doubleReduceScatter(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, CUstream_st *stream) {
  const void *from = see(send, count * ranksOf(comm), type);
  void *to = see(recv, count, type);
  return enqueue(stream, comm, Kind::ReduceScatter, from, to, count, type, op);
}

DEFINE doubleBroadcast(const void *send, void *recv, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                       CUstream_st *stream) {
  const void *from = see(send, count, type);
  void *to = see(recv, count, type);
  return enqueue(stream, comm, Kind::Broadcast, from, to, count, type, ncclSum, root);
}

DEFINE doubleReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, int root,
                    ncclComm_t comm, CUstream_st *stream) {
  const void *from = see(send, count, type);
  void *to = see(recv, count, type);
  return enqueue(stream, comm, Kind::Reduce, from, to, count, type, op, root);
}

DEFINE doubleSend(const void *send, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, CUstream_st *stream) {
  const void *from = see(send, count, type);
  return enqueue(stream, comm, Kind::Send, from, nullptr, count, type, ncclSum, peer);
}

DEFINE doubleRecv(void *recv, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, CUstream_st *stream) {
  void *to = see(recv, count, type);
  return enqueue(stream, comm, Kind::Recv, nullptr, to, count, type, ncclSum, peer);
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
  std::vector<std::pair<CUstream_st *, std::vector<Call>>> streams;
  for (auto &[stream, call] : mine.calls) {
    if (streams.empty() || streams.back().first != stream)
      streams.emplace_back(stream, std::vector<Call>());
    streams.back().second.push_back(call);
  }
  mine.calls.clear();
  for (auto &[stream, calls] : streams)
    stream->submit([calls = std::move(calls)] { runCalls(calls); });
  return ncclSuccess;
}

DEFINE doubleGetVersion(int *version) {
  *version = ::version();
  return ncclSuccess;
}
DEFINE doubleGetUniqueId(ncclUniqueId *id) {
  Place place = Communicator::makePlace();
  std::memset(id, 0, sizeof *id);
  std::memcpy(id, &place, sizeof place);
  return ncclSuccess;
}
DEFINE doubleCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank) {
  if (rank < 0 || rank >= ranks)
    return ncclInvalidArgument;
  Place place;
  std::memcpy(&place, &id, sizeof place);
  *comm = wrap(Communicator::join(place, ranks, rank, context().number));
  return *comm ? ncclSuccess : ncclRemoteError;
}
DEFINE doubleCommSplit(ncclComm_t comm, int color, int key, ncclComm_t *child, ncclConfig_t *) {
  if (color < 0 && color != NCCL_SPLIT_NOCOLOR)
    return ncclInvalidArgument;
  *child = wrap(splitCommunicator(*unwrap(comm), color, key));
  return ncclSuccess;
}
DEFINE doubleCommFinalize(ncclComm_t) { return ncclSuccess; }
DEFINE doubleCommDestroy(ncclComm_t comm) {
  // The real one waits for the graph, for ever.
  if (isInGraph(comm))
    fail("ncclCommDestroy of a communicator that a graph holds");
  std::lock_guard<std::mutex> lock(liveMutex);
  live.erase(unwrap(comm));
  delete unwrap(comm);
  return ncclSuccess;
}
DEFINE doubleCommAbort(ncclComm_t comm) {
  unwrap(comm)->abort();
  return ncclSuccess;
}
DEFINE doubleCommGetAsyncError(ncclComm_t comm, ncclResult_t *error) {
  std::lock_guard<std::mutex> lock(liveMutex);
  if (!live.count(unwrap(comm)))
    fail("ncclCommGetAsyncError of what is no communicator");
  *error = hasAsyncError(unwrap(comm)->device) ? ncclRemoteError : ncclSuccess;
  return ncclSuccess;
}
DEFINE doubleCommCount(ncclComm_t comm, int *ranks) {
  *ranks = unwrap(comm)->ranks;
  return ncclSuccess;
}
DEFINE doubleCommUserRank(ncclComm_t comm, int *rank) {
  *rank = unwrap(comm)->rank;
  return ncclSuccess;
}
DEFINE doubleCommCuDevice(ncclComm_t comm, int *device) {
  *device = unwrap(comm)->device;
  return ncclSuccess;
}
DEFINE doubleMemAlloc(void **, size_t) { fail("ncclMemAlloc is for programs that register memory"); }
DEFINE doubleMemFree(void *) { fail("ncclMemFree is for programs that register memory"); }
DOUBLE_EXPORT const char *doubleGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "remote process exited or there was a network error" : "an error of the double";
}
DOUBLE_EXPORT const char *doubleGetLastError(ncclComm_t) { return ""; }
