//===- ThreadsOperations.cpp - progress of operations between threads --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See ThreadsComm.h for the protocol.
//
//===----------------------------------------------------------------------===//

#include "Reduce.h"
#include "ThreadsComm.h"
#include "colo/Runtime/Status.h"

#include <chrono>
#include <cstring>

namespace colo::runtime::threads {

void AbortState::raise(const std::string &why) {
  std::lock_guard<std::mutex> lock(mutex);
  if (raised())
    return;
  message = why;
  flag.store(true, std::memory_order_release);
}

std::string AbortState::reason() {
  std::lock_guard<std::mutex> lock(mutex);
  return message;
}

uint32_t Operation::arrive() {
  TeamState &team = *comm->team;
  uint32_t generation = team.generation.load();
  if (team.arrivals.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<uint32_t>(team.size())) {
    team.arrivals.store(0, std::memory_order_relaxed);
    team.generation.store(generation + 1);
  }
  return generation;
}

/// This rank's share of a collective whose descriptors agree. False for an
/// element type without arithmetic.
bool Operation::transfer() {
  TeamState &team = *comm->team;
  const Descriptor &d = descriptor;
  int n = team.size(), r = comm->rank;
  size_t bytes = d.count * typeBytes(d.type);
  const void **sources = comm->sources.data();
  void **targets = comm->targets.data();
  for (int i = 0; i < n; ++i) {
    sources[i] = team.slots[i].descriptor.send;
    targets[i] = team.slots[i].descriptor.recv;
  }
  size_t begin = chunkBegin(d.count, n, r), end = begin + chunkSize(d.count, n, r);
  auto copy = [](void *to, const void *from, size_t size) {
    if (to != from && size)
      std::memcpy(to, from, size);
  };
  switch (d.kind) {
  case Kind::AllReduce:
    return foldInRankOrder(sources, n, targets, n, begin, end, d.type, d.op);
  case Kind::Reduce:
    return foldInRankOrder(sources, n, targets + d.root, 1, begin, end, d.type, d.op);
  case Kind::ReduceScatter: {
    // Element i of the own segment is element r * count + i of every source.
    void *shifted = static_cast<char *>(d.recv) - bytes * r;
    return foldInRankOrder(sources, n, &shifted, 1, d.count * r, d.count * (r + 1), d.type, d.op);
  }
  case Kind::AllGather:
    for (int i = 0; i < n; ++i)
      copy(static_cast<char *>(d.recv) + bytes * i, sources[i], bytes);
    return true;
  case Kind::AllToAll:
    for (int i = 0; i < n; ++i)
      copy(static_cast<char *>(d.recv) + bytes * i, static_cast<const char *>(sources[i]) + bytes * r, bytes);
    return true;
  case Kind::Broadcast:
    copy(d.recv, sources[d.root], bytes);
    return true;
  case Kind::Split:
    if (r == 0)
      buildChildren(team);
    return true;
  default:
    return true;
  }
}

Progress Operation::advanceCollective() {
  TeamState &team = *comm->team;
  if (state == New) {
    Slot &slot = team.slots[comm->rank];
    slot.descriptor = descriptor;
    slot.posted.store(++comm->entered, std::memory_order_release);
    seen = arrive();
    state = Posted;
    blockedOn = &team.generation;
  }
  if (team.generation.load() == seen)
    return Progress::Blocked;
  if (state == Working) {
    state = Finished;
    return Progress::Done;
  }
  for (int i = 1; i < team.size(); ++i) {
    if (agree(team.slots[0].descriptor, team.slots[i].descriptor))
      continue;
    team.abort->raise(formatString("ranks %d and %d do not make the same call: %s against %s", team.worldRanks[0],
                                   team.worldRanks[i], describe(team.slots[0].descriptor).c_str(),
                                   describe(team.slots[i].descriptor).c_str()));
    return Progress::Failed;
  }
  if (!transfer()) {
    team.abort->raise(describe(descriptor) + ": no arithmetic for this element type on the CPU");
    return Progress::Failed;
  }
  seen = arrive();
  state = Working;
  return Progress::Moved;
}

Progress Operation::advanceSend() {
  Mailbox &box = comm->team->mailbox(comm->rank, descriptor.root);
  if (state == New) {
    std::lock_guard<std::mutex> lock(box.mutex);
    state = Posted;
    blockedOn = &box.taken;
    ticket = ++box.sent;
    (box.last ? box.last->next : box.first) = this;
    box.last = this;
    box.posted.store(ticket);
  }
  seen = box.taken.load();
  if (static_cast<int32_t>(seen - ticket) < 0)
    return Progress::Blocked;
  state = Finished;
  return Progress::Done;
}

Progress Operation::advanceRecv() {
  Mailbox &box = comm->team->mailbox(descriptor.root, comm->rank);
  blockedOn = &box.posted;
  seen = box.posted.load();
  Operation *sender;
  {
    std::lock_guard<std::mutex> lock(box.mutex);
    sender = box.first;
    if (!sender)
      return Progress::Blocked;
    box.first = sender->next;
    if (!box.first)
      box.last = nullptr;
  }
  state = Finished;
  const Descriptor &from = sender->descriptor;
  if (from.count != descriptor.count || from.type != descriptor.type) {
    const std::vector<int> &ranks = comm->team->worldRanks;
    comm->team->abort->raise(formatString("rank %d's %s does not fit rank %d's %s", ranks[descriptor.root],
                                          describe(from).c_str(), ranks[comm->rank], describe(descriptor).c_str()));
    return Progress::Failed;
  }
  if (descriptor.count)
    std::memcpy(descriptor.recv, from.send, descriptor.count * typeBytes(descriptor.type));
  box.taken.add(1); // the sender's operation may be gone after this
  return Progress::Done;
}

Progress Operation::advance() {
  if (isCollective())
    return advanceCollective();
  return descriptor.kind == Kind::Send ? advanceSend() : advanceRecv();
}

/// True while an earlier operation of the list must go first: collectives of one
/// communicator, and receives (or sends) between the same two ranks.
static bool waitsForEarlier(const Operation *operations, size_t index) {
  const Operation &op = operations[index];
  if (op.state != Operation::New)
    return false;
  for (size_t i = 0; i < index; ++i) {
    const Operation &earlier = operations[i];
    if (earlier.comm != op.comm)
      continue;
    if (op.isCollective() && earlier.isCollective() && earlier.state != Operation::Finished)
      return true;
    if (op.descriptor.kind == earlier.descriptor.kind && op.descriptor.root == earlier.descriptor.root &&
        earlier.state == Operation::New && !op.isCollective())
      return true;
  }
  return false;
}

/// The ranks that have not come to `op`.
static std::string missingRanks(const Operation &op) {
  TeamState &team = *op.comm->team;
  if (!op.isCollective())
    return formatString(" rank %d", team.worldRanks[op.descriptor.root]);
  std::string missing;
  for (int i = 0; i < team.size(); ++i)
    if (static_cast<int32_t>(team.slots[i].posted.load(std::memory_order_acquire) - op.comm->entered) < 0)
      missing += formatString("%s %d", missing.empty() ? "" : ",", team.worldRanks[i]);
  return missing.empty() ? " a rank that is still copying" : (" rank" + missing);
}

static ncclResult_t failAborted(AbortState &abort, ncclResult_t result) { return fail(result, abort.reason()); }

ncclResult_t runOperations(Operation *operations, size_t count) {
  using Clock = std::chrono::steady_clock;
  auto limit = std::chrono::duration<double>(commTimeout());
  Clock::time_point start = Clock::now();
  size_t left = count;
  while (left) {
    bool moved = false;
    Operation *blocked = nullptr;
    for (size_t i = 0; i < count; ++i) {
      Operation &op = operations[i];
      if (op.state == Operation::Finished || waitsForEarlier(operations, i))
        continue;
      AbortState &abort = *op.comm->team->abort;
      if (abort.raised())
        return failAborted(abort, ncclRemoteError);
      Progress progress = op.advance();
      if (progress == Progress::Failed)
        return failAborted(abort, ncclInvalidUsage);
      left -= progress == Progress::Done;
      moved |= progress != Progress::Blocked;
      if (progress == Progress::Blocked && !blocked)
        blocked = &op;
    }
    if (moved) {
      start = Clock::now();
      continue;
    }
    // Alone, sleep until its word changes (an abort is noticed by the limit);
    // with others, look at each again soon.
    blocked->blockedOn->waitChange(blocked->seen, left == 1 ? 50 : 1);
    if (Clock::now() - start > limit) {
      AbortState &abort = *blocked->comm->team->abort;
      abort.raise(formatString("rank %d waited %g s in %s for%s", blocked->comm->team->worldRanks[blocked->comm->rank],
                               commTimeout(), describe(blocked->descriptor).c_str(), missingRanks(*blocked).c_str()));
      return failAborted(abort, ncclSystemError);
    }
  }
  return ncclSuccess;
}

} // namespace colo::runtime::threads
