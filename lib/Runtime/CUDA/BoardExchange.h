//===- BoardExchange.h - what ranks of other hosts have reached -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each rank has a UDP socket. A datagram asks a rank how far it is; the answer is the
// rank's own rows of its board and goes into the asking rank's board. Nothing is sent
// unless somebody asks. What does not carry the run's token is ignored.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_BOARDEXCHANGE_H
#define COLO_LIB_RUNTIME_CUDA_BOARDEXCHANGE_H

#include "CUDA/Board.h"

#include <chrono>
#include <vector>

struct sockaddr_in;

namespace colo::runtime::cuda {

/// Of IPv4, as it travels.
struct SocketAddress {
  uint32_t host = 0;
  uint32_t port = 0; ///< 0: there is no socket
};

/// Of one thread.
class BoardExchange {
public:
  /// Answers are awaited so long.
  static constexpr std::chrono::milliseconds kPatience{1000};

  /// Opens the socket, at the address of the first interface of NCCL_SOCKET_IFNAME, or else of the first one that is
  /// up, loopback last.
  BoardExchange(Board &board, int64_t rank);
  ~BoardExchange();
  BoardExchange(const BoardExchange &) = delete;
  SocketAddress address() const { return own; }
  /// The sockets of all ranks. Until then nobody asks.
  void connect(uint64_t token, std::vector<SocketAddress> addresses);

  /// Whether a rank, and this one, has a socket.
  bool canAsk(int64_t rank) const { return own.port && !addresses.empty() && addresses[rank].port; }
  /// Whether the board has what a rank on another host said.
  bool hasAnswered(int64_t rank) const { return answered[rank]; }
  /// Asks ranks on other hosts, again where no answer comes.
  void ask(const std::vector<int64_t> &ranks);
  /// Answers what has come, and what comes in that time.
  void serve(std::chrono::milliseconds time);

private:
  using Clock = std::chrono::steady_clock;

  template <typename IsDone> void serve(Clock::time_point until, IsDone isDone);
  void receive();
  void send(uint32_t kind, int64_t of, const sockaddr_in &to);
  void take(int64_t rank);

  Board &board;
  int64_t rank;
  int file = -1;
  SocketAddress own;
  uint64_t token = 0;
  std::vector<SocketAddress> addresses; ///< by rank
  std::vector<bool> answered;
  std::vector<uint32_t> incoming, outgoing;
};

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_BOARDEXCHANGE_H
