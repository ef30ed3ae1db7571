//===- RandomTest.cpp - random numbers, initial values, data order -----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The generator against published vectors, values independent of layout, the
// order of samples a permutation.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Data.h"
#include "colo/Runtime/Parameters.h"
#include "colo/Runtime/Philox.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

using namespace colo::runtime;

namespace {

void expectBlock(PhiloxBlock block, std::vector<uint32_t> words) {
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(block.word[i], words[i]) << "word " << i;
}

// The known-answer vectors of the Random123 distribution.
TEST(Philox, knownAnswers) {
  expectBlock(philox4x32({{0, 0, 0, 0}}, 0, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  expectBlock(philox4x32({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u), {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  expectBlock(philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
              {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST(Philox, counterAndKeyAreLaidOutAsSpecified) {
  uint64_t seed = 0x0123456789abcdefu, index = (5ull << 34) + 3;
  PhiloxBlock block =
      philox4x32({{static_cast<uint32_t>(index / 4), static_cast<uint32_t>((index / 4) >> 32), (7 << 16) + 2, 11}},
                 0x89abcdef, 0x01234567);
  EXPECT_EQ(randomWord(seed, index, (7 << 16) + 2, 11), block.word[3]);
}

TEST(Philox, uniformNumbersAreTheSameInBothPrecisions) {
  for (uint32_t word : {0u, 255u, 256u, 0x80000000u, 0xffffffffu}) {
    double u = uniformFromWord(word);
    EXPECT_EQ(static_cast<double>(static_cast<float>(u)), u);
    EXPECT_LT(u, 1);
  }
}

TEST(Permutation, isABijectionOfAnySize) {
  for (uint64_t size : {1ull, 2ull, 3ull, 5ull, 16ull, 17ull, 1000ull, 4097ull}) {
    Permutation order(size, 9, 2);
    std::vector<bool> seen(size);
    for (uint64_t i = 0; i < size; ++i) {
      uint64_t to = order(i);
      ASSERT_LT(to, size);
      EXPECT_FALSE(seen[to]);
      seen[to] = true;
    }
  }
}

TEST(Permutation, changesWithSeedAndEpochAndMixes) {
  constexpr uint64_t size = 1000;
  Permutation a(size, 1, 0), b(size, 1, 1), c(size, 2, 0), again(size, 1, 0);
  int equalB = 0, equalC = 0, fixed = 0, neighbours = 0;
  for (uint64_t i = 0; i < size; ++i) {
    EXPECT_EQ(a(i), again(i));
    equalB += a(i) == b(i);
    equalC += a(i) == c(i);
    fixed += a(i) == i;
    neighbours += i > 0 && a(i) == a(i - 1) + 1;
  }
  for (int coincidences : {equalB, equalC, fixed, neighbours})
    EXPECT_LT(coincidences, 10);
}

/// A parameter [shape] cut over axes 0 and 1 of a 2 x 3 mesh.
struct Fixture {
  ColoAxis axes[2] = {{"row", 2, 0}, {"col", 3, 0}};
  ColoParam param = {};
  ColoProgram program = {};
  Fixture(int32_t dtype, int32_t init, double a, double b) {
    param.name = "h.#.weight";
    param.rank = 2;
    param.init = init;
    param.initA = a;
    param.initB = b;
    param.layers = 3;
    param.firstLayer = 4;
    program.dtype = dtype;
    program.axisCount = 2;
    program.axes = axes;
    program.paramCount = 1;
    program.params = &param;
    setLayout(false);
  }
  void setLayout(bool cut) {
    int64_t shape[2] = {7, 10}, shards[2] = {cut ? 2 : 1, cut ? 3 : 1};
    for (int d = 0; d < 2; ++d) {
      param.shape[d] = shape[d];
      param.local[d] = (shape[d] + shards[d] - 1) / shards[d];
      param.padded[d] = param.local[d] * shards[d];
      param.dims[d] = {};
      param.dims[d].count = cut;
      param.dims[d].axis[0] = d;
    }
    param.layerStride = param.local[0] * param.local[1];
  }
};

template <typename T> std::vector<T> initialized(const Fixture &f, int64_t row, int64_t col, size_t layer) {
  std::vector<Tensor> tensors = listTensors(f.program);
  std::vector<T> shard(tensors[layer].localElements(), T(99));
  int64_t coords[2] = {row, col};
  initialize(f.program, tensors[layer], 1234, coords, shard.data());
  return shard;
}

TEST(InitialValues, areTheSameUnderEveryLayoutAndPaddingIsZero) {
  for (int32_t init : {COLO_INIT_NORMAL, COLO_INIT_UNIFORM, COLO_INIT_ONES, COLO_INIT_CONSTANT}) {
    Fixture f(COLO_F64, init, 0.25, 0.75);
    std::vector<double> whole = initialized<double>(f, 0, 0, 1);
    f.setLayout(true);
    for (int64_t row = 0; row < 2; ++row)
      for (int64_t col = 0; col < 3; ++col) {
        std::vector<double> shard = initialized<double>(f, row, col, 1);
        for (int64_t i = 0; i < 4; ++i)
          for (int64_t j = 0; j < 4; ++j) {
            int64_t r = row * 4 + i, c = col * 4 + j;
            EXPECT_EQ(shard[i * 4 + j], r < 7 && c < 10 ? whole[r * 10 + c] : 0) << r << "," << c;
          }
      }
  }
}

TEST(InitialValues, f32IsTheRoundedF64) {
  Fixture wide(COLO_F64, COLO_INIT_NORMAL, 0.02, 0), narrow(COLO_F32, COLO_INIT_NORMAL, 0.02, 0);
  std::vector<double> a = initialized<double>(wide, 0, 0, 0);
  std::vector<float> b = initialized<float>(narrow, 0, 0, 0);
  for (size_t i = 0; i < a.size(); ++i)
    EXPECT_EQ(static_cast<float>(a[i]), b[i]);
}

TEST(InitialValues, layersAndNamesDiffer) {
  Fixture f(COLO_F64, COLO_INIT_NORMAL, 1, 0);
  EXPECT_EQ(listTensors(f.program)[2].name, "h.6.weight");
  EXPECT_NE(initialized<double>(f, 0, 0, 0), initialized<double>(f, 0, 0, 1));
}

TEST(InitialValues, normalHasItsMomentsAndUniformItsRange) {
  Fixture f(COLO_F64, COLO_INIT_NORMAL, 2, 5);
  f.param.shape[0] = f.param.local[0] = f.param.padded[0] = 4000;
  std::vector<double> values = initialized<double>(f, 0, 0, 0);
  double sum = 0, squares = 0;
  for (double v : values) {
    sum += v;
    squares += (v - 5) * (v - 5);
  }
  EXPECT_NEAR(sum / values.size(), 5, 0.05);
  EXPECT_NEAR(std::sqrt(squares / values.size()), 2, 0.05);
  f.param.init = COLO_INIT_UNIFORM;
  values = initialized<double>(f, 0, 0, 0);
  auto range = std::minmax_element(values.begin(), values.end());
  EXPECT_GE(*range.first, 2);
  EXPECT_LT(*range.second, 5);
  EXPECT_GT(*range.second - *range.first, 2.99);
}

TEST(Parameters, oneRankSpeaksForEachShard) {
  Fixture f(COLO_F32, COLO_INIT_ZEROS, 0, 0);
  f.setLayout(true);
  f.param.dims[1].count = 0; // replicated over col
  int64_t first[2] = {1, 0}, second[2] = {1, 2};
  EXPECT_TRUE(ownsShard(f.program, f.param, first));
  EXPECT_FALSE(ownsShard(f.program, f.param, second));
}

} // namespace
