//===- Traffic.cpp - what collectives send, member by member -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The counting rule of docs/communication.md, which the runtime's counters
// follow too (Trampolines.cpp), op by op.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"

using namespace mlir;
using namespace colo;
using namespace colo::rt;

//===----------------------------------------------------------------------===//
// Runs of members
//===----------------------------------------------------------------------===//

GroupTraffic::GroupTraffic(int64_t members, llvm::ArrayRef<int64_t> starts,
                           llvm::function_ref<Traffic(int64_t)> sentBy) {
  for (size_t i = 0; i < starts.size(); ++i) {
    int64_t length = (i + 1 < starts.size() ? starts[i + 1] : members) - starts[i];
    Traffic each = sentBy(starts[i]);
    if (!runs.empty() && runs.back().each == each)
      runs.back().members += length;
    else
      runs.push_back({length, each});
  }
}

int64_t GroupTraffic::members() const {
  int64_t sum = 0;
  for (const Run &run : runs)
    sum += run.members;
  return sum;
}

Traffic GroupTraffic::of(int64_t member) const {
  for (const Run &run : runs) {
    if (member < run.members)
      return run.each;
    member -= run.members;
  }
  llvm_unreachable("no such member");
}

Traffic GroupTraffic::most() const {
  Traffic most;
  for (const Run &run : runs)
    most = std::max(most, run.each);
  return most;
}

std::vector<int64_t> GroupTraffic::starts() const {
  std::vector<int64_t> result;
  int64_t start = 0;
  for (const Run &run : runs) {
    result.push_back(start);
    start += run.members;
  }
  return result;
}

GroupTraffic GroupTraffic::operator+(const GroupTraffic &other) const {
  std::vector<int64_t> both = starts();
  llvm::append_range(both, other.starts());
  llvm::sort(both);
  both.erase(std::unique(both.begin(), both.end()), both.end());
  return GroupTraffic(members(), both, [&](int64_t member) { return of(member) + other.of(member); });
}

GroupTraffic GroupTraffic::operator*(int64_t times) const {
  return GroupTraffic(members(), starts(), [&](int64_t member) { return of(member) * times; });
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

static int64_t elementsOf(Value buffer) { return cast<MemRefType>(buffer.getType()).getNumElements(); }

static int64_t elementBytes(MemRefType type) { return std::max<int64_t>(1, type.getElementTypeBitWidth() / 8); }

static int64_t elementBytes(Value buffer) { return elementBytes(cast<MemRefType>(buffer.getType())); }

int64_t rt::bytesOf(MemRefType type) { return type.getNumElements() * elementBytes(type); }

int64_t rt::bytesOf(Value buffer) { return bytesOf(cast<MemRefType>(buffer.getType())); }

/// All members send alike.
static GroupTraffic alike(int64_t members, Traffic each) {
  return GroupTraffic(members, {0}, [&](int64_t) { return each; });
}

/// Elements are cut into one chunk a rank, the first `longer` of them one element longer. Member r sends all chunks but
/// r+1 while reducing and all but r+2 while gathering.
static GroupTraffic ringAllReduce(Value buffer, int64_t ranks) {
  int64_t elements = elementsOf(buffer), longer = elements % ranks;
  auto chunk = [&](int64_t index) { return elements / ranks + (index % ranks < longer); };
  llvm::SmallVector<int64_t> starts = {0};
  for (int64_t start : {longer - 2, longer - 1, ranks - 2, ranks - 1})
    if (start > 0)
      starts.push_back(start);
  llvm::sort(starts);
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  return GroupTraffic(ranks, starts, [&](int64_t member) {
    int64_t sent = 2 * elements - chunk(member + 1) - chunk(member + 2);
    return Traffic{sent * elementBytes(buffer), 2 * (ranks - 1)};
  });
}

/// Each of the members from `root` on is the root of one of `rounds` executions, in which it sends as `atRoot` says and
/// all others as `elsewhere`.
static GroupTraffic rooted(int64_t members, int64_t root, int64_t rounds, Traffic atRoot, Traffic elsewhere) {
  llvm::SmallVector<int64_t> starts = {0};
  for (int64_t start : {root, root + rounds})
    if (start > 0 && start < members)
      starts.push_back(start);
  return GroupTraffic(members, starts, [&](int64_t member) {
    bool isRoot = member >= root && member < root + rounds;
    return isRoot ? atRoot + elsewhere * (rounds - 1) : elsewhere * rounds;
  });
}

int64_t rt::roundsOf(CommunicationOpInterface op) {
  Value round = op.getRound();
  if (!round)
    return 1;
  auto loop = cast<scf::ForOp>(cast<BlockArgument>(round).getOwner()->getParentOp());
  return *getConstantIntValue(loop.getUpperBound());
}

GroupTraffic rt::trafficOf(CommunicationOpInterface op, int64_t ranks, int64_t rounds) {
  return ranks == 1 ? alike(ranks, {}) : op.getTraffic(ranks, rounds);
}

GroupTraffic AllReduceOp::getTraffic(int64_t ranks, int64_t) { return ringAllReduce(getSend(), ranks); }

GroupTraffic AllGatherOp::getTraffic(int64_t ranks, int64_t) {
  return alike(ranks, {(ranks - 1) * bytesOf(getSend()), ranks - 1});
}

GroupTraffic ReduceScatterOp::getTraffic(int64_t ranks, int64_t) {
  return alike(ranks, {(ranks - 1) * bytesOf(getRecv()), ranks - 1});
}

GroupTraffic AllToAllOp::getTraffic(int64_t ranks, int64_t) {
  return alike(ranks, {(ranks - 1) * (elementsOf(getSend()) / ranks * elementBytes(getSend())), ranks - 1});
}

GroupTraffic PermuteOp::getTraffic(int64_t ranks, int64_t) {
  llvm::SmallVector<bool> sends(ranks);
  for (auto [receiver, source] : llvm::enumerate(getSources()))
    if (source != static_cast<int64_t>(receiver))
      sends[source] = true;
  return GroupTraffic(ranks, llvm::to_vector(llvm::seq<int64_t>(0, ranks)),
                      [&](int64_t member) { return sends[member] ? Traffic{bytesOf(getSend()), 1} : Traffic{}; });
}

GroupTraffic BroadcastOp::getTraffic(int64_t ranks, int64_t rounds) {
  return rooted(ranks, getRoot(), rounds, {(ranks - 1) * bytesOf(getSend()), ranks - 1}, {});
}

GroupTraffic ReduceOp::getTraffic(int64_t ranks, int64_t rounds) {
  return rooted(ranks, getRoot(), rounds, {}, {bytesOf(getSend()), 1});
}

GroupTraffic SendOp::getTraffic(int64_t ranks, int64_t) {
  return rooted(ranks, getRank(), 1, {bytesOf(getBuffer()), 1}, {});
}

GroupTraffic ReceiveOp::getTraffic(int64_t ranks, int64_t) { return alike(ranks, {}); }
