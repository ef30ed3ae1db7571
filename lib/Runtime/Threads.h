//===- Threads.h - threads inside a rank -------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rank has one team of threads, which its kernels and oneDNN share. oneDNN is
// compiled for OpenMP and calls six functions of libgomp; an executable defines
// them itself, so that the loader binds oneDNN to the team. Two reasons: libgomp
// spins for milliseconds while it waits, which costs a machine that has other
// work several times the step's time, and it starts threads anew whenever a
// larger team follows a smaller one.
//
// The thread that made a team is its member 0 and the only one that may give it
// work. A thread without a team runs parallel regions by itself.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_THREADS_H
#define COLO_LIB_RUNTIME_THREADS_H

#include "colo/Runtime/Stream.h"

#include <cstdint>
#include <thread>
#include <vector>

namespace colo::runtime {

class Team {
public:
  using Body = void (*)(void *data);

  /// `size` members: the calling thread and size - 1 new ones.
  explicit Team(int64_t size);
  ~Team();
  Team(const Team &) = delete;

  int64_t size() const { return static_cast<int64_t>(members.size()); }
  /// body(data) once on each of members 0 … count - 1, all at the same time, so
  /// that it may wait at barrier(). Returns when all are done.
  void run(Body body, void *data, int64_t count);
  /// Returns when all members of the region in progress have called it.
  void barrier();

  /// Calls kernel(arguments, begin, end) until [0, extent) is covered, on at most
  /// `count` members. Each starts with its own share, in pieces, and then takes
  /// pieces of others, so that a member that gets no core holds nobody up.
  void runKernel(void (*kernel)(void **, int64_t, int64_t), void **arguments, int64_t extent, int64_t count);

private:
  struct alignas(64) Member {
    WaitWord go;                  ///< counts the regions that this member is part of
    std::atomic<int64_t> next{0}; ///< of the kernel in progress: the first piece of the share that nobody has taken
    std::thread thread;
  };
  void work(int64_t index);

  std::vector<Member> members;
  Body body = nullptr;
  void *data = nullptr;
  int64_t count = 1; ///< members of the region in progress
  bool stopping = false;
  alignas(64) std::atomic<int64_t> running{0}; ///< members other than 0 that are not done
  WaitWord done;                               ///< counts regions that ended
  alignas(64) std::atomic<int64_t> arrived{0};
  WaitWord passed; ///< counts barriers
};

/// kernel(arguments, begin, end) until [0, extent) is covered, on the calling
/// thread's team, each member with at least `grain` of it.
void runOnTeam(void (*kernel)(void **, int64_t, int64_t), void **arguments, int64_t extent, int64_t grain);

/// Makes the calling thread's team, for runOnTeam and oneDNN.
void setRankThreads(int64_t threads);
int64_t rankThreads();

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_THREADS_H
