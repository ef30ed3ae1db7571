//===- EmulatorTest.cpp - barriers and shuffles on the host ------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Emulator.h"
#include "../../../lib/Runtime/Half.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <type_traits>
#include <vector>

using namespace colo::runtime;

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

/// 16 x 16 numbers, small integers, which both types hold.
template <typename Half> struct Matrices {
  alignas(16) Half left[16][16], right[16][16], turned[16][16]; ///< turned: right's columns
  float sums[16][16];

  Matrices() {
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 16; ++j) {
        left[i][j] = Half(static_cast<float>((7 * i + 3 * j) % 17 - 8));
        turned[j][i] = right[i][j] = Half(static_cast<float>((5 * i + 11 * j) % 13 - 6));
        sums[i][j] = static_cast<float>(i - 2 * j);
      }
  }
};

/// The product of 16 x 16 matrices and a warp: `Transposes` right's columns out of its rows.
template <typename Half, bool Transposes> void multiplyMatrices(void **arguments, int64_t, int64_t lane) {
  auto *all = static_cast<Matrices<Half> *>(arguments[0]);
  auto address = [](Half *row) { return reinterpret_cast<uint64_t>(row); };
  int64_t row = lane % 16, column = lane / 16 * 8;
  uint32_t words[10], right[4];
  colo_emulate_load_matrices(words, address(&all->left[row][column]), 1, false);
  if (Transposes)
    colo_emulate_load_matrices(right, address(&all->right[row][column]), 2, true);
  else
    colo_emulate_load_matrices(right, address(&all->turned[lane % 8 + column][lane / 8 % 2 * 8]), 2, false);
  for (int64_t half = 0; half < 2; ++half) {
    auto sum = [&](int64_t i) { return &all->sums[lane / 4 + i / 2 * 8][8 * half + lane % 4 * 2 + i % 2]; };
    for (int64_t i = 0; i < 2; ++i)
      words[4 + i] = right[2 * half + i];
    for (int64_t i = 0; i < 4; ++i)
      std::memcpy(&words[6 + i], sum(i), sizeof(float));
    colo_emulate_multiply(words, 3 + half, std::is_same_v<Half, BFloat16>);
    for (int64_t i = 0; i < 4; ++i)
      std::memcpy(sum(i), &words[6 + i], sizeof(float));
  }
}

template <typename Half, bool Transposes> void expectPlainProduct() {
  Matrices<Half> all, before;
  void *arguments[] = {&all};
  colo_emulate(multiplyMatrices<Half, Transposes>, arguments, 1, 0, 0, 1, 32, "product");
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) {
      float expected = before.sums[i][j];
      for (int k = 0; k < 16; ++k)
        expected += static_cast<float>(before.left[i][k]) * static_cast<float>(before.right[k][j]);
      EXPECT_EQ(all.sums[i][j], expected) << i << ", " << j;
    }
}

TEST(Emulator, AWarpMultipliesMatricesAsAPlainLoopDoes) {
  expectPlainProduct<BFloat16, false>();
  expectPlainProduct<BFloat16, true>();
  expectPlainProduct<Float16, false>();
  expectPlainProduct<Float16, true>();
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

void multiplyInHalfAWarp(void **, int64_t, int64_t thread) {
  uint32_t words[10] = {};
  if (thread % 32 < 16)
    colo_emulate_multiply(words, 5, 1);
}

void multiplyTwoProducts(void **, int64_t, int64_t thread) {
  uint32_t words[10] = {};
  colo_emulate_multiply(words, thread < 8 ? 6 : 7, 1);
}

void loadFromOddRows(void **, int64_t, int64_t thread) {
  alignas(16) uint16_t rows[32] = {};
  uint32_t words[4];
  colo_emulate_load_matrices(words, reinterpret_cast<uint64_t>(rows + (thread == 9)), 8, 0);
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

TEST(EmulatorDeathTest, AProductThatNotAllThreadsOfAWarpReachIsReported) {
  EXPECT_EXIT(run(multiplyInHalfAWarp, "k"), ::testing::ExitedWithCode(70),
              "block 0: thread 15 waits at mma 5, which thread 31 does not reach");
  EXPECT_EXIT(run(multiplyTwoProducts, "k"), ::testing::ExitedWithCode(70),
              "block 0: thread 31 waits at mma 7, which thread 7 does not reach");
}

TEST(EmulatorDeathTest, ARowOfAMatrixStartsAtAMultipleOf16) {
  EXPECT_EXIT(run(loadFromOddRows, "k"), ::testing::ExitedWithCode(70),
              "thread 9 has a row at an address that 16 does not divide at ldmatrix 8");
}

} // namespace
