//===- Communicator.h - communicators over processes -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A communicator is a piece of memory that its ranks map, threads of one process or
// of several of one machine. In it each rank has two rings of bytes to each rank, one
// for collectives and one for send and receive, and a bell that others ring after
// they have put something into a ring of its, or taken something out.
//
// The memory has no name: a rank opens it as /proc/PROCESS/fd/FILE of the process that
// made it, which keeps the file until all ranks have. So nothing of it outlives them.
//
// An operation of a rank is made of transfers, and of sums in the order of the ranks;
// it advances without blocking, so that a group can advance many. All ranks of a
// collective first tell each other what they call. A send is over when it has been
// received. Operations of one rank come one after the other where they use the same
// rings, whatever streams they are on. A rank that is not there is waited for without
// end, as NCCL does.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_DOUBLE_COMMUNICATOR_H
#define COLO_TEST_DOUBLE_COMMUNICATOR_H

#include "CallDescriptor.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace colo_double {

using colo::runtime::Descriptor;
using colo::runtime::Kind;

/// A number that waiters see change.
class Bell {
public:
  uint32_t load() const { return rung.load(); }
  void ring();
  /// Returns when the number is not `seen` any more, or after `milliseconds`.
  void wait(uint32_t seen, int milliseconds);

private:
  std::atomic<uint32_t> rung, sleepers;
};

/// Bytes from one rank to another, in order.
class Ring {
public:
  /// Moves what there is room for, or what is there, and returns how much.
  size_t put(const char *from, size_t bytes);
  size_t take(char *to, size_t bytes);
  bool isEmpty() const { return taken.load() == written.load(); }

private:
  static constexpr size_t kBytes = size_t(1) << 16;
  alignas(64) std::atomic<uint64_t> written;
  alignas(64) std::atomic<uint64_t> taken;
  char bytes[kBytes];
};

/// Who may use some rings next; issued in the order of operations.
struct Turns {
  uint64_t issued = 0;
  std::atomic<uint64_t> served{0};
};

/// Where memory can be opened.
struct Place {
  int process = 0, file = -1;
};

class Communicator {
public:
  /// New memory, for ranks that are yet to come.
  static Place makePlace();
  /// One rank of `ranks`; returns when all have come. Null: the memory is gone. Ranks on one device of one host, which
  /// is what NCCL_HOSTID says, end their process.
  static Communicator *join(Place place, int ranks, int rank, int device);
  ~Communicator();
  Communicator(const Communicator &) = delete;

  const int ranks, rank, device;

  Ring &ring(bool ofCollectives, int from, int to);
  Bell &bell(int of);
  Turns &turns(const Descriptor &call);
  /// Ends the processes of ranks that go on with it.
  void abort();
  void checkAborted() const;

private:
  struct Header;
  struct Seat;
  Communicator(void *memory, size_t bytes, int ranks, int rank, int device);
  static size_t bytesFor(int ranks);
  Seat &seat(int of) const;
  Header &header() const { return *static_cast<Header *>(memory); }

  void *memory;
  size_t bytes;
  Turns collectives;
  std::vector<Turns> sends, receives; ///< by peer
};

/// What one rank calls.
struct Call {
  Descriptor descriptor;
  Communicator *comm;
};

/// Runs operations of one rank to their end, in order where they use the same rings.
void runCalls(const std::vector<Call> &calls);

/// NCCL's split: null for NCCL_SPLIT_NOCOLOR.
Communicator *splitCommunicator(Communicator &parent, int color, int key);

} // namespace colo_double

#endif // COLO_TEST_DOUBLE_COMMUNICATOR_H
