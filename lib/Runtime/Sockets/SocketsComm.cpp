//===- SocketsComm.cpp - ranks as processes without MPI ----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See SocketsComm.h. All operations are messages between two ranks. Reductions are
// an exchange of chunks and a fold in rank order (the bits of the threads provider)
// and an exchange of what was folded. Each message says what its sender calls, and
// who receives it compares.
//
//===----------------------------------------------------------------------===//

#include "Sockets/SocketsComm.h"
#include "ProcessProvider.h"
#include "Reduce.h"
#include "Sockets/Links.h"

#include <algorithm>
#include <atomic>
#include <tuple>

namespace colo::runtime {
namespace {

/// Ends with the process: who ends it otherwise than by returning from main says no goodbye.
std::unique_ptr<Links> links;

struct Communicator {
  int ranks = 0, rank = 0;
  ncclResult_t error = ncclSuccess;
  std::vector<int> members; ///< their ranks in the world
  uint64_t channel = 0;
  uint64_t splits = 0;
  // Of a collective, by rank.
  std::vector<Message> messages;
  std::vector<const void *> sources;
  std::vector<char> folded; ///< grows to the largest chunk that is folded for another rank
};

using Provider = ProcessProvider<Communicator>;
using SocketsTransport = Transport<Communicator>;

/// From which the channels of communicators follow.
constexpr uint64_t kWorldChannel = 1;

/// Bytes somewhere in memory.
struct Piece {
  const char *begin;
  size_t bytes;
};

ncclResult_t sendPiece(Communicator &c, const Descriptor &d, int to, Piece piece) {
  std::string why = links->send(c.members[to], c.channel, post(d), piece.begin, piece.bytes, commTimeout());
  return why.empty() ? ncclSuccess
                     : Provider::fail(ncclRemoteError, formatString("rank %d in %s: %s", c.members[c.rank],
                                                                    describe(d).c_str(), why.c_str()));
}

/// The next message of a rank: the other half of the same call, of so many bytes.
ncclResult_t receiveMessage(Communicator &c, const Descriptor &d, int from, size_t bytes, Message &message) {
  if (!links->receive(c.members[from], c.channel, commTimeout(), message))
    return Provider::fail(ncclRemoteError, formatString("rank %d waited %g s in %s for rank %d", c.members[c.rank],
                                                        commTimeout(), describe(d).c_str(), c.members[from]));
  Descriptor other = unpost(message.call);
  bool fits = d.kind == Kind::Recv ? other.kind == Kind::Send && other.count == d.count && other.type == d.type
                                   : agree(d, other);
  if (fits && message.data.size() == bytes)
    return ncclSuccess;
  return Provider::fail(ncclInvalidUsage,
                        formatString("ranks %d and %d do not make the same call: %s against %s", c.members[c.rank],
                                     c.members[from], describe(d).c_str(), describe(other).c_str()));
}

ncclResult_t receiveInto(Communicator &c, const Descriptor &d, int from, void *memory, size_t bytes) {
  Message message;
  if (ncclResult_t result = receiveMessage(c, d, from, bytes, message))
    return result;
  if (bytes)
    std::memcpy(memory, message.data.data(), bytes);
  links->recycle(c.members[from], c.channel, std::move(message));
  return ncclSuccess;
}

/// To every other rank what `pieceOf` says, the next rank first, so that not all send to one.
template <typename PieceOf> ncclResult_t sendToOthers(Communicator &c, const Descriptor &d, PieceOf pieceOf) {
  for (int i = 1; i < c.ranks; ++i) {
    int to = (c.rank + i) % c.ranks;
    if (ncclResult_t result = sendPiece(c, d, to, pieceOf(to)))
      return result;
  }
  return ncclSuccess;
}

/// From every other rank, to the place that `placeOf` says.
template <typename PlaceOf>
ncclResult_t receiveFromOthers(Communicator &c, const Descriptor &d, size_t bytes, PlaceOf placeOf) {
  for (int i = 1; i < c.ranks; ++i) {
    int from = (c.rank + c.ranks - i) % c.ranks;
    if (ncclResult_t result = receiveInto(c, d, from, placeOf(from), bytes))
      return result;
  }
  return ncclSuccess;
}

/// `count` elements of every rank's operand, which is `own` here, folded into `result`.
ncclResult_t foldMessages(Communicator &c, const Descriptor &d, const char *own, size_t count, void *result) {
  size_t bytes = count * typeBytes(d.type);
  for (int i = 0; i < c.ranks; ++i) {
    if (i != c.rank)
      if (ncclResult_t failed = receiveMessage(c, d, i, bytes, c.messages[i]))
        return failed;
    c.sources[i] = i == c.rank ? own : c.messages[i].data.data();
  }
  if (!foldInRankOrder(c.sources.data(), c.ranks, &result, 1, 0, count, d.type, d.op))
    return Provider::fail(ncclInvalidUsage, describe(d) + ": no arithmetic for this element type on the CPU");
  for (int i = 0; i < c.ranks; ++i)
    if (i != c.rank)
      links->recycle(c.members[i], c.channel, std::move(c.messages[i]));
  return ncclSuccess;
}

/// Rank i folds chunk i.
ncclResult_t reduceAll(Communicator &c, const Descriptor &d) {
  size_t bytes = typeBytes(d.type);
  auto *send = static_cast<const char *>(d.send);
  auto begin = [&](int i) { return chunkBegin(d.count, c.ranks, i) * bytes; };
  auto size = [&](int i) { return chunkSize(d.count, c.ranks, i) * bytes; };
  if (ncclResult_t result = sendToOthers(c, d, [&](int to) { return Piece{send + begin(to), size(to)}; }))
    return result;
  bool keeps = d.kind == Kind::AllReduce || c.rank == d.root;
  if (!keeps)
    c.folded.resize(std::max(c.folded.size(), size(c.rank)));
  char *own = keeps ? static_cast<char *>(d.recv) + begin(c.rank) : c.folded.data();
  if (ncclResult_t result = foldMessages(c, d, send + begin(c.rank), chunkSize(d.count, c.ranks, c.rank), own))
    return result;
  if (!keeps)
    return sendPiece(c, d, d.root, {own, size(c.rank)});
  if (d.kind == Kind::AllReduce)
    if (ncclResult_t result = sendToOthers(c, d, [&](int) { return Piece{own, size(c.rank)}; }))
      return result;
  for (int i = 0; i < c.ranks; ++i)
    if (i != c.rank)
      if (ncclResult_t result = receiveInto(c, d, i, static_cast<char *>(d.recv) + begin(i), size(i)))
        return result;
  return ncclSuccess;
}

void copyOwn(void *to, const void *from, size_t bytes) {
  if (to != from && bytes)
    std::memcpy(to, from, bytes);
}

ncclResult_t broadcastAll(Communicator &c, const Descriptor &d, size_t bytes) {
  if (c.rank != d.root)
    return receiveInto(c, d, d.root, d.recv, bytes);
  ncclResult_t result = sendToOthers(c, d, [&](int) { return Piece{static_cast<const char *>(d.send), bytes}; });
  copyOwn(d.recv, d.send, bytes);
  return result;
}

uint64_t mix(uint64_t seed, uint64_t value) {
  // The finalizer of splitmix64 (Steele et al., OOPSLA 2014).
  uint64_t z = seed + 0x9e3779b97f4a7c15 * (value + 1);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

Communicator *makeCommunicator(std::vector<int> members, int rank, uint64_t channel) {
  auto *made = new Communicator;
  made->ranks = static_cast<int>(members.size());
  made->rank = rank;
  made->members = std::move(members);
  made->channel = channel;
  made->messages.resize(made->ranks);
  made->sources.resize(made->ranks);
  return made;
}

} // namespace

template <> const CommHost &SocketsTransport::host() { return commHost(); }

template <> size_t SocketsTransport::mostElements() { return SIZE_MAX / 16; }

template <> ncclResult_t SocketsTransport::collective(Communicator &c, const Descriptor &d) {
  size_t bytes = d.count * typeBytes(d.type);
  auto *send = static_cast<const char *>(d.send);
  auto *recv = static_cast<char *>(d.recv);
  switch (d.kind) {
  case Kind::AllReduce:
  case Kind::Reduce:
    return reduceAll(c, d);
  case Kind::ReduceScatter:
    if (ncclResult_t result = sendToOthers(c, d, [&](int to) { return Piece{send + bytes * to, bytes}; }))
      return result;
    return foldMessages(c, d, send + bytes * c.rank, d.count, recv);
  case Kind::AllGather:
    if (ncclResult_t result = sendToOthers(c, d, [&](int) { return Piece{send, bytes}; }))
      return result;
    copyOwn(recv + bytes * c.rank, send, bytes);
    return receiveFromOthers(c, d, bytes, [&](int from) { return recv + bytes * from; });
  case Kind::AllToAll:
    if (ncclResult_t result = sendToOthers(c, d, [&](int to) { return Piece{send + bytes * to, bytes}; }))
      return result;
    copyOwn(recv + bytes * c.rank, send + bytes * c.rank, bytes);
    return receiveFromOthers(c, d, bytes, [&](int from) { return recv + bytes * from; });
  default:
    return broadcastAll(c, d, bytes);
  }
}

template <> ncclResult_t SocketsTransport::pointToPoint(const std::vector<Call<Communicator>> &calls) {
  for (const Call<Communicator> &call : calls)
    if (const Descriptor &d = call.descriptor; d.kind == Kind::Send)
      if (ncclResult_t result =
              sendPiece(*call.comm, d, d.root, {static_cast<const char *>(d.send), d.count * typeBytes(d.type)}))
        return result;
  for (const Call<Communicator> &call : calls)
    if (const Descriptor &d = call.descriptor; d.kind == Kind::Recv)
      if (ncclResult_t result = receiveInto(*call.comm, d, d.root, d.recv, d.count * typeBytes(d.type)))
        return result;
  return ncclSuccess;
}

template <>
ncclResult_t SocketsTransport::initRank(ncclComm_t *comm, int ranks, ncclUniqueId, int rank, ncclConfig_t *) {
  static std::atomic<uint64_t> worlds{0};
  std::vector<int> all(ranks);
  for (int i = 0; i < ranks; ++i)
    all[i] = i;
  *comm = reinterpret_cast<ncclComm_t>(makeCommunicator(std::move(all), rank, mix(kWorldChannel, worlds++)));
  return ncclSuccess;
}

template <>
ncclResult_t SocketsTransport::split(ncclComm_t parent, int color, int key, ncclComm_t *child, ncclConfig_t *) {
  struct Choice {
    int color, key;
  } own{color, key};
  Communicator &c = *Provider::unwrap(parent);
  *child = nullptr;
  if (color < 0 && color != NCCL_SPLIT_NOCOLOR)
    return Provider::fail(ncclInvalidArgument, formatString("split color %d is negative", color));
  std::vector<Choice> choices(c.ranks);
  choices[c.rank] = own;
  Descriptor d{Kind::Split, ncclInt8, ncclSum, 0, sizeof own, &own, choices.data(), "start"};
  auto placeOf = [&](int from) -> void * { return &choices[from]; };
  ncclResult_t result =
      sendToOthers(c, d, [&](int) { return Piece{reinterpret_cast<const char *>(&own), sizeof own}; });
  if (result == ncclSuccess)
    result = receiveFromOthers(c, d, sizeof own, placeOf);
  ++c.splits;
  if (result != ncclSuccess || color == NCCL_SPLIT_NOCOLOR)
    return result;
  std::vector<int> inside;
  for (int i = 0; i < c.ranks; ++i)
    if (choices[i].color == color)
      inside.push_back(i);
  std::sort(inside.begin(), inside.end(),
            [&](int a, int b) { return std::tie(choices[a].key, a) < std::tie(choices[b].key, b); });
  auto rank = static_cast<int>(std::find(inside.begin(), inside.end(), c.rank) - inside.begin());
  for (int &member : inside)
    member = c.members[member];
  uint64_t channel = mix(mix(c.channel, c.splits), static_cast<uint64_t>(color));
  *child = reinterpret_cast<ncclComm_t>(makeCommunicator(std::move(inside), rank, channel));
  return ncclSuccess;
}

template <> ncclResult_t SocketsTransport::destroy(ncclComm_t comm) {
  delete Provider::unwrap(comm);
  return ncclSuccess;
}

/// The other ranks see that this process ends without a goodbye.
template <> ncclResult_t SocketsTransport::abort(ncclComm_t) {
  failProcess(Status::internal("a communicator is aborted"));
}

Status openSockets(const RendezvousPoint &place, const Member &member, const CommProvider *&provider) {
  PeerTable peers;
  if (Status status = rendezvous(place, member, peers); status.failed())
    return status;
  links = std::make_unique<Links>(std::move(peers), member.rank,
                                  [](const std::string &what) { failProcess(Status::usage("%s", what.c_str())); });
  static const CommProvider table = Provider::table("sockets");
  provider = &table;
  return Status::ok();
}

} // namespace colo::runtime
