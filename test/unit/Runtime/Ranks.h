//===- Ranks.h - ranks of a test ---------------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs a body once per rank with a communicator of all of them: on threads, or,
// when the binary itself was started for this purpose (ProcessesTest.cpp), in the
// processes of a world of that size.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_UNIT_RUNTIME_RANKS_H
#define COLO_TEST_UNIT_RUNTIME_RANKS_H

#include "colo/Runtime/Comm.h"

#include <thread>
#include <vector>

namespace colo::runtime::testing {

/// The provider in a process that ProcessesTest.cpp started, else null.
const CommProvider *processProviderUnderTest(int &rank, int &ranks);

template <typename Body> void runRanks(int ranks, Body body) {
  int processRank = 0, processRanks = 0;
  if (const CommProvider *processes = processProviderUnderTest(processRank, processRanks)) {
    ncclComm_t comm = nullptr;
    if (ranks != processRanks)
      return;
    setCommProvider(processes);
    ncclCommInitRank(&comm, ranks, {}, processRank);
    body(comm, processRank);
    ncclCommDestroy(comm);
    return;
  }
  setCommProvider(threadsProvider());
  setCommFailureHandler(nullptr);
  ncclUniqueId id;
  ncclGetUniqueId(&id);
  auto life = [&](int rank) {
    ncclComm_t comm = nullptr;
    if (ncclCommInitRank(&comm, ranks, id, rank) == ncclSuccess) {
      body(comm, rank);
      ncclCommDestroy(comm);
    }
  };
  std::vector<std::thread> threads;
  for (int rank = 1; rank < ranks; ++rank)
    threads.emplace_back(life, rank);
  life(0);
  for (std::thread &thread : threads)
    thread.join();
}

} // namespace colo::runtime::testing

#endif // COLO_TEST_UNIT_RUNTIME_RANKS_H
