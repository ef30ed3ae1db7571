//===- CommTest.cpp - conformance of a provider ------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every operation, type, count and size of communicator against a fold in rank
// order, in place and out of place, on split communicators, in groups and on
// streams.
//
//===----------------------------------------------------------------------===//

#include "../../../lib/Runtime/Half.h"
#include "Ranks.h"
#include "colo/Runtime/Stream.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace colo::runtime;
using namespace colo::runtime::testing;

namespace {

const size_t counts[] = {0, 1, 3, 7, 8, 9, 255, 256, 257, 4097, 40001};
const int worlds[] = {1, 2, 3, 4, 8, 11};

template <typename T> struct TypeOf;
template <> struct TypeOf<float> {
  static constexpr ncclDataType_t value = ncclFloat32;
};
template <> struct TypeOf<double> {
  static constexpr ncclDataType_t value = ncclFloat64;
};
template <> struct TypeOf<int32_t> {
  static constexpr ncclDataType_t value = ncclInt32;
};
template <> struct TypeOf<int64_t> {
  static constexpr ncclDataType_t value = ncclInt64;
};
template <> struct TypeOf<int8_t> {
  static constexpr ncclDataType_t value = ncclInt8;
};

/// What rank `rank` brings: not representable sums in floats, so that order shows.
template <typename T> std::vector<T> contribution(int rank, size_t count) {
  std::vector<T> values(count);
  for (size_t i = 0; i < count; ++i) {
    int64_t n = static_cast<int64_t>((i * 37 + rank * 101 + 7) % 61) - 30;
    values[i] = std::is_floating_point<T>::value ? static_cast<T>(n / 7.0) : static_cast<T>(n % 11);
  }
  return values;
}

template <typename T> T combine(T a, T b, ncclRedOp_t op) {
  switch (op) {
  case ncclSum:
  case ncclAvg:
    return static_cast<T>(a + b);
  case ncclProd:
    return static_cast<T>(a * b);
  case ncclMax:
    return std::max(a, b);
  default:
    return std::min(a, b);
  }
}

template <typename T> std::vector<T> expectedFold(int ranks, size_t count, ncclRedOp_t op) {
  std::vector<T> result = contribution<T>(0, count);
  for (int r = 1; r < ranks; ++r) {
    std::vector<T> next = contribution<T>(r, count);
    for (size_t i = 0; i < count; ++i)
      result[i] = combine(result[i], next[i], op);
  }
  if (op == ncclAvg)
    for (T &value : result)
      value = static_cast<T>(value / static_cast<T>(ranks));
  return result;
}

template <typename T> bool sameBits(const std::vector<T> &a, const std::vector<T> &b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <typename T> void checkReductions(ncclComm_t comm, int rank, int ranks, size_t count, ncclRedOp_t op) {
  constexpr ncclDataType_t type = TypeOf<T>::value;
  std::vector<T> own = contribution<T>(rank, count), expected = expectedFold<T>(ranks, count, op);
  std::vector<T> result(count), inPlace = own;
  EXPECT_EQ(ncclSuccess, ncclAllReduce(own.data(), result.data(), count, type, op, comm, nullptr));
  EXPECT_TRUE(sameBits(result, expected)) << "all_reduce of " << count << " on rank " << rank << "/" << ranks;
  EXPECT_EQ(ncclSuccess, ncclAllReduce(inPlace.data(), inPlace.data(), count, type, op, comm, nullptr));
  EXPECT_TRUE(sameBits(inPlace, expected)) << "all_reduce in place";

  int root = ranks - 1;
  std::vector<T> atRoot = own;
  EXPECT_EQ(ncclSuccess, ncclReduce(atRoot.data(), atRoot.data(), count, type, op, root, comm, nullptr));
  EXPECT_TRUE(sameBits(atRoot, rank == root ? expected : own)) << "reduce in place";

  std::vector<T> wide = contribution<T>(rank, count * ranks), wideExpected = expectedFold<T>(ranks, count * ranks, op);
  std::vector<T> mine(wideExpected.begin() + rank * count, wideExpected.begin() + (rank + 1) * count);
  EXPECT_EQ(ncclSuccess, ncclReduceScatter(wide.data(), result.data(), count, type, op, comm, nullptr));
  EXPECT_TRUE(sameBits(result, mine)) << "reduce_scatter of " << count;
  T *slice = wide.data() + rank * count;
  EXPECT_EQ(ncclSuccess, ncclReduceScatter(wide.data(), slice, count, type, op, comm, nullptr));
  EXPECT_TRUE(sameBits(std::vector<T>(slice, slice + count), mine)) << "reduce_scatter in place";
}

template <typename T> void checkMoves(ncclComm_t comm, int rank, int ranks, size_t count) {
  constexpr ncclDataType_t type = TypeOf<T>::value;
  std::vector<T> own = contribution<T>(rank, count), expected;
  for (int r = 0; r < ranks; ++r) {
    std::vector<T> part = contribution<T>(r, count);
    expected.insert(expected.end(), part.begin(), part.end());
  }
  std::vector<T> gathered(count * ranks), inPlace(count * ranks);
  EXPECT_EQ(ncclSuccess, ncclAllGather(own.data(), gathered.data(), count, type, comm, nullptr));
  EXPECT_TRUE(sameBits(gathered, expected));
  std::copy(own.begin(), own.end(), inPlace.begin() + rank * count);
  EXPECT_EQ(ncclSuccess, ncclAllGather(inPlace.data() + rank * count, inPlace.data(), count, type, comm, nullptr));
  EXPECT_TRUE(sameBits(inPlace, expected));

  for (int root : {0, ranks - 1}) {
    std::vector<T> value = own;
    EXPECT_EQ(ncclSuccess, ncclBroadcast(value.data(), value.data(), count, type, root, comm, nullptr));
    EXPECT_TRUE(sameBits(value, contribution<T>(root, count)));
  }

  std::vector<T> outgoing = contribution<T>(rank, count * ranks), incoming(count * ranks), wanted;
  for (int r = 0; r < ranks; ++r) {
    std::vector<T> from = contribution<T>(r, count * ranks);
    wanted.insert(wanted.end(), from.begin() + rank * count, from.begin() + (rank + 1) * count);
  }
  EXPECT_EQ(ncclSuccess, ncclAlltoAll(outgoing.data(), incoming.data(), count, type, comm, nullptr));
  EXPECT_TRUE(sameBits(incoming, wanted));
}

template <typename T> class CollectivesOf : public ::testing::Test {};
using Types = ::testing::Types<float, double, int32_t, int64_t, int8_t>;
TYPED_TEST_SUITE(CollectivesOf, Types);

TYPED_TEST(CollectivesOf, equalTheFoldInRankOrder) {
  for (int ranks : worlds)
    runRanks(ranks, [&](ncclComm_t comm, int rank) {
      for (size_t count : counts)
        for (ncclRedOp_t op : {ncclSum, ncclProd, ncclMax, ncclMin})
          checkReductions<TypeParam>(comm, rank, ranks, count, op);
    });
}

TYPED_TEST(CollectivesOf, moveDataUnchanged) {
  for (int ranks : worlds)
    runRanks(ranks, [&](ncclComm_t comm, int rank) {
      for (size_t count : counts)
        checkMoves<TypeParam>(comm, rank, ranks, count);
    });
}

TEST(Comm, averageDividesTheSum) {
  runRanks(3, [&](ncclComm_t comm, int rank) { checkReductions<double>(comm, rank, 3, 100, ncclAvg); });
}

/// 1 added twice to a number whose neighbours are 2 apart: rounded after each addition, nothing would change.
template <typename T> void expectRoundedOnce(ncclDataType_t type, float large) {
  runRanks(3, [&](ncclComm_t comm, int rank) {
    T value(rank == 0 ? large : 1.0f);
    ASSERT_EQ(ncclSuccess, ncclAllReduce(&value, &value, 1, type, ncclSum, comm, nullptr));
    EXPECT_EQ(large + 2, static_cast<float>(value));
  });
}

TEST(Comm, sumsOfSixteenBitFloatsAreRoundedOnce) {
  expectRoundedOnce<BFloat16>(ncclBfloat16, 256);
  expectRoundedOnce<Float16>(ncclFloat16, 2048);
}

TEST(Comm, aNanOnAnyRankIsTheMaximum) {
  for (int culprit : {0, 1, 2})
    runRanks(3, [&](ncclComm_t comm, int rank) {
      float value = rank == culprit ? NAN : static_cast<float>(rank);
      ncclAllReduce(&value, &value, 1, ncclFloat32, ncclMax, comm, nullptr);
      EXPECT_NE(value, value);
    });
}

TEST(Comm, sendAndReceiveKeepTheOrderOfEachPair) {
  for (int ranks : {2, 3, 8})
    runRanks(ranks, [&](ncclComm_t comm, int rank) {
      int next = (rank + 1) % ranks, previous = (rank + ranks - 1) % ranks;
      std::vector<std::vector<int32_t>> out, in(5, std::vector<int32_t>(100));
      for (int k = 0; k < 5; ++k)
        out.emplace_back(100, rank * 10 + k);
      ncclGroupStart();
      for (int k = 0; k < 5; ++k)
        ncclSend(out[k].data(), 100, ncclInt32, next, comm, nullptr);
      for (int k = 0; k < 5; ++k)
        ncclRecv(in[k].data(), 100, ncclInt32, previous, comm, nullptr);
      EXPECT_EQ(ncclSuccess, ncclGroupEnd());
      for (int k = 0; k < 5; ++k)
        EXPECT_EQ(in[k], std::vector<int32_t>(100, previous * 10 + k));
    });
}

TEST(Comm, aRankMaySendToItselfInAGroup) {
  runRanks(1, [&](ncclComm_t comm, int) {
    int32_t out = 7, in = 0;
    ncclGroupStart();
    ncclRecv(&in, 1, ncclInt32, 0, comm, nullptr);
    ncclSend(&out, 1, ncclInt32, 0, comm, nullptr);
    EXPECT_EQ(ncclSuccess, ncclGroupEnd());
    EXPECT_EQ(in, 7);
  });
}

TEST(Comm, splitOrdersRanksByKeyAndLeavesOthersOut) {
  runRanks(8, [&](ncclComm_t world, int rank) {
    ncclComm_t half = nullptr;
    int color = rank == 7 ? NCCL_SPLIT_NOCOLOR : rank % 2;
    EXPECT_EQ(ncclSuccess, ncclCommSplit(world, color, -rank, &half, nullptr));
    if (rank == 7) {
      EXPECT_EQ(half, nullptr);
      return;
    }
    int size, place;
    ncclCommCount(half, &size);
    ncclCommUserRank(half, &place);
    std::vector<int> members = color ? std::vector<int>{5, 3, 1} : std::vector<int>{6, 4, 2, 0};
    ASSERT_EQ(size, static_cast<int>(members.size()));
    EXPECT_EQ(members[place], rank);
    std::vector<int32_t> gathered(size);
    int32_t own = rank;
    EXPECT_EQ(ncclSuccess, ncclAllGather(&own, gathered.data(), 1, ncclInt32, half, nullptr));
    EXPECT_EQ(gathered, std::vector<int32_t>(members.begin(), members.end()));
    ncclCommDestroy(half);
  });
}

/// Ranks enter two communicators in opposite orders: only a group can finish.
TEST(Comm, aGroupFinishesWhateverItsOrder) {
  runRanks(4, [&](ncclComm_t world, int rank) {
    ncclComm_t row, column;
    ncclCommSplit(world, rank / 2, rank, &row, nullptr);
    ncclCommSplit(world, rank % 2, rank, &column, nullptr);
    for (int round = 0; round < 50; ++round) {
      double a = rank + 1, b = rank + 1;
      auto reduce = [](double *value, ncclComm_t comm) {
        ncclAllReduce(value, value, 1, ncclFloat64, ncclSum, comm, nullptr);
      };
      ncclGroupStart();
      bool rowFirst = rank == 0 || rank == 3;
      reduce(rowFirst ? &a : &b, rowFirst ? row : column);
      reduce(rowFirst ? &b : &a, rowFirst ? column : row);
      ASSERT_EQ(ncclSuccess, ncclGroupEnd());
      EXPECT_EQ(a, rank < 2 ? 3 : 7);
      EXPECT_EQ(b, rank % 2 ? 6 : 4);
    }
    ncclCommDestroy(row);
    ncclCommDestroy(column);
  });
}

TEST(Comm, workerStreamsOverlapAndEventsOrder) {
  for (int ranks : {1, 2, 4})
    runRanks(ranks, [&](ncclComm_t world, int rank) {
      ncclComm_t second;
      ncclCommSplit(world, 0, rank, &second, nullptr);
      Stream compute(true), first(false), other(false);
      Event ready, done;
      std::vector<double> a(1000), b(1000);
      for (int round = 0; round < 200; ++round) {
        std::fill(a.begin(), a.end(), rank + round);
        std::fill(b.begin(), b.end(), rank * round);
        ready.record(compute);
        ready.wait(first);
        ready.wait(other);
        auto stream = [](Stream &s) { return reinterpret_cast<cudaStream_t>(&s); };
        ncclAllReduce(a.data(), a.data(), a.size(), ncclFloat64, ncclSum, world, stream(first));
        ncclAllReduce(b.data(), b.data(), b.size(), ncclFloat64, ncclSum, second, stream(other));
        // `other` adds nothing of its own after this; first waits for it.
        done.record(other);
        done.wait(first);
        done.record(first);
        done.wait(compute);
        double sum = ranks * (ranks - 1) / 2.0;
        ASSERT_EQ(a[999], sum + ranks * round);
        ASSERT_EQ(b[999], sum * round);
      }
      ncclCommDestroy(second);
    });
}

TEST(Comm, anEventNeverRecordedDoesNotBlock) {
  Stream worker(false), compute(true);
  Event never;
  never.wait(compute);
  never.wait(worker);
  worker.synchronize();
}

TEST(Comm, resultsDoNotDependOnTiming) {
  std::vector<float> reference;
  for (int round = 0; round < 5; ++round)
    runRanks(4, [&](ncclComm_t comm, int rank) {
      std::vector<float> value = contribution<float>(rank, 10007);
      if (rank == round % 4)
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
      ncclAllReduce(value.data(), value.data(), value.size(), ncclFloat32, ncclSum, comm, nullptr);
      if (rank != 0)
        return;
      if (reference.empty())
        reference = value;
      EXPECT_TRUE(sameBits(reference, value));
    });
}

} // namespace
