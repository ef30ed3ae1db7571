//===- ProcessProvider.h - providers whose ranks are processes ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What such providers share: calls as descriptors, groups, streams and the table.
// Inside a group point-to-point operations run together, then collectives one
// after the other in the order listed, so ranks must list them alike.
//
// A Transport moves the bytes. It is declared here for any communicator; a provider
// defines the communicator and these functions for it.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_PROCESSPROVIDER_H
#define COLO_LIB_RUNTIME_PROCESSPROVIDER_H

#include "CallDescriptor.h"
#include "colo/Runtime/CommPlugin.h"

#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace colo::runtime {

template <typename Communicator> struct Call {
  Descriptor descriptor;
  Communicator *comm;
  bool last; ///< of those that a stream runs together
};

/// What a provider defines for its communicator, which has `ranks`, `rank` and `error`.
template <typename Communicator> struct Transport {
  /// What it may call of the runtime.
  static const CommHost &host();
  /// Elements of one call, at most.
  static size_t mostElements();
  /// These run to their end: sends and receives of several communicators, and a collective.
  static ncclResult_t pointToPoint(const std::vector<Call<Communicator>> &calls);
  static ncclResult_t collective(Communicator &comm, const Descriptor &d);
  /// As in CommProvider.
  static ncclResult_t initRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t *config);
  static ncclResult_t split(ncclComm_t parent, int color, int key, ncclComm_t *child, ncclConfig_t *config);
  static ncclResult_t destroy(ncclComm_t comm);
  static ncclResult_t abort(ncclComm_t comm);
};

template <typename Communicator> class ProcessProvider {
public:
  static Communicator *unwrap(ncclComm_t comm) { return reinterpret_cast<Communicator *>(comm); }

  /// Keeps the message for lastError of this thread.
  static ncclResult_t fail(ncclResult_t result, const std::string &message) {
    lastMessage() = message;
    return result;
  }

  static CommProvider table(const char *name);

private:
  using Transport = runtime::Transport<Communicator>;
  using Calls = std::vector<Call<Communicator>>;
  struct Group {
    int depth = 0;
    std::vector<std::pair<Call<Communicator>, cudaStream_t>> calls;
    Calls batch;
  };

  static Group &group() {
    static thread_local Group instance;
    return instance;
  }
  static std::string &lastMessage() {
    static thread_local std::string message;
    return message;
  }

  static ncclResult_t run(const Calls &batch);
  static void runQueued(void *payload);
  static ncclResult_t enqueue(const Descriptor &d, ncclComm_t handle, cudaStream_t stream);
  static ncclResult_t groupEnd();
  static Descriptor describeCall(Kind kind, const void *send, void *recv, size_t count, ncclDataType_t type,
                                 ncclRedOp_t op = ncclSum, int root = 0) {
    return {kind, type, op, root, count, send, recv, Transport::host().site()};
  }
};

template <typename Communicator> ncclResult_t ProcessProvider<Communicator>::run(const Calls &batch) {
  if (ncclResult_t result = Transport::pointToPoint(batch))
    return result;
  for (const Call<Communicator> &call : batch)
    if (call.descriptor.kind < Kind::Send)
      if (ncclResult_t result = Transport::collective(*call.comm, call.descriptor))
        return result;
  return ncclSuccess;
}

/// On a stream's worker.
template <typename Communicator> void ProcessProvider<Communicator>::runQueued(void *payload) {
  auto *queued = static_cast<Call<Communicator> *>(payload);
  Calls &batch = group().batch;
  batch.push_back(*queued);
  if (!queued->last)
    return;
  ncclResult_t result = run(batch);
  batch.clear();
  if (result == ncclSuccess)
    return;
  queued->comm->error = result;
  Transport::host().failed(result, lastMessage().c_str());
}

template <typename Communicator>
ncclResult_t ProcessProvider<Communicator>::enqueue(const Descriptor &d, ncclComm_t handle, cudaStream_t stream) {
  Communicator *comm = unwrap(handle);
  if (!comm || typeBytes(d.type) == 0 || d.root < 0 || d.root >= comm->ranks || d.count > Transport::mostElements())
    return fail(ncclInvalidArgument, describe(d) + ": no such communicator, type or rank, or too many elements");
  Call<Communicator> call{d, comm, true};
  if (group().depth > 0) {
    group().calls.push_back({call, stream});
    return ncclSuccess;
  }
  if (Transport::host().isSynchronous(stream))
    return run({call});
  Transport::host().submit(stream, runQueued, &call, sizeof call);
  return ncclSuccess;
}

/// Hands calls to their streams, one batch a stream, then runs the synchronous ones here.
template <typename Communicator> ncclResult_t ProcessProvider<Communicator>::groupEnd() {
  Group &g = group();
  if (g.depth == 0)
    return fail(ncclInvalidUsage, "ncclGroupEnd without ncclGroupStart");
  if (--g.depth > 0)
    return ncclSuccess;
  for (size_t i = 0; i < g.calls.size(); ++i) {
    auto &[call, stream] = g.calls[i];
    if (Transport::host().isSynchronous(stream)) {
      g.batch.push_back(call);
      continue;
    }
    for (size_t j = i + 1; j < g.calls.size(); ++j)
      call.last &= g.calls[j].second != stream;
    Transport::host().submit(stream, runQueued, &call, sizeof call);
  }
  g.calls.clear();
  ncclResult_t result = run(g.batch);
  g.batch.clear();
  return result;
}

template <typename Communicator> CommProvider ProcessProvider<Communicator>::table(const char *name) {
  CommProvider t{};
  t.name = name;
  t.getVersion = [](int *version) { return *version = 22800, ncclSuccess; };
  t.getUniqueId = [](ncclUniqueId *id) { return std::memset(id, 0, sizeof *id), ncclSuccess; };
  t.initRank = Transport::initRank;
  t.split = Transport::split;
  t.finalize = [](ncclComm_t) { return ncclSuccess; };
  t.destroy = Transport::destroy;
  t.abort = Transport::abort;
  t.getAsyncError = [](ncclComm_t comm, ncclResult_t *error) { return *error = unwrap(comm)->error, ncclSuccess; };
  t.count = [](ncclComm_t comm, int *count) { return *count = unwrap(comm)->ranks, ncclSuccess; };
  t.userRank = [](ncclComm_t comm, int *rank) { return *rank = unwrap(comm)->rank, ncclSuccess; };
  t.device = [](ncclComm_t, int *device) { return *device = 0, ncclSuccess; };
  t.lastError = [](ncclComm_t) -> const char * { return lastMessage().c_str(); };
  t.groupStart = [] { return ++group().depth, ncclSuccess; };
  t.groupEnd = groupEnd;
  t.allReduce = [](const void *s, void *r, size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t c,
                   cudaStream_t stream) {
    return enqueue(describeCall(Kind::AllReduce, s, r, n, type, op), c, stream);
  };
  t.allGather = [](const void *s, void *r, size_t n, ncclDataType_t type, ncclComm_t c, cudaStream_t stream) {
    return enqueue(describeCall(Kind::AllGather, s, r, n, type), c, stream);
  };
  t.reduceScatter = [](const void *s, void *r, size_t n, ncclDataType_t type, ncclRedOp_t op, ncclComm_t c,
                       cudaStream_t stream) {
    return enqueue(describeCall(Kind::ReduceScatter, s, r, n, type, op), c, stream);
  };
  t.broadcast = [](const void *s, void *r, size_t n, ncclDataType_t type, int root, ncclComm_t c, cudaStream_t stream) {
    return enqueue(describeCall(Kind::Broadcast, s, r, n, type, ncclSum, root), c, stream);
  };
  t.reduce = [](const void *s, void *r, size_t n, ncclDataType_t type, ncclRedOp_t op, int root, ncclComm_t c,
                cudaStream_t stream) {
    return enqueue(describeCall(Kind::Reduce, s, r, n, type, op, root), c, stream);
  };
  t.allToAll = [](const void *s, void *r, size_t n, ncclDataType_t type, ncclComm_t c, cudaStream_t stream) {
    return enqueue(describeCall(Kind::AllToAll, s, r, n, type), c, stream);
  };
  t.send = [](const void *s, size_t n, ncclDataType_t type, int peer, ncclComm_t c, cudaStream_t stream) {
    return enqueue(describeCall(Kind::Send, s, nullptr, n, type, ncclSum, peer), c, stream);
  };
  t.recv = [](void *r, size_t n, ncclDataType_t type, int peer, ncclComm_t c, cudaStream_t stream) {
    return enqueue(describeCall(Kind::Recv, nullptr, r, n, type, ncclSum, peer), c, stream);
  };
  t.memAlloc = [](void **p, size_t bytes) {
    *p = std::malloc(bytes);
    return *p || !bytes ? ncclSuccess : ncclSystemError;
  };
  t.memFree = [](void *p) { return std::free(p), ncclSuccess; };
  return t;
}

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_PROCESSPROVIDER_H
