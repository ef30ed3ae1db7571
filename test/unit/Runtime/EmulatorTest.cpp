//===- EmulatorTest.cpp - barriers and shuffles on the host ------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Emulator.h"

#include <cmath>
#include <gtest/gtest.h>
#include <vector>

namespace {

constexpr int64_t kThreads = 96;

/// Sums 96 numbers a block: warps by shuffles, their sums in shared memory.
void sumBlock(void **arguments, int64_t block, int64_t thread) {
  auto *in = static_cast<const uint64_t *>(arguments[0]);
  auto *out = static_cast<uint64_t *>(arguments[1]);
  auto *shared = static_cast<uint64_t *>(arguments[2]);
  uint64_t sum = in[block * kThreads + thread];
  for (int32_t distance = 16; distance > 0; distance /= 2)
    sum += colo_emulate_shuffle(sum, distance);
  if (thread % 32 == 0)
    shared[thread / 32] = sum;
  colo_emulate_barrier(1);
  if (thread == kThreads - 1)
    out[block] = shared[0] + shared[1] + shared[2];
}

TEST(Emulator, SumsOfBlocksMeetByShufflesAndBarriers) {
  std::vector<uint64_t> in(5 * kThreads), out(5), expected(5);
  for (size_t i = 0; i < in.size(); ++i) {
    in[i] = i * i;
    expected[i / kThreads] += i * i;
  }
  void *arguments[] = {in.data(), out.data()};
  colo_emulate(sumBlock, arguments, 2, 3 * sizeof(uint64_t), 0, 5, kThreads, "sum");
  EXPECT_EQ(out, expected);
}

/// Neighbours exchange twice in a row; the first value must not be taken from the second exchange.
void exchangeTwice(void **arguments, int64_t, int64_t thread) {
  uint64_t first = colo_emulate_shuffle(thread, 1), second = colo_emulate_shuffle(100 + thread, 2);
  static_cast<uint64_t *>(arguments[0])[thread] = first * 1000 + second;
}

TEST(Emulator, EveryLaneHasItsPartnersValueOfTheSameShuffle) {
  std::vector<uint64_t> out(64);
  void *arguments[] = {out.data()};
  colo_emulate(exchangeTwice, arguments, 1, 0, 0, 1, 64, "exchange");
  for (uint64_t thread = 0; thread < 64; ++thread)
    EXPECT_EQ(out[thread], (thread ^ 1) * 1000 + 100 + (thread ^ 2));
}

void readUnwritten(void **arguments, int64_t, int64_t thread) {
  auto *shared = static_cast<float *>(arguments[1]);
  static_cast<float *>(arguments[0])[thread] = shared[thread];
  colo_emulate_barrier(1);
  shared[thread] = 1;
}

TEST(Emulator, SharedMemoryOfABlockStartsAsNaN) {
  float out[2] = {};
  void *arguments[] = {out};
  colo_emulate(readUnwritten, arguments, 1, sizeof out, 0, 2, 2, "unwritten");
  EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1]));
}

void leaveEarly(void **, int64_t block, int64_t thread) {
  if (block == 1 && thread == 40)
    return;
  colo_emulate_barrier(7);
}

void partUpAtTwoBarriers(void **, int64_t, int64_t thread) { colo_emulate_barrier(thread < 32 ? 1 : 2); }

void shuffleInHalfAWarp(void **, int64_t, int64_t thread) {
  if (thread % 32 < 16)
    colo_emulate_shuffle(1, 1);
}

void run(ColoKernel kernel, const char *name) { colo_emulate(kernel, nullptr, 0, 0, 0, 2, 64, name); }

TEST(EmulatorDeathTest, ABarrierThatNotAllThreadsReachIsReported) {
  EXPECT_EXIT(run(leaveEarly, "Block.fwd.k3"), ::testing::ExitedWithCode(70),
              "kernel Block.fwd.k3, block 1: thread 63 waits at barrier 7, which thread 40 does not reach");
  EXPECT_EXIT(run(partUpAtTwoBarriers, "k"), ::testing::ExitedWithCode(70), "thread 63 waits at barrier 2");
}

TEST(EmulatorDeathTest, AShuffleThatNotAllThreadsOfAWarpReachIsReported) {
  EXPECT_EXIT(run(shuffleInHalfAWarp, "k"), ::testing::ExitedWithCode(70),
              "block 0: thread 15 waits at shuffle 0, which thread 31 does not reach");
}

} // namespace
