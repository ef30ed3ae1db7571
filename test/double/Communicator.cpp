//===- Communicator.cpp - communicators over processes -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The memory that ranks share. New memory is zero, which is what every field in it
// starts with. See Communicator.h.
//
//===----------------------------------------------------------------------===//

#include "Communicator.h"
#include "Double.h"
#include "colo/Runtime/Status.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

using colo::runtime::formatString;

namespace colo_double {

void Bell::ring() {
  rung.fetch_add(1);
  if (sleepers.load())
    syscall(SYS_futex, &rung, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void Bell::wait(uint32_t seen, int milliseconds) {
  timespec limit{milliseconds / 1000, (milliseconds % 1000) * 1000000L};
  sleepers.fetch_add(1);
  syscall(SYS_futex, &rung, FUTEX_WAIT, seen, &limit, nullptr, 0);
  sleepers.fetch_sub(1);
}

size_t Ring::put(const char *from, size_t count) {
  uint64_t at = written.load();
  count = std::min<uint64_t>(count, kBytes - (at - taken.load()));
  size_t first = std::min<size_t>(count, kBytes - at % kBytes);
  std::memcpy(bytes + at % kBytes, from, first);
  std::memcpy(bytes, from + first, count - first);
  written.store(at + count);
  return count;
}

size_t Ring::take(char *to, size_t count) {
  uint64_t at = taken.load();
  count = std::min<uint64_t>(count, written.load() - at);
  size_t first = std::min<size_t>(count, kBytes - at % kBytes);
  std::memcpy(to, bytes + at % kBytes, first);
  std::memcpy(to + first, bytes, count - first);
  taken.store(at + count);
  return count;
}

struct Communicator::Header {
  std::atomic<int32_t> ranks; ///< as the first to come says
  std::atomic<int32_t> joined, aborted;
  Bell joinedAll;
};

struct alignas(64) Communicator::Seat {
  Bell bell;
  std::atomic<int32_t> isTaken;
  std::atomic<size_t> host;
  std::atomic<int32_t> device;
};

static constexpr size_t kHeaderBytes = 64;

size_t Communicator::bytesFor(int ranks) {
  static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(Header) <= kHeaderBytes);
  return kHeaderBytes + ranks * sizeof(Seat) + 2 * sizeof(Ring) * ranks * ranks;
}

Communicator::Seat &Communicator::seat(int of) const {
  return reinterpret_cast<Seat *>(static_cast<char *>(memory) + kHeaderBytes)[of];
}

Bell &Communicator::bell(int of) { return seat(of).bell; }

Ring &Communicator::ring(bool ofCollectives, int from, int to) {
  auto *rings = reinterpret_cast<Ring *>(&seat(ranks));
  return rings[(static_cast<size_t>(ofCollectives) * ranks + from) * ranks + to];
}

Turns &Communicator::turns(const Descriptor &call) {
  return call.kind == Kind::Send ? sends[call.root] : call.kind == Kind::Recv ? receives[call.root] : collectives;
}

Place Communicator::makePlace() {
  int file = memfd_create("communicator", MFD_CLOEXEC);
  if (file < 0)
    fail("no memory for a communicator");
  return {static_cast<int>(getpid()), file};
}

Communicator::Communicator(void *memory, size_t bytes, int ranks, int rank, int device)
    : ranks(ranks), rank(rank), device(device), memory(memory), bytes(bytes), sends(ranks), receives(ranks) {}

Communicator::~Communicator() { munmap(memory, bytes); }

Communicator *Communicator::join(Place place, int ranks, int rank, int device) {
  int file = open(formatString("/proc/%d/fd/%d", place.process, place.file).c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0)
    return nullptr;
  size_t bytes = bytesFor(ranks);
  void *memory = MAP_FAILED;
  if (ftruncate(file, static_cast<off_t>(bytes)) == 0)
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED)
    fail("no memory for a communicator");
  auto *made = new Communicator(memory, bytes, ranks, rank, device);
  Header &header = made->header();
  int32_t said = 0;
  if (!header.ranks.compare_exchange_strong(said, ranks) && said != ranks)
    fail(formatString("ranks make one communicator of %d ranks and of %d", ranks, said));
  if (made->seat(rank).isTaken.exchange(1))
    fail(formatString("rank %d joins a communicator twice", rank));
  const char *host = std::getenv("NCCL_HOSTID");
  made->seat(rank).host = host ? std::hash<std::string>()(host) : 0;
  made->seat(rank).device = device;
  header.joined.fetch_add(1);
  header.joinedAll.ring();
  for (uint32_t seen; seen = header.joinedAll.load(), header.joined.load() < ranks;)
    header.joinedAll.wait(seen, 100);
  if (rank == 0 && place.process == getpid())
    close(place.file);
  for (int other = 0; other < ranks; ++other)
    if (other != rank && made->seat(other).device == device && made->seat(other).host == made->seat(rank).host)
      fail(formatString("ranks %d and %d of a communicator are both on GPU %d", std::min(rank, other),
                        std::max(rank, other), device));
  return made;
}

void Communicator::abort() {
  header().aborted = rank + 1;
  for (int other = 0; other < ranks; ++other)
    bell(other).ring();
}

void Communicator::checkAborted() const {
  if (int by = header().aborted)
    fail(formatString("rank %d aborted", by - 1));
}

} // namespace colo_double
