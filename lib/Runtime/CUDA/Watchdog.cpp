//===- Watchdog.cpp - collectives that do not end -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Watchdog.h.
//
//===----------------------------------------------------------------------===//

#include "CUDA/Watchdog.h"
#include "colo/Runtime/Status.h"

#include <algorithm>
#include <unistd.h>

namespace colo::runtime::cuda {

/// Calls of a communicator in a step for which there is room at first.
static constexpr size_t kRoom = 1024;
static constexpr std::chrono::milliseconds kLongestNap{100};
/// Ranks that wait for each other are followed so far.
static constexpr int kHops = 3;

/// Numbers wrap around.
static bool isBefore(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

static uint32_t readWord(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

Watchdog::Watchdog(Setup given)
    : setup(std::move(given)), board(setup.board, setup.ranks, setup.program->commCount + 1), seen(setup.ranks, false) {
  board.rank(setup.rank).process = getpid();
  thread = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    stopping = true;
  }
  changed.notify_all();
  thread.join();
  board.rank(setup.rank).ended = 1;
}

int Watchdog::addCommunicator(int group) {
  std::lock_guard<std::mutex> lock(mutex);
  auto number = static_cast<int>(comms.size());
  if (number >= board.comms())
    failProcess(Status::internal("a rank makes more communicators than its program has"));
  Comm comm;
  comm.own.reserve(kRoom);
  comms.push_back(std::move(comm));
  CommProgress &cell = board.comm(setup.rank, number);
  cell.group = group;
  cell.lastSite = -1;
  cell.joined = 1;
  return number;
}

void Watchdog::setHandle(int comm, ncclComm_t handle, int place) {
  std::lock_guard<std::mutex> lock(mutex);
  comms[comm].handle = handle;
  board.comm(setup.rank, comm).place = place;
}

void Watchdog::forget(int comm) {
  std::lock_guard<std::mutex> lock(mutex);
  comms[comm].handle = nullptr;
}

/// Processes that cannot be looked for although they are there are in another container.
void Watchdog::met() {
  std::lock_guard<std::mutex> lock(mutex);
  for (int64_t rank = 0; rank < board.ranks(); ++rank)
    seen[rank] = board.rank(rank).process != 0 && board.isAlive(rank);
  board.hideName();
}

uint32_t Watchdog::call(int number, int64_t site, int peer) {
  std::lock_guard<std::mutex> lock(mutex);
  if (noted) {
    (*noted)[number].push_back({site, ++order, peer});
    return static_cast<uint32_t>((*noted)[number].size());
  }
  Comm &comm = comms[number];
  CommProgress &cell = board.comm(setup.rank, number);
  if (comm.called == finishedOf(number))
    comm.since = Clock::now();
  comm.own.push_back({site, ++order, peer});
  ++comm.called;
  cell.lastSite = static_cast<int32_t>(site);
  cell.called = comm.called;
  return comm.called - comm.beforeStep;
}

uint32_t Watchdog::startedOf(int comm) const { return comms[comm].beforeStep + readWord(startedWord(comm)); }
uint32_t Watchdog::finishedOf(int comm) const { return comms[comm].beforeStep + readWord(finishedWord(comm)); }

void Watchdog::startStep(Comm &comm, int number) {
  comm.beforeStep = comm.called;
  comm.own.clear();
  comm.replayed = nullptr;
  startOnHost(number, 0);
  finishOnHost(number, 0);
}

void Watchdog::startStep() {
  std::lock_guard<std::mutex> lock(mutex);
  for (size_t i = 0; i < comms.size(); ++i)
    startStep(comms[i], static_cast<int>(i));
}

void Watchdog::beginCapture(Calls &calls) {
  std::lock_guard<std::mutex> lock(mutex);
  calls.resize(comms.size());
  noted = &calls;
}

void Watchdog::endCapture() {
  std::lock_guard<std::mutex> lock(mutex);
  noted = nullptr;
}

void Watchdog::replay(const Calls &calls) {
  std::lock_guard<std::mutex> lock(mutex);
  for (size_t i = 0; i < comms.size(); ++i) {
    Comm &comm = comms[i];
    startStep(comm, static_cast<int>(i));
    if (calls[i].empty())
      continue;
    comm.replayed = &calls[i];
    comm.called += static_cast<uint32_t>(calls[i].size());
    comm.since = Clock::now();
    CommProgress &cell = board.comm(setup.rank, static_cast<int64_t>(i));
    cell.lastSite = static_cast<int32_t>(calls[i].back().site);
    cell.called = comm.called;
  }
}

void Watchdog::startOnHost(int comm, uint32_t number) { __atomic_store_n(startedWord(comm), number, __ATOMIC_RELEASE); }

void Watchdog::finishOnHost(int comm, uint32_t number) {
  __atomic_store_n(finishedWord(comm), number, __ATOMIC_RELEASE);
}

int Watchdog::worldRank(int comm, int place) const {
  int32_t group = board.comm(setup.rank, comm).group;
  for (int64_t rank = 0; rank < board.ranks(); ++rank) {
    const CommProgress &cell = board.comm(rank, comm);
    if (cell.joined && cell.group == group && cell.place == place)
      return static_cast<int>(rank);
  }
  return -1;
}

void Watchdog::watch() {
  auto limit = std::chrono::duration<double>(setup.seconds);
  auto nap = std::min<std::chrono::duration<double>>(kLongestNap, limit / 8);
  std::unique_lock<std::mutex> lock(mutex);
  while (!changed.wait_for(lock, nap, [&] { return stopping; }))
    look();
}

/// Of those that have not ended; there is one.
Watchdog::Call Watchdog::oldest(const Comm &comm) {
  return (comm.replayed ? *comm.replayed : comm.own)[comm.finished - comm.beforeStep];
}

void Watchdog::publish() {
  const Comm *waiting = nullptr;
  for (size_t i = 0; i < comms.size(); ++i) {
    Comm &comm = comms[i];
    uint32_t started = startedOf(static_cast<int>(i)), finished = finishedOf(static_cast<int>(i));
    if (started != comm.started || finished != comm.finished)
      comm.since = Clock::now();
    comm.started = started, comm.finished = finished;
    CommProgress &cell = board.comm(setup.rank, static_cast<int64_t>(i));
    cell.started = started, cell.finished = finished;
    // Of those that its streams are in, the one that was called first; else of those that the host has called.
    auto rank = [](const Comm &c) { return std::make_pair(c.started == c.finished, oldest(c).order); };
    if (comm.called != finished && (!waiting || rank(comm) < rank(*waiting)))
      waiting = &comm;
  }
  RankProgress &row = board.rank(setup.rank);
  row.waits = waiting != nullptr;
  if (!waiting)
    return;
  Call call = oldest(*waiting);
  row.comm = static_cast<int32_t>(waiting - comms.data());
  row.site = static_cast<int32_t>(call.site);
  row.peer = call.peer;
  row.number = waiting->finished + 1;
}

void Watchdog::look() {
  publish();
  const RankProgress &row = board.rank(setup.rank);
  if (!row.waits)
    return;
  std::string where = describe(row.comm, row.site);
  for (const Comm &comm : comms)
    if (comm.handle)
      if (std::string error = setup.asyncError(comm.handle); !error.empty())
        return report(formatString("rank %d waited in %s%s: %s", setup.rank, where.c_str(),
                                   describeMissing(setup.rank, kHops).c_str(), error.c_str()));
  for (int64_t rank = 0; rank < board.ranks(); ++rank)
    // In this order: a rank says that it has ended before its process goes.
    if (seen[rank] && !board.isAlive(rank) && !board.rank(rank).ended)
      return report(formatString("rank %d waited in %s, and the process of rank %lld has gone", setup.rank,
                                 where.c_str(), static_cast<long long>(rank)));
  const Comm &comm = comms[row.comm];
  Clock::time_point since = comm.since;
  // A stream that has not come to an operation is not late as long as operations before it end.
  if (comm.started == comm.finished)
    for (const Comm &other : comms)
      since = std::max(since, other.since);
  if (std::chrono::duration<double>(Clock::now() - since).count() < setup.seconds)
    return;
  if (comm.started == comm.finished)
    return report(
        formatString("the GPU of rank %d did not come to %s in %g s", setup.rank, where.c_str(), setup.seconds));
  report(formatString("rank %d waited %g s in %s%s", setup.rank, setup.seconds, where.c_str(),
                      describeMissing(setup.rank, kHops).c_str()));
}

std::string Watchdog::describe(int comm, int64_t site) const {
  const ColoProgram &program = *setup.program;
  if (site >= 0 && site < program.siteCount) {
    const ColoSite &at = program.sites[site];
    return formatString("%s at %s over %s", at.kind, at.source, program.comms[at.comm].name);
  }
  return comm == 0 ? "making NCCL's communicator of all ranks"
                   : formatString("making NCCL's communicator over %s", program.comms[comm - 1].name);
}

std::string Watchdog::describeMissing(int64_t waiting, int hops) const {
  const RankProgress &row = board.rank(waiting);
  int32_t comm = row.comm, peer = row.peer;
  uint32_t number = row.number;
  std::string text;
  auto add = [&](int64_t rank) {
    text += formatString("%s rank %lld, %s", text.empty() ? " for" : ";", static_cast<long long>(rank),
                         describeOther(rank, waiting, hops).c_str());
  };
  if (peer >= 0) {
    add(peer);
    return text;
  }
  int64_t elsewhere = 0;
  for (int64_t rank = 0; rank < board.ranks(); ++rank) {
    const CommProgress &cell = board.comm(rank, comm);
    elsewhere += board.rank(rank).process == 0;
    // All ranks of the world make a communicator.
    bool isMember = rank != waiting &&
                    (comm == 0 || row.site < 0 || (cell.joined && cell.group == board.comm(waiting, comm).group));
    if (isMember && board.rank(rank).process != 0 && isBefore(cell.started, number))
      add(rank);
  }
  if (text.empty() && !elsewhere)
    return ", which all its ranks have come to";
  if (elsewhere)
    text += formatString("%s %lld ranks of which this host knows nothing", text.empty() ? " for one of" : ", or one of",
                         static_cast<long long>(elsewhere));
  return text;
}

std::string Watchdog::describeOther(int64_t rank, int64_t waiting, int hops) const {
  const RankProgress &row = board.rank(rank), &from = board.rank(waiting);
  bool isGone = seen[rank] && !board.isAlive(rank);
  if (row.ended)
    return "which has ended";
  if (isGone)
    return "whose process has gone";
  // Numbers of transfers are not the same at both ends.
  bool isTransfer = from.peer >= 0;
  bool isSame = row.comm == from.comm && (isTransfer ? row.peer == waiting : row.number == from.number);
  if (row.waits && !isSame && hops > 0)
    return formatString("which waits in %s%s", describe(row.comm, row.site).c_str(),
                        describeMissing(rank, hops - 1).c_str());
  const CommProgress &cell = board.comm(rank, from.comm);
  if (row.waits && isSame)
    return "whose GPU has not come there";
  return "which has not called it" + (cell.called ? "; it last called " + describe(from.comm, cell.lastSite) : "");
}

/// One rank of a host speaks. The others give it the time to, and go too.
void Watchdog::report(const std::string &message) {
  stopping = true;
  board.hideName(); // if ranks have not met, nobody has yet
  if (board.claimSpeech())
    return setup.fail(message);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  _exit(ExitInternal);
}

} // namespace colo::runtime::cuda
