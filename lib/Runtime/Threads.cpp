//===- Threads.cpp - threads inside a rank -----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Threads.h.
//
//===----------------------------------------------------------------------===//

#include "Threads.h"
#include "Profile.h"
#include "colo/Runtime/Program.h"

#include <algorithm>

namespace colo::runtime {

namespace {
/// What a thread is at the moment: member `index` of the `count` of a region, or on its own.
struct Membership {
  Team *team = nullptr;
  int64_t index = 0, count = 1;
};
} // namespace

static thread_local std::unique_ptr<Team> ownTeam;
static thread_local Membership membership;

Team::Team(int64_t size) : members(std::max<int64_t>(size, 1)) {
  for (int64_t index = 1; index < this->size(); ++index)
    members[index].thread = std::thread([this, index] { work(index); });
}

Team::~Team() {
  stopping = true;
  for (int64_t index = 1; index < size(); ++index)
    members[index].go.add(1);
  for (int64_t index = 1; index < size(); ++index)
    members[index].thread.join();
}

void Team::work(int64_t index) {
  WaitWord &go = members[index].go;
  for (uint32_t seen = 0;; ++seen) {
    while (go.load() == seen)
      go.waitChange(seen, 1000, WaitWord::Other::Teammate);
    if (stopping)
      return;
    membership = {this, index, count};
    body(data);
    membership = {};
    if (running.fetch_sub(1, std::memory_order_acq_rel) == 1)
      done.add(1);
  }
}

void Team::run(Body region, void *regionData, int64_t regionCount) {
  body = region;
  data = regionData;
  count = std::clamp<int64_t>(regionCount, 1, size());
  running.store(count - 1, std::memory_order_relaxed);
  uint32_t seen = done.load();
  for (int64_t index = 1; index < count; ++index)
    members[index].go.add(1);
  membership = {this, 0, count};
  body(data);
  membership = {};
  while (count > 1 && done.load() == seen)
    done.waitChange(seen, 1000, WaitWord::Other::Teammate);
}

void Team::barrier() {
  uint32_t seen = passed.load();
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == count) {
    arrived.store(0, std::memory_order_relaxed);
    passed.add(1);
    return;
  }
  while (passed.load() == seen)
    passed.waitChange(seen, 1000, WaitWord::Other::Teammate);
}

namespace {
struct KernelRun {
  ColoKernel kernel;
  void **arguments;
  int64_t extent, shares, pieces; ///< pieces of each share
};
} // namespace

void Team::runKernel(ColoKernel kernel, void **arguments, int64_t extent, int64_t shares) {
  shares = std::min(shares, size());
  // Enough pieces to even out members of unequal speed, few enough that taking them costs nothing.
  KernelRun run{kernel, arguments, extent, shares, std::clamp<int64_t>(extent / shares, 1, 8)};
  for (int64_t share = 0; share < shares; ++share)
    members[share].next.store(0, std::memory_order_relaxed);
  auto part = [](void *data) {
    auto &run = *static_cast<KernelRun *>(data);
    int64_t all = run.shares * run.pieces;
    for (int64_t turn = 0; turn < run.shares; ++turn) {
      int64_t share = (membership.index + turn) % run.shares;
      std::atomic<int64_t> &next = membership.team->members[share].next;
      for (int64_t piece; (piece = next.fetch_add(1, std::memory_order_relaxed)) < run.pieces;) {
        int64_t at = share * run.pieces + piece;
        run.kernel(run.arguments, run.extent * at / all, run.extent * (at + 1) / all);
      }
    }
  };
  this->run(part, &run, shares);
}

void runOnTeam(ColoKernel kernel, void **arguments, int64_t extent, int64_t grain) {
  int64_t threads = std::min(rankThreads(), extent / std::max<int64_t>(grain, 1));
  if (threads <= 1)
    return kernel(arguments, 0, extent);
  ownTeam->runKernel(kernel, arguments, extent, threads);
}

void setRankThreads(int64_t threads) { ownTeam = std::make_unique<Team>(threads); }

int64_t rankThreads() { return ownTeam ? ownTeam->size() : 1; }

} // namespace colo::runtime

using namespace colo::runtime;

extern "C" void colo_launch(ColoFrame *, ColoKernel kernel, void **arguments, int64_t extent, int64_t grain) {
  if (extent <= 0)
    return;
  ProfileScope scope(Profile::Kernel, reinterpret_cast<uintptr_t>(kernel));
  runOnTeam(kernel, arguments, extent, grain);
}

// What oneDNN asks of OpenMP, by libgomp's names. Exported, so that they come
// before libgomp's in the loader's order.
// NOLINTBEGIN(readability-identifier-naming)
#define COLO_EXPORT __attribute__((visibility("default"), used))
extern "C" {
COLO_EXPORT int omp_get_max_threads(void) { return static_cast<int>(rankThreads()); }
COLO_EXPORT int omp_get_num_threads(void) { return static_cast<int>(membership.count); }
COLO_EXPORT int omp_get_thread_num(void) { return static_cast<int>(membership.index); }
COLO_EXPORT int omp_in_parallel(void) { return membership.team != nullptr && membership.count > 1; }
COLO_EXPORT void GOMP_barrier(void) {
  if (membership.count > 1)
    membership.team->barrier();
}
/// `threads` 0 asks for all; a region inside a region is run by its own thread alone.
COLO_EXPORT void GOMP_parallel(void (*body)(void *), void *data, unsigned threads, unsigned) {
  int64_t count = threads ? threads : rankThreads();
  if (ownTeam && count > 1 && !membership.team)
    return ownTeam->run(body, data, count);
  // Still of its team, so that a region inside this one finds it busy.
  Membership outer = membership;
  membership = {outer.team, 0, 1};
  body(data);
  membership = outer;
}
}
// NOLINTEND(readability-identifier-naming)
