//===- LoopbackComm.cpp - ranks that share GPUs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See LoopbackComm.h.
//
//===----------------------------------------------------------------------===//

#include "CUDA/LoopbackComm.h"
#include "CUDA/Driver.h"

#include <functional>
#include <vector>

namespace colo::runtime::cuda {

namespace {

/// What ncclComm_t points at.
struct Communicator {
  ncclComm_t hosts;
  bool isOwn;
};

Communicator &unwrap(ncclComm_t comm) { return *reinterpret_cast<Communicator *>(comm); }
ncclComm_t wrap(Communicator communicator) { return reinterpret_cast<ncclComm_t>(new Communicator(communicator)); }
const CommProvider &hosts() { return commProvider(); }

/// One operation: memory of the GPU, and the call that does it on copies of the host's.
struct Operation {
  const void *send;
  size_t sendBytes;
  void *recv;
  size_t recvBytes;
  CudaStream stream;
  std::function<ncclResult_t(const void *, void *)> call;
  std::vector<char> sent = {}, received = {};
};

struct Group {
  int depth = 0;
  std::vector<Operation> operations;
};

Group &group() {
  static thread_local Group instance;
  return instance;
}

/// What stands before on the streams is done first, and what operations bring is there afterwards.
ncclResult_t run(std::vector<Operation> &operations) {
  const Driver &cu = driver();
  for (Operation &op : operations) {
    check(cu.cuStreamSynchronize(op.stream), "cuStreamSynchronize", callerSite());
    op.sent.resize(op.sendBytes);
    op.received.resize(op.recvBytes);
    if (op.sendBytes)
      check(cu.cuMemcpyDtoH_v2(op.sent.data(), addressOf(op.send), op.sendBytes), "cuMemcpyDtoH", callerSite());
  }
  ncclResult_t result = hosts().groupStart();
  for (Operation &op : operations)
    if (result == ncclSuccess)
      result = op.call(op.sent.data(), op.received.data());
  ncclResult_t ended = hosts().groupEnd();
  if (result != ncclSuccess || ended != ncclSuccess)
    return result == ncclSuccess ? ended : result;
  for (Operation &op : operations)
    if (op.recvBytes)
      check(cu.cuMemcpyHtoD_v2(addressOf(op.recv), op.received.data(), op.recvBytes), "cuMemcpyHtoD", callerSite());
  check(cu.cuCtxSynchronize(), "cuCtxSynchronize", callerSite());
  return ncclSuccess;
}

ncclResult_t enqueue(Operation operation) {
  if (group().depth) {
    group().operations.push_back(std::move(operation));
    return ncclSuccess;
  }
  std::vector<Operation> one;
  one.push_back(std::move(operation));
  return run(one);
}

ncclResult_t groupStart() {
  ++group().depth;
  return ncclSuccess;
}

ncclResult_t groupEnd() {
  if (--group().depth)
    return ncclSuccess;
  std::vector<Operation> operations = std::move(group().operations);
  group().operations.clear();
  return operations.empty() ? ncclSuccess : run(operations);
}

size_t ranksOf(ncclComm_t comm) {
  int ranks = 1;
  hosts().count(comm, &ranks);
  return ranks;
}

ncclResult_t getVersion(int *version) { return hosts().getVersion(version); }
ncclResult_t getUniqueId(ncclUniqueId *id) { return hosts().getUniqueId(id); }

ncclResult_t initRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t *config) {
  Communicator made{nullptr, true};
  ncclResult_t result = hosts().initRank(&made.hosts, ranks, id, rank, config);
  *comm = result == ncclSuccess ? wrap(made) : nullptr;
  return result;
}

ncclResult_t split(ncclComm_t parent, int color, int key, ncclComm_t *child, ncclConfig_t *config) {
  Communicator made{nullptr, true};
  ncclResult_t result = hosts().split(unwrap(parent).hosts, color, key, &made.hosts, config);
  *child = result == ncclSuccess && made.hosts ? wrap(made) : nullptr;
  return result;
}

ncclResult_t finalize(ncclComm_t comm) { return hosts().finalize(unwrap(comm).hosts); }

ncclResult_t destroy(ncclComm_t comm) {
  if (!comm)
    return ncclSuccess;
  Communicator own = unwrap(comm);
  delete &unwrap(comm);
  return own.isOwn ? hosts().destroy(own.hosts) : ncclSuccess;
}

ncclResult_t abortComm(ncclComm_t comm) { return hosts().abort(unwrap(comm).hosts); }
ncclResult_t getAsyncError(ncclComm_t comm, ncclResult_t *error) {
  return hosts().getAsyncError(unwrap(comm).hosts, error);
}
ncclResult_t countRanks(ncclComm_t comm, int *ranks) { return hosts().count(unwrap(comm).hosts, ranks); }
ncclResult_t userRank(ncclComm_t comm, int *rank) { return hosts().userRank(unwrap(comm).hosts, rank); }
ncclResult_t deviceOf(ncclComm_t comm, int *device) { return hosts().device(unwrap(comm).hosts, device); }
const char *lastError(ncclComm_t) { return hosts().lastError(nullptr); }

ncclResult_t allReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                       cudaStream_t stream) {
  ncclComm_t own = unwrap(comm).hosts;
  size_t bytes = count * typeBytes(type);
  return enqueue({send, bytes, recv, bytes, stream, [=](const void *from, void *to) {
                    return hosts().allReduce(from, to, count, type, op, own, nullptr);
                  }});
}

ncclResult_t allGather(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                       cudaStream_t stream) {
  ncclComm_t own = unwrap(comm).hosts;
  size_t bytes = count * typeBytes(type);
  return enqueue({send, bytes, recv, bytes * ranksOf(own), stream,
                  [=](const void *from, void *to) { return hosts().allGather(from, to, count, type, own, nullptr); }});
}

ncclResult_t reduceScatter(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  ncclComm_t own = unwrap(comm).hosts;
  size_t bytes = count * typeBytes(type);
  return enqueue({send, bytes * ranksOf(own), recv, bytes, stream, [=](const void *from, void *to) {
                    return hosts().reduceScatter(from, to, count, type, op, own, nullptr);
                  }});
}

ncclResult_t broadcast(const void *send, void *recv, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                       cudaStream_t stream) {
  ncclComm_t own = unwrap(comm).hosts;
  size_t bytes = count * typeBytes(type);
  return enqueue({send, bytes, recv, bytes, stream, [=](const void *from, void *to) {
                    return hosts().broadcast(from, to, count, type, root, own, nullptr);
                  }});
}

/// What the other ranks have where the root receives stays as it is.
ncclResult_t reduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, int root,
                    ncclComm_t comm, cudaStream_t stream) {
  ncclComm_t own = unwrap(comm).hosts;
  size_t bytes = count * typeBytes(type);
  int rank = 0;
  hosts().userRank(own, &rank);
  return enqueue({send, bytes, recv, rank == root ? bytes : 0, stream, [=](const void *from, void *to) {
                    return hosts().reduce(from, to, count, type, op, root, own, nullptr);
                  }});
}

ncclResult_t allToAll(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                      cudaStream_t stream) {
  ncclComm_t own = unwrap(comm).hosts;
  size_t bytes = count * typeBytes(type) * ranksOf(own);
  return enqueue({send, bytes, recv, bytes, stream,
                  [=](const void *from, void *to) { return hosts().allToAll(from, to, count, type, own, nullptr); }});
}

ncclResult_t sendTo(const void *send, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                    cudaStream_t stream) {
  ncclComm_t own = unwrap(comm).hosts;
  return enqueue({send, count * typeBytes(type), nullptr, 0, stream,
                  [=](const void *from, void *) { return hosts().send(from, count, type, peer, own, nullptr); }});
}

ncclResult_t receiveFrom(void *recv, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                         cudaStream_t stream) {
  ncclComm_t own = unwrap(comm).hosts;
  return enqueue({nullptr, 0, recv, count * typeBytes(type), stream,
                  [=](const void *, void *to) { return hosts().recv(to, count, type, peer, own, nullptr); }});
}

ncclResult_t memAlloc(void **pointer, size_t bytes) { return hosts().memAlloc(pointer, bytes); }
ncclResult_t memFree(void *pointer) { return hosts().memFree(pointer); }

} // namespace

const CommProvider *loopbackProvider() {
  static const CommProvider provider = {
      "loopback", getVersion, getUniqueId, initRank,  split,       finalize, destroy,   abortComm, getAsyncError,
      countRanks, userRank,   deviceOf,    lastError, groupStart,  groupEnd, allReduce, allGather, reduceScatter,
      broadcast,  reduce,     allToAll,    sendTo,    receiveFrom, memAlloc, memFree};
  return &provider;
}

ncclComm_t makeLoopbackWorld(ncclComm_t hosts) { return wrap({hosts, false}); }

} // namespace colo::runtime::cuda
