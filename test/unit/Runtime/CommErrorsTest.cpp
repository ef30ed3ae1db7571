//===- CommErrorsTest.cpp - wrong calls end with a message, never a hang --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What ranks that disagree, or do not come, are told; and what is counted.
//
//===----------------------------------------------------------------------===//

#include "Ranks.h"

#include <gtest/gtest.h>
#include <string>

using namespace colo::runtime;
using namespace colo::runtime::testing;

namespace {

/// Sets the calling thread's site for messages and counters.
struct AtSite {
  ColoSite sites[2] = {{"all_reduce", "GPT2.wte gpt2.colo:12:9", "forward", 0, 0, 1},
                       {"all_gather", "GPT2.head gpt2.colo:20:5", "forward", 0, 0, 1}};
  CommCounter counters[3];
  int64_t site;
  CommCaller caller;
  explicit AtSite(int64_t index) : site(index), caller{&site, sites, 2, counters, true} { setCommCaller(&caller); }
  ~AtSite() { setCommCaller(nullptr); }
};

void expectMessage(const std::vector<std::string> &parts) {
  std::string message = ncclGetLastError(nullptr);
  for (const std::string &part : parts)
    EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
}

TEST(CommErrors, differentCountsNameBothRanksAndSites) {
  runRanks(3, [&](ncclComm_t comm, int rank) {
    AtSite here(rank == 2);
    float buffer[8] = {};
    EXPECT_NE(ncclSuccess, ncclAllReduce(buffer, buffer, rank == 2 ? 7 : 8, ncclFloat32, ncclSum, comm, nullptr));
    expectMessage({"ranks 0 and 2", "all_reduce of 8 f32 (sum) at GPT2.wte gpt2.colo:12:9",
                   "all_reduce of 7 f32 (sum) at GPT2.head gpt2.colo:20:5"});
    // The communicator is dead from then on, at once.
    EXPECT_NE(ncclSuccess, ncclAllReduce(buffer, buffer, 8, ncclFloat32, ncclSum, comm, nullptr));
  });
}

TEST(CommErrors, differentKindsTypesOpsAndRootsAreFound) {
  using Call = ncclResult_t (*)(void *, ncclComm_t, int);
  const Call calls[] = {
      [](void *b, ncclComm_t c, int r) {
        return r ? ncclAllReduce(b, b, 4, ncclFloat32, ncclSum, c, nullptr)
                 : ncclBroadcast(b, b, 4, ncclFloat32, 0, c, nullptr);
      },
      [](void *b, ncclComm_t c, int r) {
        return ncclAllReduce(b, b, 4, r ? ncclFloat32 : ncclInt32, ncclSum, c, nullptr);
      },
      [](void *b, ncclComm_t c, int r) {
        return ncclAllReduce(b, b, 4, ncclFloat32, r ? ncclMax : ncclSum, c, nullptr);
      },
      [](void *b, ncclComm_t c, int r) { return ncclBroadcast(b, b, 4, ncclFloat32, r, c, nullptr); },
      [](void *b, ncclComm_t c, int r) { return ncclReduce(b, b, 4, ncclFloat32, ncclSum, r, c, nullptr); },
  };
  for (Call call : calls)
    runRanks(2, [&](ncclComm_t comm, int rank) {
      double buffer[8] = {};
      EXPECT_NE(ncclSuccess, call(buffer, comm, rank));
      expectMessage({"ranks 0 and 1 do not make the same call"});
    });
}

TEST(CommErrors, aReceiveThatDoesNotFitItsSend) {
  runRanks(2, [&](ncclComm_t comm, int rank) {
    float buffer[8] = {};
    ncclResult_t result =
        rank ? ncclRecv(buffer, 8, ncclFloat32, 0, comm, nullptr) : ncclSend(buffer, 4, ncclFloat32, 1, comm, nullptr);
    EXPECT_NE(ncclSuccess, result);
    expectMessage({"rank 0's send of 4 f32 does not fit rank 1's receive of 8 f32"});
  });
}

TEST(CommErrors, theWatchdogNamesTheMissingRanks) {
  setCommTimeout(0.3);
  runRanks(4, [&](ncclComm_t comm, int rank) {
    if (rank == 1 || rank == 3)
      return;
    AtSite here(0);
    float value = 0;
    EXPECT_NE(ncclSuccess, ncclAllReduce(&value, &value, 1, ncclFloat32, ncclSum, comm, nullptr));
    expectMessage({"waited 0.3 s in all_reduce of 1 f32 (sum) at GPT2.wte gpt2.colo:12:9 for rank 1, 3"});
  });
  setCommTimeout(300);
}

TEST(CommErrors, aReceiveWithoutASendTimesOut) {
  setCommTimeout(0.2);
  runRanks(2, [&](ncclComm_t comm, int rank) {
    float value = 0;
    if (rank == 1) {
      EXPECT_NE(ncclSuccess, ncclRecv(&value, 1, ncclFloat32, 0, comm, nullptr));
      expectMessage({"rank 1 waited 0.2 s in receive of 1 f32", "for rank 0"});
    }
  });
  setCommTimeout(300);
}

TEST(CommErrors, anAbortReleasesEveryRank) {
  runRanks(3, [&](ncclComm_t comm, int rank) {
    float value = 0;
    if (rank == 1)
      ncclCommAbort(comm);
    else
      EXPECT_EQ(ncclRemoteError, ncclAllReduce(&value, &value, 1, ncclFloat32, ncclSum, comm, nullptr));
    ncclResult_t error;
    ncclCommGetAsyncError(comm, &error);
    EXPECT_EQ(error, ncclRemoteError);
    if (rank != 1)
      expectMessage({"rank 1 aborted"});
  });
}

TEST(CommErrors, argumentsThatCannotBe) {
  runRanks(2, [&](ncclComm_t comm, int) {
    float value = 0;
    EXPECT_EQ(ncclInvalidArgument, ncclBroadcast(&value, &value, 1, ncclFloat32, 2, comm, nullptr));
    EXPECT_EQ(ncclInvalidArgument, ncclSend(&value, 1, ncclFloat32, -1, comm, nullptr));
    EXPECT_EQ(ncclInvalidArgument, ncclAllReduce(&value, &value, 1, ncclNumTypes, ncclSum, comm, nullptr));
    EXPECT_EQ(ncclInvalidUsage, ncclGroupEnd());
  });
}

// The rule: bytes that leave a rank, ring and flat algorithms.
TEST(CommCounting, equalsTheClosedForms) {
  constexpr int n = 3;
  int64_t reduced[n] = {}, other[n] = {};
  runRanks(n, [&](ncclComm_t comm, int rank) {
    AtSite here(0);
    std::vector<float> buffer(64);
    float *b = buffer.data();
    ncclAllReduce(b, b, 10, ncclFloat32, ncclSum, comm, nullptr); // chunks 4, 3, 3
    reduced[rank] = here.counters[0].bytes;
    EXPECT_EQ(here.counters[0].messages, 2 * (n - 1));
    here.site = 1;
    ncclAllGather(b, b + 8, 8, ncclFloat32, comm, nullptr);               // 2 * 8
    ncclReduceScatter(b, b + 32, 5, ncclFloat32, ncclSum, comm, nullptr); // 2 * 5
    ncclBroadcast(b, b, 7, ncclFloat32, 1, comm, nullptr);                // root: 2 * 7
    ncclReduce(b, b, 9, ncclFloat32, ncclSum, 2, comm, nullptr);          // others: 9
    ncclAlltoAll(b, b + 32, 4, ncclFloat32, comm, nullptr);               // 2 * 4
    other[rank] = here.counters[1].bytes;
    EXPECT_EQ(here.counters[1].calls, 5);
    here.caller.counting = false;
    ncclAllReduce(b, b, 10, ncclFloat32, ncclSum, comm, nullptr);
    EXPECT_EQ(here.counters[1].bytes, other[rank]);
  });
  EXPECT_EQ(reduced[0], 4 * (20 - 3 - 3));
  EXPECT_EQ(reduced[1], 4 * (20 - 3 - 4));
  EXPECT_EQ(reduced[2], 4 * (20 - 4 - 3));
  EXPECT_EQ(reduced[0] + reduced[1] + reduced[2], 4 * 2 * (n - 1) * 10);
  EXPECT_EQ(other[0], 4 * (16 + 10 + 9 + 8));
  EXPECT_EQ(other[1], 4 * (16 + 10 + 14 + 9 + 8));
  EXPECT_EQ(other[2], 4 * (16 + 10 + 8));
}

TEST(CommCounting, oneRankCountsNothing) {
  runRanks(1, [&](ncclComm_t comm, int) {
    AtSite here(0);
    float value = 3;
    ncclAllReduce(&value, &value, 1, ncclFloat32, ncclSum, comm, nullptr);
    EXPECT_EQ(here.counters[0].calls + here.counters[0].bytes, 0);
    EXPECT_EQ(value, 3);
  });
}

TEST(CommCounting, callsWithoutASiteHaveAPlaceOfTheirOwn) {
  runRanks(2, [&](ncclComm_t comm, int) {
    AtSite here(-1);
    float value = 3;
    ncclAllReduce(&value, &value, 1, ncclFloat32, ncclSum, comm, nullptr);
    EXPECT_EQ(here.counters[2].calls, 1);
  });
}

} // namespace
