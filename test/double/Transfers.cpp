//===- Transfers.cpp - operations of communicators -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// In a collective ranks first tell all others what they call, then send them elements,
// and in an all_reduce, of which rank r adds up chunk r, then sums. See Communicator.h.
//
//===----------------------------------------------------------------------===//

#include "Communicator.h"
#include "Double.h"
#include "Reduce.h"
#include "colo/Runtime/Status.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>

using namespace colo::runtime;

namespace colo_double {

static constexpr auto kNoColor = static_cast<size_t>(NCCL_SPLIT_NOCOLOR);

namespace {

struct Transfer {
  bool isOut;
  int peer;
  char *at;
  size_t left;
};

/// Bytes of a buffer.
struct Segment {
  size_t at, size;
};

class Operation {
public:
  enum Progress { Blocked, Moved, Done };
  explicit Operation(const Call &call);
  Progress advance();
  void takeTurn() { turn = turns.issued++; }
  /// Of a split: the ranks of this one's child, in their order there.
  std::vector<int> family() const;

  Communicator &comm;
  bool isDone = false;
  Place place; ///< of a split: of the child

private:
  bool isCollective() const { return own.kind < Kind::Send; }
  bool move();
  void sendCall();
  void sendElements();
  void exchangeCalls();
  void exchangeElements();
  void finishElements();
  void exchangePlaces();
  Segment summedBy(int of) const;
  void sumUp(char *to);
  void add(bool isOut, int peer, const void *at, size_t size) {
    if (size)
      transfers.push_back({isOut, peer, static_cast<char *>(const_cast<void *>(at)), size});
  }

  Descriptor own;
  Turns &turns;
  uint64_t turn = 0;
  size_t elementBytes, bytes;
  const char *source;
  char *target;
  /// Each adds transfers, and the next comes when they are done.
  std::deque<void (Operation::*)()> steps;
  std::vector<Transfer> transfers;
  std::vector<Descriptor> calls; ///< by rank; of send and receive the sender's alone
  std::vector<char> parts;       ///< by rank: what it gives of the elements that this one adds up
};

} // namespace

Operation::Operation(const Call &call)
    : comm(*call.comm), own(call.descriptor), turns(call.comm->turns(own)), elementBytes(typeBytes(own.type)),
      bytes(own.count * elementBytes), source(static_cast<const char *>(own.send)),
      target(static_cast<char *>(own.recv)) {
  if (own.kind == Kind::Split)
    steps = {&Operation::exchangeCalls, &Operation::exchangePlaces};
  else if (isCollective())
    steps = {&Operation::exchangeCalls, &Operation::exchangeElements, &Operation::finishElements};
  else
    steps = {&Operation::sendCall, &Operation::sendElements};
}

/// Moves what can be moved; true if anything was.
bool Operation::move() {
  bool moved = false;
  for (Transfer &transfer : transfers) {
    Ring &ring = transfer.isOut ? comm.ring(isCollective(), comm.rank, transfer.peer)
                                : comm.ring(isCollective(), transfer.peer, comm.rank);
    size_t count = transfer.isOut ? ring.put(transfer.at, transfer.left) : ring.take(transfer.at, transfer.left);
    transfer.at += count;
    transfer.left -= count;
    if (!count)
      continue;
    comm.bell(transfer.peer).ring();
    moved = true;
  }
  return moved;
}

Operation::Progress Operation::advance() {
  if (turns.served != turn)
    return Blocked;
  bool moved = false;
  for (;;) {
    moved |= move();
    if (std::any_of(transfers.begin(), transfers.end(), [](const Transfer &transfer) { return transfer.left > 0; }))
      return moved ? Moved : Blocked;
    transfers.clear();
    if (steps.empty())
      break;
    (this->*steps.front())();
    steps.pop_front();
  }
  if (own.kind == Kind::Send && !comm.ring(false, comm.rank, own.root).isEmpty())
    return moved ? Moved : Blocked;
  isDone = true;
  turns.served = turn + 1;
  comm.bell(comm.rank).ring(); // for another stream, whose turn it may be
  return Done;
}

void Operation::sendCall() {
  calls.assign(1, own);
  add(own.kind == Kind::Send, own.root, calls.data(), sizeof own);
}

void Operation::sendElements() {
  if (calls[0].count != own.count || calls[0].type != own.type)
    fail(formatString("rank %d's %s does not fit rank %d's %s", own.root, describe(calls[0]).c_str(), comm.rank,
                      describe(own).c_str()));
  bool isOut = own.kind == Kind::Send;
  add(isOut, own.root, isOut ? source : target, bytes);
}

void Operation::exchangeCalls() {
  calls.assign(comm.ranks, own);
  for (int peer = 0; peer < comm.ranks; ++peer) {
    if (peer == comm.rank)
      continue;
    add(true, peer, &calls[comm.rank], sizeof own);
    add(false, peer, &calls[peer], sizeof own);
  }
}

/// Bytes of the source that a rank adds up in a reduction.
Segment Operation::summedBy(int of) const {
  if (own.kind == Kind::AllReduce)
    return {elementBytes * chunkBegin(own.count, comm.ranks, of), elementBytes * chunkSize(own.count, comm.ranks, of)};
  if (own.kind == Kind::ReduceScatter)
    return {bytes * of, bytes};
  return {0, of == own.root ? bytes : 0};
}

void Operation::exchangeElements() {
  for (int peer = 1; peer < comm.ranks; ++peer)
    if (!agree(calls[0], calls[peer]))
      fail(formatString("ranks 0 and %d do not make the same call: %s against %s", peer, describe(calls[0]).c_str(),
                        describe(calls[peer]).c_str()));
  bool reduces = own.kind != Kind::AllGather && own.kind != Kind::Broadcast;
  size_t mine = reduces ? summedBy(comm.rank).size : 0;
  parts.resize(mine * comm.ranks);
  if (mine)
    std::memcpy(parts.data() + mine * comm.rank, source + summedBy(comm.rank).at, mine);
  for (int peer = 0; peer < comm.ranks; ++peer) {
    if (peer == comm.rank)
      continue;
    if (reduces) {
      add(true, peer, source + summedBy(peer).at, summedBy(peer).size);
      add(false, peer, parts.data() + mine * peer, mine);
    }
    if (own.kind == Kind::AllGather || (own.kind == Kind::Broadcast && comm.rank == own.root))
      add(true, peer, source, bytes);
    if (own.kind == Kind::AllGather || (own.kind == Kind::Broadcast && peer == own.root))
      add(false, peer, own.kind == Kind::AllGather ? target + bytes * peer : target, bytes);
  }
}

void Operation::sumUp(char *to) {
  size_t mine = parts.size() / comm.ranks;
  std::vector<const void *> sources;
  for (int peer = 0; peer < comm.ranks; ++peer)
    sources.push_back(parts.data() + mine * peer);
  void *targets[] = {to};
  if (!foldInRankOrder(sources.data(), comm.ranks, targets, 1, 0, mine / elementBytes, own.type, own.op))
    fail(describe(own) + ": no arithmetic for this element type");
}

/// What is made of the elements that have come.
void Operation::finishElements() {
  auto keep = [this](char *to) {
    if (bytes && source != to)
      std::memcpy(to, source, bytes);
  };
  if (own.kind == Kind::AllGather)
    return keep(target + bytes * comm.rank);
  if (own.kind == Kind::Broadcast)
    return comm.rank == own.root ? keep(target) : void();
  if (own.kind != Kind::AllReduce)
    return sumUp(target);
  Segment mine = summedBy(comm.rank);
  sumUp(target + mine.at);
  for (int peer = 0; peer < comm.ranks; ++peer)
    if (peer != comm.rank) {
      add(true, peer, target + mine.at, mine.size);
      add(false, peer, target + summedBy(peer).at, summedBy(peer).size);
    }
}

std::vector<int> Operation::family() const {
  std::set<std::pair<int, int>> byKey;
  for (int peer = 0; peer < comm.ranks; ++peer)
    if (calls[peer].count == own.count)
      byKey.emplace(calls[peer].root, peer);
  std::vector<int> ranks;
  for (auto [key, peer] : byKey)
    ranks.push_back(peer);
  return ranks;
}

/// The first of a family makes the place.
void Operation::exchangePlaces() {
  std::vector<int> members = family();
  if (own.count == kNoColor)
    return;
  if (members[0] != comm.rank)
    return add(false, members[0], &place, sizeof place);
  place = Communicator::makePlace();
  for (int member : members)
    if (member != comm.rank)
      add(true, member, &place, sizeof place);
}

/// Operations of several threads use rings in one order.
static void takeTurns(std::deque<Operation> &operations) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  for (Operation &operation : operations)
    operation.takeTurn();
}

static void runAll(std::deque<Operation> &operations) {
  takeTurns(operations);
  for (;;) {
    Operation *blocked = nullptr;
    uint32_t seen = 0;
    bool moved = false, sameBell = true;
    for (Operation &operation : operations) {
      if (operation.isDone)
        continue;
      operation.comm.checkAborted();
      uint32_t before = operation.comm.bell(operation.comm.rank).load();
      Operation::Progress progress = operation.advance();
      moved |= progress != Operation::Blocked;
      if (progress != Operation::Blocked)
        continue;
      if (!blocked)
        blocked = &operation, seen = before;
      sameBell &= &operation.comm == &blocked->comm;
    }
    if (moved)
      continue;
    if (!blocked)
      return;
    // What another bell would have told is looked for soon.
    blocked->comm.bell(blocked->comm.rank).wait(seen, sameBell ? 100 : 1);
  }
}

void runCalls(const std::vector<Call> &calls) {
  std::deque<Operation> operations;
  for (const Call &call : calls)
    operations.emplace_back(call);
  runAll(operations);
}

Communicator *splitCommunicator(Communicator &parent, int color, int key) {
  Descriptor descriptor{Kind::Split, ncclInt8, ncclSum, key, static_cast<size_t>(color), nullptr, nullptr, nullptr};
  std::deque<Operation> operations;
  operations.emplace_back(Call{descriptor, &parent});
  runAll(operations);
  if (color == NCCL_SPLIT_NOCOLOR)
    return nullptr;
  std::vector<int> members = operations[0].family();
  int rank = static_cast<int>(std::find(members.begin(), members.end(), parent.rank) - members.begin());
  Communicator *made = Communicator::join(operations[0].place, static_cast<int>(members.size()), rank, parent.device);
  if (!made)
    fail("the process that makes a communicator is gone");
  return made;
}

} // namespace colo_double
