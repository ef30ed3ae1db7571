//===- MpiComm.cpp - ranks as MPI processes ----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The plug-in libcolo_comm_mpi.so. Reductions are an exchange of chunks, a fold
// in rank order (the same bits as the threads provider's) and a gather of the
// chunks, so each rank sends what the ring formula counts. Before a collective
// the ranks compare what they call; that exchange is polled, so a rank that does
// not come is an error after the time limit.
//
//===----------------------------------------------------------------------===//

#include "ProcessProvider.h"
#include "Reduce.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <mpi.h>
#include <sched.h>
#include <vector>

namespace colo::runtime {
namespace {

const CommHost *runtimeHost = nullptr;

struct Communicator {
  MPI_Comm comm = MPI_COMM_NULL;
  int ranks = 0, rank = 0;
  ncclResult_t error = ncclSuccess;
  std::vector<char> scratch; ///< grows to the largest reduction, in the first step
  std::vector<PostedCall> posted;
  std::vector<int> counts, offsets;
  std::vector<const void *> sources;

  explicit Communicator(MPI_Comm mpi) : comm(mpi) {
    MPI_Comm_size(comm, &ranks);
    MPI_Comm_rank(comm, &rank);
    posted.resize(ranks);
    counts.resize(ranks);
    offsets.resize(ranks);
    sources.resize(ranks);
  }
};

using Provider = ProcessProvider<Communicator>;
using MpiTransport = Transport<Communicator>;

MPI_Datatype mpiType(ncclDataType_t type) {
  switch (typeBytes(type)) {
  case 1:
    return MPI_INT8_T;
  case 2:
    return MPI_INT16_T;
  case 4:
    return MPI_INT32_T;
  default:
    return MPI_INT64_T;
  }
}

/// Polls until the request is done or the time limit is over.
bool await(MPI_Request &request) {
  auto start = std::chrono::steady_clock::now();
  auto limit = std::chrono::duration<double>(runtimeHost->timeout());
  for (int done = 0, polls = 0;; ++polls) {
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    if (done)
      return true;
    if (polls > 100) {
      sched_yield();
      if (std::chrono::steady_clock::now() - start > limit)
        return false;
    }
  }
}

ncclResult_t timedOut(const Communicator &c, const Descriptor &d) {
  return Provider::fail(ncclRemoteError, formatString("rank %d of %d waited %g s in %s", c.rank, c.ranks,
                                                      runtimeHost->timeout(), describe(d).c_str()));
}

/// All ranks of the communicator make the same call, or all get the error.
ncclResult_t meet(Communicator &c, const Descriptor &d) {
  PostedCall own = post(d);
  MPI_Request request;
  MPI_Iallgather(&own, sizeof own, MPI_BYTE, c.posted.data(), sizeof own, MPI_BYTE, c.comm, &request);
  if (!await(request))
    return timedOut(c, d);
  for (int i = 1; i < c.ranks; ++i)
    if (!agree(unpost(c.posted[0]), unpost(c.posted[i])))
      return Provider::fail(ncclInvalidUsage, "ranks 0 and " + std::to_string(i) +
                                                  " do not make the same call: " + describe(unpost(c.posted[0])) +
                                                  " against " + describe(unpost(c.posted[i])));
  return ncclSuccess;
}

/// The own chunk (c.counts[rank] elements at c.offsets[rank]) of every rank's
/// `send`, folded into `recv`.
ncclResult_t foldOwnChunk(Communicator &c, const Descriptor &d, void *recv) {
  size_t bytes = typeBytes(d.type), own = c.counts[c.rank];
  if (c.scratch.size() < own * bytes * c.ranks)
    c.scratch.resize(own * bytes * c.ranks);
  std::vector<int> &counts = c.counts, &offsets = c.offsets;
  std::vector<MPI_Request> requests;
  for (int i = 0; i < c.ranks; ++i) {
    c.sources[i] = c.scratch.data() + own * bytes * i;
    requests.emplace_back();
    MPI_Irecv(c.scratch.data() + own * bytes * i, static_cast<int>(own), mpiType(d.type), i, 1, c.comm,
              &requests.back());
  }
  for (int i = 0; i < c.ranks; ++i) {
    requests.emplace_back();
    MPI_Isend(static_cast<const char *>(d.send) + offsets[i] * bytes, counts[i], mpiType(d.type), i, 1, c.comm,
              &requests.back());
  }
  MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
  if (!foldInRankOrder(c.sources.data(), c.ranks, &recv, 1, 0, own, d.type, d.op))
    return Provider::fail(ncclInvalidUsage, describe(d) + ": no arithmetic for this element type on the CPU");
  return ncclSuccess;
}

void cutEvenly(Communicator &c, size_t count) {
  for (int i = 0; i < c.ranks; ++i) {
    c.counts[i] = static_cast<int>(chunkSize(count, c.ranks, i));
    c.offsets[i] = static_cast<int>(chunkBegin(count, c.ranks, i));
  }
}

ncclResult_t reduceAll(Communicator &c, const Descriptor &d) {
  size_t bytes = typeBytes(d.type);
  cutEvenly(c, d.count);
  // The root's result may overwrite its operand only after everyone has read it:
  // the fold goes to the end of the scratch memory first.
  size_t own = c.counts[c.rank];
  c.scratch.resize(std::max(c.scratch.size(), own * bytes * (c.ranks + 1)));
  char *folded = c.scratch.data() + own * bytes * c.ranks;
  if (ncclResult_t result = foldOwnChunk(c, d, folded))
    return result;
  if (d.kind == Kind::AllReduce)
    MPI_Allgatherv(folded, static_cast<int>(own), mpiType(d.type), d.recv, c.counts.data(), c.offsets.data(),
                   mpiType(d.type), c.comm);
  else
    MPI_Gatherv(folded, static_cast<int>(own), mpiType(d.type), d.recv, c.counts.data(), c.offsets.data(),
                mpiType(d.type), d.root, c.comm);
  return ncclSuccess;
}

ncclResult_t reduceScatterAll(Communicator &c, const Descriptor &d) {
  for (int i = 0; i < c.ranks; ++i) {
    c.counts[i] = static_cast<int>(d.count);
    c.offsets[i] = static_cast<int>(d.count * i);
  }
  return foldOwnChunk(c, d, d.recv);
}

} // namespace

template <> const CommHost &MpiTransport::host() { return *runtimeHost; }

template <> size_t MpiTransport::mostElements() { return INT_MAX / 2; }

template <> ncclResult_t MpiTransport::collective(Communicator &c, const Descriptor &d) {
  if (ncclResult_t result = meet(c, d))
    return result;
  int count = static_cast<int>(d.count);
  size_t bytes = d.count * typeBytes(d.type);
  MPI_Datatype type = mpiType(d.type);
  switch (d.kind) {
  case Kind::AllReduce:
  case Kind::Reduce:
    return reduceAll(c, d);
  case Kind::ReduceScatter:
    return reduceScatterAll(c, d);
  case Kind::AllGather: {
    bool inPlace = d.send == static_cast<char *>(d.recv) + bytes * c.rank;
    MPI_Allgather(inPlace ? MPI_IN_PLACE : d.send, count, type, d.recv, count, type, c.comm);
    return ncclSuccess;
  }
  case Kind::Broadcast:
    if (c.rank == d.root && d.send != d.recv && bytes)
      std::memcpy(d.recv, d.send, bytes);
    MPI_Bcast(d.recv, count, type, d.root, c.comm);
    return ncclSuccess;
  default:
    MPI_Alltoall(d.send, count, type, d.recv, count, type, c.comm);
    return ncclSuccess;
  }
}

template <> ncclResult_t MpiTransport::pointToPoint(const std::vector<Call<Communicator>> &calls) {
  std::vector<MPI_Request> requests;
  std::vector<const Call<Communicator> *> owners;
  for (const Call<Communicator> &call : calls) {
    const Descriptor &d = call.descriptor;
    if (d.kind < Kind::Send)
      continue;
    owners.push_back(&call);
    requests.emplace_back();
    int count = static_cast<int>(d.count);
    if (d.kind == Kind::Send)
      MPI_Isend(d.send, count, mpiType(d.type), d.root, 0, call.comm->comm, &requests.back());
    else
      MPI_Irecv(d.recv, count, mpiType(d.type), d.root, 0, call.comm->comm, &requests.back());
  }
  for (size_t i = 0; i < requests.size(); ++i)
    if (!await(requests[i]))
      return timedOut(*owners[i]->comm, owners[i]->descriptor);
  return ncclSuccess;
}

template <> ncclResult_t MpiTransport::initRank(ncclComm_t *comm, int, ncclUniqueId, int, ncclConfig_t *) {
  MPI_Comm world;
  MPI_Comm_dup(MPI_COMM_WORLD, &world);
  *comm = reinterpret_cast<ncclComm_t>(new Communicator(world));
  return ncclSuccess;
}

template <> ncclResult_t MpiTransport::split(ncclComm_t parent, int color, int key, ncclComm_t *child, ncclConfig_t *) {
  MPI_Comm part;
  MPI_Comm_split(Provider::unwrap(parent)->comm, color == NCCL_SPLIT_NOCOLOR ? MPI_UNDEFINED : color, key, &part);
  *child = part == MPI_COMM_NULL ? nullptr : reinterpret_cast<ncclComm_t>(new Communicator(part));
  return ncclSuccess;
}

template <> ncclResult_t MpiTransport::destroy(ncclComm_t comm) {
  if (comm)
    MPI_Comm_free(&Provider::unwrap(comm)->comm);
  delete Provider::unwrap(comm);
  return ncclSuccess;
}

template <> ncclResult_t MpiTransport::abort(ncclComm_t) {
  MPI_Abort(MPI_COMM_WORLD, ExitInternal);
  return ncclSuccess;
}

} // namespace colo::runtime

using namespace colo::runtime;

extern "C" __attribute__((visibility("default"))) const CommProvider *
colo_comm_open(int version, const CommHost *runtime, int rank, int ranks, char *message, size_t messageBytes) {
  if (version != commPluginVersion) {
    snprintf(message, messageBytes, "the MPI plug-in is of version %d, the executable needs %d", commPluginVersion,
             version);
    return nullptr;
  }
  runtimeHost = runtime;
  int provided = 0, seenRank = 0, seenRanks = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  std::atexit([] { MPI_Finalize(); });
  MPI_Comm_rank(MPI_COMM_WORLD, &seenRank);
  MPI_Comm_size(MPI_COMM_WORLD, &seenRanks);
  if (provided < MPI_THREAD_MULTIPLE)
    snprintf(message, messageBytes, "this MPI library does not allow calls from several threads");
  else if (seenRank != rank || seenRanks != ranks)
    snprintf(message, messageBytes,
             "the launcher says rank %d of %d, MPI says rank %d of %d; start with mpirun -n %d, "
             "or without MPI, by --comm=sockets",
             rank, ranks, seenRank, seenRanks, ranks);
  else {
    static const CommProvider table = Provider::table("mpi");
    return &table;
  }
  return nullptr;
}
