//===- Board.h - what the ranks of a host have reached -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A piece of memory that all ranks of a host share, threads or processes, so that
// one whose collective does not end can tell who has not come to it. A rank writes
// its own row and reads all; rows of ranks on other hosts stay empty but for what
// BoardExchange learns of them.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_BOARD_H
#define COLO_LIB_RUNTIME_CUDA_BOARD_H

#include <atomic>
#include <cstdint>
#include <string>

namespace colo::runtime::cuda {

/// Of one rank and communicator. Operations are numbered from 1 on in the order in which the rank calls them; all ranks
/// of a communicator call its collectives in one order.
struct CommProgress {
  std::atomic<int32_t> lastSite; ///< of the last call; -1: making it
  /// Called by the host; come to on the stream; done on the stream.
  std::atomic<uint32_t> called, started, finished;
};

/// Of one rank.
struct RankProgress {
  std::atomic<int32_t> process; ///< 0: on another host, or not there yet
  std::atomic<int32_t> ended;   ///< the rank needs no others any more
  /// What the rank is in, so that a chain of ranks that wait can be followed.
  std::atomic<int32_t> waits; ///< whether it is in any
  std::atomic<int32_t> comm, site, peer;
  std::atomic<uint32_t> number;
};

class Board {
public:
  /// Opens the board `name`, which the first of the host's ranks makes. Without shared memory the board is the rank's
  /// own.
  Board(const std::string &name, int64_t ranks, int64_t comms);
  ~Board();
  Board(const Board &) = delete;

  /// Once all ranks have opened it, nobody else will.
  void hideName();
  /// True for one rank of the host: it says what all found.
  bool claimSpeech();

  int64_t ranks() const { return rankCount; }
  int64_t comms() const { return commCount; }
  RankProgress &rank(int64_t rank) const { return rows[rank]; }
  CommProgress &comm(int64_t rank, int64_t comm) const { return cells[rank * commCount + comm]; }
  /// Whether the process of a rank on this host is there.
  bool isAlive(int64_t rank) const;

private:
  std::string name;
  int64_t rankCount, commCount;
  size_t bytes;
  void *memory;
  std::atomic<int32_t> *speaker;
  RankProgress *rows;
  CommProgress *cells;
};

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_BOARD_H
