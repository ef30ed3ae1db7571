//===- ThreadsComm.h - ranks as threads of one process -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// State of the threads provider. A TeamState is one communicator: shared by its
// ranks, one slot per rank. An Operation is what one rank has to do for one call;
// it advances without blocking, so that a group can advance many.
//
// A collective: every rank posts its descriptor and arrives; when all have
// arrived each compares all descriptors, does its own share reading and writing
// the others' buffers directly, and arrives again; when all have arrived the
// second time the buffers are free. Rank r alone touches chunk r of any buffer
// in a reduction, so in place needs no copy.
//
// Send and receive meet in a queue per (source, destination), in order; the
// receiver copies. Both block until the other is there, as NCCL's may.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_THREADSCOMM_H
#define COLO_LIB_RUNTIME_THREADSCOMM_H

#include "CallDescriptor.h"
#include "colo/Runtime/Stream.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace colo::runtime::threads {

/// Why a world stopped; shared by all communicators split from one parent.
class AbortState {
public:
  bool raised() const { return flag.load(std::memory_order_acquire); }
  /// The first reason is kept.
  void raise(const std::string &why);
  std::string reason();

private:
  std::atomic<bool> flag{false};
  std::mutex mutex;
  std::string message;
};

struct Operation;

struct alignas(64) Slot {
  Descriptor descriptor;
  std::atomic<uint32_t> posted{0}; ///< operations this rank has entered
};

/// Sends that wait for their receive, oldest first.
struct alignas(64) Mailbox {
  std::mutex mutex;
  Operation *first = nullptr, *last = nullptr;
  uint32_t sent = 0;      ///< sends ever posted
  WaitWord posted, taken; ///< sends ever posted, and received
};

struct TeamState {
  TeamState(std::vector<int> worldRanks, std::shared_ptr<AbortState> abort);
  int size() const { return static_cast<int>(slots.size()); }
  Mailbox &mailbox(int from, int to) { return mailboxes[static_cast<size_t>(from) * size() + to]; }

  std::vector<int> worldRanks; ///< for messages
  std::shared_ptr<AbortState> abort;
  std::vector<Slot> slots;
  std::vector<Mailbox> mailboxes;
  std::atomic<uint32_t> arrivals{0};
  WaitWord generation;
  /// Children of the split in progress, one per rank, written by rank 0.
  std::vector<std::shared_ptr<TeamState>> children;
};

/// What ncclComm_t points at.
struct Communicator {
  std::shared_ptr<TeamState> team;
  int rank = 0;
  uint32_t entered = 0; ///< collectives this rank has entered
  ncclResult_t error = ncclSuccess;
  std::vector<const void *> sources; ///< scratch of a collective, one per rank
  std::vector<void *> targets;
};

inline Communicator *unwrap(ncclComm_t comm) { return reinterpret_cast<Communicator *>(comm); }

enum class Progress { Blocked, Moved, Done, Failed };

struct Operation {
  Descriptor descriptor;
  Communicator *comm;
  enum { New, Posted, Working, Finished } state = New;
  uint32_t seen = 0;         ///< generation or mailbox word when it last blocked
  Operation *next = nullptr; ///< in a mailbox
  WaitWord *blockedOn = nullptr;
  uint32_t ticket = 0; ///< of a send: its number in the mailbox

  bool isCollective() const { return descriptor.kind < Kind::Send; }
  Progress advance();

private:
  Progress advanceCollective();
  Progress advanceSend();
  Progress advanceRecv();
  bool transfer();
  uint32_t arrive();
};

/// The communicators that the posted colors and keys ask for; the parent's rank 0
/// makes them, as its share of the split.
void buildChildren(TeamState &team);

/// Runs operations of one rank to their end, collectives of one communicator in
/// order and everything else as it becomes possible.
ncclResult_t runOperations(Operation *operations, size_t count);

/// The last message of this thread.
const char *lastError();
ncclResult_t fail(ncclResult_t result, const std::string &message);

} // namespace colo::runtime::threads

#endif // COLO_LIB_RUNTIME_THREADSCOMM_H
