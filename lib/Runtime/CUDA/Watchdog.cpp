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
/// A process that ends tells those that ask until then.
static constexpr std::chrono::milliseconds kFarewell{500};
/// Ranks that do not speak give the one that does so long.
static constexpr std::chrono::milliseconds kTimeToSpeak{2000};

/// Numbers wrap around.
static bool isBefore(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

static uint32_t readWord(const uint32_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

Watchdog::Watchdog(Setup given)
    : setup(std::move(given)), board(setup.board, setup.ranks, setup.program->commCount + 1), seen(setup.ranks, false),
      asked(setup.ranks, false) {
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

bool Watchdog::allAreHere() const {
  for (int64_t rank = 0; rank < board.ranks(); ++rank)
    if (board.rank(rank).process == 0)
      return false;
  return true;
}

SocketAddress Watchdog::openSocket() {
  std::lock_guard<std::mutex> lock(mutex);
  exchange = std::make_unique<BoardExchange>(board, setup.rank);
  return exchange->address();
}

void Watchdog::connect(uint64_t token, std::vector<SocketAddress> addresses) {
  std::lock_guard<std::mutex> lock(mutex);
  exchange->connect(token, std::move(addresses));
}

bool Watchdog::areTogether(int comm, int64_t a, int64_t b) const {
  return comm == 0 || setup.split(comm - 1, a).color == setup.split(comm - 1, b).color;
}

int Watchdog::addCommunicator() {
  std::lock_guard<std::mutex> lock(mutex);
  auto number = static_cast<int>(comms.size());
  if (number >= board.comms())
    failProcess(Status::internal("a rank makes more communicators than its program has"));
  Comm comm;
  comm.own.reserve(kRoom);
  for (int rank = 0; rank < setup.ranks; ++rank)
    if (areTogether(number, rank, setup.rank))
      comm.members.push_back(rank);
  auto key = [&](int rank) { return number == 0 ? rank : setup.split(number - 1, rank).key; };
  std::stable_sort(comm.members.begin(), comm.members.end(), [&](int a, int b) { return key(a) < key(b); });
  comms.push_back(std::move(comm));
  board.comm(setup.rank, number).lastSite = -1;
  return number;
}

void Watchdog::setHandle(int comm, ncclComm_t handle) {
  std::lock_guard<std::mutex> lock(mutex);
  comms[comm].handle = handle;
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
  if (exchange)
    exchange->serve(std::chrono::milliseconds(0));
  const RankProgress &row = board.rank(setup.rank);
  if (!row.waits)
    return;
  std::string where = describe(row.comm, row.site);
  for (const Comm &comm : comms)
    if (comm.handle)
      if (std::string error = setup.asyncError(comm.handle); !error.empty())
        return report(formatString("rank %d waited in %s", setup.rank, where.c_str()), /*namesMissing=*/true,
                      ": " + error);
  for (int64_t rank = 0; rank < board.ranks(); ++rank)
    // In this order: a rank says that it has ended before its process goes.
    if (seen[rank] && !board.isAlive(rank) && !board.rank(rank).ended)
      return report(formatString("rank %d waited in %s", setup.rank, where.c_str()), /*namesMissing=*/false,
                    formatString(", and the process of rank %lld has gone", static_cast<long long>(rank)));
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
        formatString("the GPU of rank %d did not come to %s in %g s", setup.rank, where.c_str(), setup.seconds),
        /*namesMissing=*/false, "");
  report(formatString("rank %d waited %g s in %s", setup.rank, setup.seconds, where.c_str()), /*namesMissing=*/true,
         "");
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

Watchdog::Knowledge Watchdog::knowledgeOf(int64_t rank) const {
  if (board.rank(rank).process != 0)
    return Knowledge::Known;
  if (!exchange || !exchange->canAsk(rank))
    return Knowledge::None;
  if (exchange->hasAnswered(rank))
    return Knowledge::Known;
  return asked[rank] ? Knowledge::Silent : Knowledge::Unasked;
}

/// "rank 4", "ranks 4-6, 9".
static std::string listRanks(const std::vector<int64_t> &ranks) {
  std::string text = ranks.size() == 1 ? "rank" : "ranks";
  for (size_t i = 0, end; i < ranks.size(); i = end) {
    for (end = i + 1; end < ranks.size() && ranks[end] == ranks[end - 1] + 1; ++end) {
    }
    text += formatString("%s %lld", i ? "," : "", static_cast<long long>(ranks[i]));
    if (end > i + 1)
      text += formatString("-%lld", static_cast<long long>(ranks[end - 1]));
  }
  return text;
}

std::string Watchdog::describeMissing(int64_t waiting, int hops) {
  const RankProgress &row = board.rank(waiting);
  int32_t comm = row.comm, peer = row.peer;
  uint32_t number = row.number;
  bool isOfAll = row.site < 0; // all ranks of the world make a communicator
  std::string text;
  auto add = [&](const std::string &who, const char *joint = "; ") { text += (text.empty() ? " for " : joint) + who; };
  std::vector<int64_t> silent, unknown;
  for (int64_t rank = 0; rank < board.ranks(); ++rank) {
    bool isMember = peer >= 0 ? rank == peer : rank != waiting && (isOfAll || areTogether(comm, rank, waiting));
    if (!isMember)
      continue;
    Knowledge knowledge = knowledgeOf(rank);
    if (knowledge == Knowledge::Unasked)
      wanted.push_back(rank);
    else if (knowledge == Knowledge::Silent)
      silent.push_back(rank);
    else if (knowledge == Knowledge::None)
      unknown.push_back(rank);
    else if (peer >= 0 || isBefore(board.comm(rank, comm).started, number))
      add(formatString("rank %lld, %s", static_cast<long long>(rank), describeOther(rank, waiting, hops).c_str()));
  }
  if (silent.size() == 1)
    add(listRanks(silent) + " on another host, whose process does not answer");
  else if (!silent.empty())
    add(listRanks(silent) + " on other hosts, whose processes do not answer");
  if (!unknown.empty())
    add((unknown.size() == 1 ? "" : "one of ") + listRanks(unknown) + ", of which this host knows nothing", ", or ");
  return text.empty() ? ", which all its ranks have come to" : text;
}

std::string Watchdog::describeOther(int64_t rank, int64_t waiting, int hops) {
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

std::string Watchdog::learnMissing() {
  for (;;) {
    wanted.clear();
    std::string text = describeMissing(setup.rank, kHops);
    if (wanted.empty())
      return text;
    for (int64_t rank : wanted)
      asked[rank] = true;
    exchange->ask(wanted);
  }
}

/// One rank of a host speaks. The others give it the time to, and go too. Until then all answer other hosts, whose
/// ranks have found the same.
void Watchdog::report(const std::string &waited, bool namesMissing, const std::string &fault) {
  stopping = true;
  board.hideName(); // if ranks have not met, nobody has yet
  if (board.claimSpeech()) {
    std::string message = waited + (namesMissing ? learnMissing() : "") + fault;
    if (exchange)
      exchange->serve(kFarewell);
    return setup.fail(message);
  }
  if (exchange) // the one that speaks asks at most so often
    exchange->serve((kHops + 1) * BoardExchange::kPatience + kFarewell);
  std::this_thread::sleep_for(kTimeToSpeak);
  _exit(ExitUsage);
}

} // namespace colo::runtime::cuda
