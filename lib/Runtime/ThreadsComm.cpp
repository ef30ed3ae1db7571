//===- ThreadsComm.cpp - ranks as threads of one process ---------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Communicators, groups and the provider's table. See ThreadsComm.h.
//
//===----------------------------------------------------------------------===//

#include "ThreadsComm.h"
#include "colo/Runtime/Status.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <map>
#include <tuple>

namespace colo::runtime {

static std::atomic<double> timeoutSeconds{600};
void setCommTimeout(double seconds) { timeoutSeconds.store(seconds); }
double commTimeout() { return timeoutSeconds.load(); }

namespace threads {

static thread_local std::string threadError;

const char *lastError() { return threadError.c_str(); }

ncclResult_t fail(ncclResult_t result, const std::string &message) {
  threadError = message;
  return result;
}

TeamState::TeamState(std::vector<int> ranks, std::shared_ptr<AbortState> abort)
    : worldRanks(std::move(ranks)), abort(std::move(abort)), slots(worldRanks.size()),
      mailboxes(worldRanks.size() * worldRanks.size()), children(worldRanks.size()) {}

static Communicator *makeCommunicator(std::shared_ptr<TeamState> team, int rank) {
  auto *comm = new Communicator;
  comm->rank = rank;
  comm->sources.resize(team->size());
  comm->targets.resize(team->size());
  comm->team = std::move(team);
  return comm;
}

namespace {
/// Worlds that are being joined, by the number in their unique id.
struct Registry {
  struct World {
    std::shared_ptr<TeamState> team;
    std::vector<bool> joined;
    int missing = 0;
  };
  std::mutex mutex;
  std::condition_variable joinedAll;
  std::map<uint64_t, World> worlds;
  uint64_t next = 1;
};
} // namespace

static Registry &registry() {
  static Registry instance;
  return instance;
}

static ncclResult_t getUniqueId(ncclUniqueId *id) {
  Registry &r = registry();
  std::lock_guard<std::mutex> lock(r.mutex);
  std::memset(id, 0, sizeof *id);
  std::memcpy(id->internal, &r.next, sizeof r.next);
  ++r.next;
  return ncclSuccess;
}

static ncclResult_t initRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t *) {
  if (ranks < 1 || rank < 0 || rank >= ranks)
    return fail(ncclInvalidArgument, formatString("rank %d of %d ranks does not exist", rank, ranks));
  uint64_t key;
  std::memcpy(&key, id.internal, sizeof key);
  Registry &r = registry();
  std::unique_lock<std::mutex> lock(r.mutex);
  Registry::World &world = r.worlds[key];
  if (!world.team) {
    std::vector<int> all(ranks);
    for (int i = 0; i < ranks; ++i)
      all[i] = i;
    world.team = std::make_shared<TeamState>(std::move(all), std::make_shared<AbortState>());
    world.joined.resize(ranks);
    world.missing = ranks;
  }
  std::shared_ptr<TeamState> team = world.team;
  if (team->size() != ranks || world.joined[rank])
    return fail(ncclInvalidUsage, formatString("rank %d of %d joined a world of %d ranks twice or by another size",
                                               rank, ranks, team->size()));
  world.joined[rank] = true;
  if (--world.missing == 0) {
    r.worlds.erase(key);
    r.joinedAll.notify_all();
  } else {
    auto complete = [&] { return r.worlds.find(key) == r.worlds.end(); };
    if (!r.joinedAll.wait_for(lock, std::chrono::duration<double>(commTimeout()), complete))
      return fail(ncclSystemError, formatString("rank %d waited %g s for %d of %d ranks to start", rank, commTimeout(),
                                                world.missing, ranks));
  }
  *comm = reinterpret_cast<ncclComm_t>(makeCommunicator(std::move(team), rank));
  return ncclSuccess;
}

static ncclResult_t runNow(const Descriptor &descriptor, Communicator *comm) {
  Operation operation{descriptor, comm};
  return runOperations(&operation, 1);
}

void buildChildren(TeamState &team) {
  struct Member {
    int color, key, rank;
  };
  std::vector<Member> members;
  members.reserve(team.size());
  for (int i = 0; i < team.size(); ++i)
    members.push_back({static_cast<int>(team.slots[i].descriptor.count), team.slots[i].descriptor.root, i});
  std::sort(members.begin(), members.end(), [](const Member &a, const Member &b) {
    return std::tie(a.color, a.key, a.rank) < std::tie(b.color, b.key, b.rank);
  });
  for (size_t begin = 0, end; begin < members.size(); begin = end) {
    std::vector<int> ranks;
    for (end = begin; end < members.size() && members[end].color == members[begin].color; ++end)
      ranks.push_back(team.worldRanks[members[end].rank]);
    auto child = members[begin].color == NCCL_SPLIT_NOCOLOR ? nullptr
                                                            : std::make_shared<TeamState>(std::move(ranks), team.abort);
    for (size_t i = begin; i < end; ++i)
      team.children[members[i].rank] = child;
  }
}

static ncclResult_t split(ncclComm_t parent, int color, int key, ncclComm_t *child, ncclConfig_t *) {
  Communicator *comm = unwrap(parent);
  if (color < 0 && color != NCCL_SPLIT_NOCOLOR)
    return fail(ncclInvalidArgument, formatString("split color %d is negative", color));
  Descriptor descriptor{Kind::Split, ncclInt8, ncclSum, key, static_cast<size_t>(color), nullptr, nullptr, "start"};
  ncclResult_t result = runNow(descriptor, comm);
  if (result != ncclSuccess)
    return result;
  std::shared_ptr<TeamState> team = comm->team->children[comm->rank];
  *child = nullptr;
  if (!team)
    return ncclSuccess;
  int own = comm->team->worldRanks[comm->rank];
  int rank =
      static_cast<int>(std::find(team->worldRanks.begin(), team->worldRanks.end(), own) - team->worldRanks.begin());
  *child = reinterpret_cast<ncclComm_t>(makeCommunicator(std::move(team), rank));
  return ncclSuccess;
}

namespace {
/// Operations collected between groupStart and groupEnd on one thread.
struct Group {
  int depth = 0;
  std::vector<std::pair<Operation, Stream *>> operations;
  std::vector<Operation> batch; ///< those that run now on this thread
  Group() {
    operations.reserve(256);
    batch.reserve(256);
  }
};

/// One operation on a worker stream; `last` starts the collected batch.
struct QueuedOperation {
  Descriptor descriptor;
  Communicator *comm;
  bool last;
};
} // namespace

static Group &group() {
  static thread_local Group instance;
  return instance;
}

static void runQueued(QueuedOperation *queued) {
  std::vector<Operation> &batch = group().batch;
  batch.push_back(Operation{queued->descriptor, queued->comm});
  if (!queued->last)
    return;
  ncclResult_t result = runOperations(batch.data(), batch.size());
  for (Operation &operation : batch)
    if (result != ncclSuccess)
      operation.comm->error = result;
  batch.clear();
  if (result != ncclSuccess)
    reportCommFailure(result, lastError());
}

static ncclResult_t enqueue(const Descriptor &descriptor, ncclComm_t handle, cudaStream_t streamHandle) {
  Communicator *comm = unwrap(handle);
  if (!comm)
    return fail(ncclInvalidArgument, describe(descriptor) + ": no communicator");
  bool rooted = descriptor.kind == Kind::Broadcast || descriptor.kind == Kind::Reduce ||
                !Operation{descriptor, comm}.isCollective();
  if (rooted && (descriptor.root < 0 || descriptor.root >= comm->team->size()))
    return fail(ncclInvalidArgument, formatString("%s: rank %d of %d does not exist", describe(descriptor).c_str(),
                                                  descriptor.root, comm->team->size()));
  if (typeBytes(descriptor.type) == 0)
    return fail(ncclInvalidArgument, describe(descriptor) + ": no such type");
  auto *stream = reinterpret_cast<Stream *>(streamHandle);
  if (group().depth > 0) {
    group().operations.push_back({Operation{descriptor, comm}, stream});
    return ncclSuccess;
  }
  if (!stream || stream->isSynchronous())
    return runNow(descriptor, comm);
  stream->submit<runQueued>(QueuedOperation{descriptor, comm, true});
  return ncclSuccess;
}

static ncclResult_t groupStart() {
  ++group().depth;
  return ncclSuccess;
}

/// Hands the operations of worker streams over, one batch per stream, then runs
/// the synchronous ones here.
static ncclResult_t groupEnd() {
  Group &g = group();
  if (g.depth == 0)
    return fail(ncclInvalidUsage, "ncclGroupEnd without ncclGroupStart");
  if (--g.depth > 0)
    return ncclSuccess;
  auto isNow = [](Stream *stream) { return !stream || stream->isSynchronous(); };
  for (size_t i = 0; i < g.operations.size(); ++i) {
    Stream *stream = g.operations[i].second;
    if (isNow(stream)) {
      g.batch.push_back(g.operations[i].first);
      continue;
    }
    bool last = true;
    for (size_t j = i + 1; j < g.operations.size(); ++j)
      last &= g.operations[j].second != stream;
    stream->submit<runQueued>(QueuedOperation{g.operations[i].first.descriptor, g.operations[i].first.comm, last});
  }
  g.operations.clear();
  ncclResult_t result = runOperations(g.batch.data(), g.batch.size());
  g.batch.clear();
  return result;
}

static Descriptor describeCall(Kind kind, const void *send, void *recv, size_t count, ncclDataType_t type,
                               ncclRedOp_t op = ncclSum, int root = 0) {
  return {kind, type, op, root, count, send, recv, callerSite()};
}

static ncclResult_t allReduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op,
                              ncclComm_t comm, cudaStream_t stream) {
  return enqueue(describeCall(Kind::AllReduce, send, recv, count, type, op), comm, stream);
}
static ncclResult_t allGather(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                              cudaStream_t stream) {
  return enqueue(describeCall(Kind::AllGather, send, recv, count, type), comm, stream);
}
static ncclResult_t reduceScatter(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op,
                                  ncclComm_t comm, cudaStream_t stream) {
  return enqueue(describeCall(Kind::ReduceScatter, send, recv, count, type, op), comm, stream);
}
static ncclResult_t broadcast(const void *send, void *recv, size_t count, ncclDataType_t type, int root,
                              ncclComm_t comm, cudaStream_t stream) {
  return enqueue(describeCall(Kind::Broadcast, send, recv, count, type, ncclSum, root), comm, stream);
}
static ncclResult_t reduce(const void *send, void *recv, size_t count, ncclDataType_t type, ncclRedOp_t op, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return enqueue(describeCall(Kind::Reduce, send, recv, count, type, op, root), comm, stream);
}
static ncclResult_t allToAll(const void *send, void *recv, size_t count, ncclDataType_t type, ncclComm_t comm,
                             cudaStream_t stream) {
  return enqueue(describeCall(Kind::AllToAll, send, recv, count, type), comm, stream);
}
static ncclResult_t sendTo(const void *send, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                           cudaStream_t stream) {
  return enqueue(describeCall(Kind::Send, send, nullptr, count, type, ncclSum, peer), comm, stream);
}
static ncclResult_t recvFrom(void *recv, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                             cudaStream_t stream) {
  return enqueue(describeCall(Kind::Recv, nullptr, recv, count, type, ncclSum, peer), comm, stream);
}

static ncclResult_t abortWorld(ncclComm_t comm) {
  Communicator *c = unwrap(comm);
  c->team->abort->raise(formatString("rank %d aborted", c->team->worldRanks[c->rank]));
  return ncclSuccess;
}

static ncclResult_t asyncError(ncclComm_t comm, ncclResult_t *error) {
  Communicator *c = unwrap(comm);
  *error = c->error != ncclSuccess ? c->error : c->team->abort->raised() ? ncclRemoteError : ncclSuccess;
  return ncclSuccess;
}

} // namespace threads

const CommProvider *threadsProvider() {
  using namespace threads;
  static const CommProvider table = [] {
    CommProvider t{};
    t.name = "threads";
    t.getVersion = [](int *version) { return *version = 22800, ncclSuccess; };
    t.getUniqueId = threads::getUniqueId;
    t.initRank = initRank;
    t.split = threads::split;
    t.finalize = [](ncclComm_t) { return ncclSuccess; };
    t.destroy = [](ncclComm_t comm) { return delete unwrap(comm), ncclSuccess; };
    t.abort = abortWorld;
    t.getAsyncError = asyncError;
    t.count = [](ncclComm_t comm, int *count) { return *count = unwrap(comm)->team->size(), ncclSuccess; };
    t.userRank = [](ncclComm_t comm, int *rank) { return *rank = unwrap(comm)->rank, ncclSuccess; };
    t.device = [](ncclComm_t, int *device) { return *device = 0, ncclSuccess; };
    t.lastError = [](ncclComm_t) { return threads::lastError(); };
    t.groupStart = threads::groupStart;
    t.groupEnd = threads::groupEnd;
    t.allReduce = threads::allReduce;
    t.allGather = threads::allGather;
    t.reduceScatter = threads::reduceScatter;
    t.broadcast = threads::broadcast;
    t.reduce = threads::reduce;
    t.allToAll = threads::allToAll;
    t.send = sendTo;
    t.recv = recvFrom;
    t.memAlloc = [](void **pointer, size_t bytes) {
      *pointer = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
      return *pointer || bytes == 0 ? ncclSuccess : ncclSystemError;
    };
    t.memFree = [](void *pointer) { return std::free(pointer), ncclSuccess; };
    return t;
  }();
  return &table;
}

} // namespace colo::runtime
