//===- BoardExchange.cpp - what ranks of other hosts have reached -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See BoardExchange.h. A datagram is words in the order of the sender's bytes: version,
// kind, token, rank, number of communicators; in an answer then the rank's rows.
//
//===----------------------------------------------------------------------===//

#include "CUDA/BoardExchange.h"
#include "Sockets/Network.h"

#include <algorithm>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace colo::runtime::cuda {

/// Of the form; a host whose bytes have another order reads another number.
static constexpr uint32_t kVersion = 0xc0100001;
enum : uint32_t { kQuestion = 1, kAnswer = 2 };
/// Words of a datagram.
enum { kVersionAt, kKindAt, kTokenAt, kRankAt = kTokenAt + 2, kCommsAt, kRowAt };
static constexpr size_t kQuestionBytes = kRowAt * sizeof(uint32_t);
static constexpr size_t kRowWords = 5, kCellWords = 4;
/// Who is not answered is asked again after this time.
static constexpr std::chrono::milliseconds kRepeat{200};
/// Datagrams that are read before the thread does other things.
static constexpr int kMostAtOnce = 1024;

/// What travels of a rank, kRowWords and for each communicator kCellWords.
template <typename Visit> static void forEachField(Board &board, int64_t rank, Visit visit) {
  RankProgress &row = board.rank(rank);
  visit(row.waits), visit(row.comm), visit(row.site), visit(row.peer), visit(row.number);
  for (int64_t i = 0; i < board.comms(); ++i) {
    CommProgress &cell = board.comm(rank, i);
    visit(cell.lastSite), visit(cell.called), visit(cell.started), visit(cell.finished);
  }
}

static sockaddr_in socketAddress(SocketAddress address) {
  sockaddr_in made{};
  made.sin_family = AF_INET;
  made.sin_addr.s_addr = address.host;
  made.sin_port = static_cast<in_port_t>(address.port);
  return made;
}

BoardExchange::BoardExchange(Board &board, int64_t rank)
    : board(board), rank(rank), answered(board.ranks(), false),
      incoming(kRowAt + kRowWords + kCellWords * board.comms()), outgoing(incoming.size()) {
  sockaddr_in bound = socketAddress({chooseHost(), 0});
  if (!bound.sin_addr.s_addr)
    return;
  file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  auto *generic = reinterpret_cast<sockaddr *>(&bound);
  socklen_t size = sizeof bound;
  if (file >= 0 && bind(file, generic, size) == 0 && getsockname(file, generic, &size) == 0)
    own = {bound.sin_addr.s_addr, bound.sin_port};
}

BoardExchange::~BoardExchange() {
  if (file >= 0)
    close(file);
}

void BoardExchange::connect(uint64_t given, std::vector<SocketAddress> all) {
  token = given;
  addresses = std::move(all);
}

/// What gets lost is asked for again.
void BoardExchange::send(uint32_t kind, int64_t of, const sockaddr_in &to) {
  outgoing[kVersionAt] = kVersion;
  outgoing[kKindAt] = kind;
  std::memcpy(&outgoing[kTokenAt], &token, sizeof token);
  outgoing[kRankAt] = static_cast<uint32_t>(of);
  outgoing[kCommsAt] = static_cast<uint32_t>(board.comms());
  size_t bytes = kQuestionBytes;
  if (kind == kAnswer) {
    uint32_t *next = &outgoing[kRowAt];
    forEachField(board, rank, [&](const auto &field) { *next++ = static_cast<uint32_t>(field.load()); });
    bytes = outgoing.size() * sizeof(uint32_t);
  }
  sendto(file, outgoing.data(), bytes, 0, reinterpret_cast<const sockaddr *>(&to), sizeof to);
}

void BoardExchange::receive() {
  if (addresses.empty())
    return;
  const size_t answerBytes = incoming.size() * sizeof(uint32_t);
  for (int i = 0; i < kMostAtOnce; ++i) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    // The length is the datagram's, even where it is longer than there is room.
    ssize_t length =
        recvfrom(file, incoming.data(), answerBytes, MSG_TRUNC, reinterpret_cast<sockaddr *>(&from), &size);
    if (length < 0)
      return;
    auto bytes = static_cast<size_t>(length);
    if (bytes < kQuestionBytes || incoming[kVersionAt] != kVersion ||
        std::memcmp(&incoming[kTokenAt], &token, sizeof token) != 0 || incoming[kCommsAt] != board.comms() ||
        incoming[kRankAt] >= board.ranks())
      continue;
    int64_t of = incoming[kRankAt];
    if (incoming[kKindAt] == kQuestion && bytes == kQuestionBytes && of == rank)
      send(kAnswer, rank, from);
    else if (incoming[kKindAt] == kAnswer && bytes == answerBytes && board.rank(of).process == 0)
      take(of);
  }
}

void BoardExchange::take(int64_t of) {
  const uint32_t *next = &incoming[kRowAt];
  auto comm = static_cast<int32_t>(next[1]), peer = static_cast<int32_t>(next[3]);
  if (comm < 0 || comm >= board.comms() || peer < -1 || peer >= board.ranks())
    return;
  forEachField(board, of, [&](auto &field) { field = static_cast<decltype(field.load())>(*next++); });
  answered[of] = true;
}

template <typename IsDone> void BoardExchange::serve(Clock::time_point until, IsDone isDone) {
  for (receive(); !isDone(); receive()) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (left.count() <= 0)
      return;
    pollfd waited{file, POLLIN, 0};
    poll(&waited, 1, static_cast<int>(left.count()));
  }
}

void BoardExchange::serve(std::chrono::milliseconds time) {
  serve(Clock::now() + time, [] { return false; });
}

void BoardExchange::ask(const std::vector<int64_t> &ranks) {
  auto isDone = [&] { return std::all_of(ranks.begin(), ranks.end(), [&](int64_t each) { return answered[each]; }); };
  const Clock::time_point end = Clock::now() + kPatience;
  while (!isDone() && Clock::now() < end) {
    for (int64_t each : ranks)
      if (!answered[each]) {
        send(kQuestion, each, socketAddress(addresses[each]));
        receive();
      }
    serve(std::min(end, Clock::now() + kRepeat), isDone);
  }
}

} // namespace colo::runtime::cuda
