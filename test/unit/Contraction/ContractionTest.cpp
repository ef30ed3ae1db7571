//===- ContractionTest.cpp - einsums as strided products -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every product that is found must give the einsum's numbers, whatever the
// memory order of the three tensors; packed operands must always give one.
//
//===----------------------------------------------------------------------===//

#include "../../../lib/Conversion/PlanBuffers/Contraction.h"
#include "gtest/gtest.h"
#include <algorithm>
#include <map>
#include <numeric>
#include <random>

using namespace colo;

namespace {

struct Case {
  const char *lhs, *rhs, *result;
};

constexpr Case kCases[] = {{"bsh", "oh", "bso"},     {"bso", "oh", "bsh"},     {"bso", "bsh", "oh"},
                           {"bsad", "btad", "bast"}, {"bast", "btad", "bsad"}, {"bsh", "caedh", "bscaed"},
                           {"k", "k", ""},           {"m", "n", "mn"},         {"mk", "kn", "nm"},
                           {"bk", "bk", "b"},        {"mxk", "kyn", "ymnx"}};

const std::map<char, int64_t> kSizes = {{'b', 2}, {'s', 3}, {'h', 4}, {'o', 5}, {'a', 3}, {'d', 2}, {'t', 4},
                                        {'c', 3}, {'e', 1}, {'k', 6}, {'m', 3}, {'n', 4}, {'x', 2}, {'y', 3}};

/// A tensor in memory: letters, a stride for each, values.
struct Tensor {
  std::string letters;
  Strides strides;
  std::vector<double> values;

  int64_t at(const std::map<char, int64_t> &index) const {
    int64_t offset = 0;
    for (size_t i = 0; i < letters.size(); ++i)
      offset += index.at(letters[i]) * strides[i];
    return offset;
  }
};

Tensor create(const Contraction &c, llvm::StringRef letters, llvm::StringRef order, std::mt19937 &random) {
  int64_t size = 1;
  for (char letter : letters)
    size *= kSizes.at(letter);
  Tensor tensor{letters.str(), c.stridesFor(letters, order), std::vector<double>(size)};
  for (double &value : tensor.values)
    value = static_cast<int>(random() % 9) - 4;
  return tensor;
}

/// Calls `body` for every index of the letters.
template <typename Body> void forEach(std::string letters, Body body) {
  std::sort(letters.begin(), letters.end());
  letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
  std::map<char, int64_t> index;
  for (char letter : letters)
    index[letter] = 0;
  while (true) {
    body(index);
    size_t i = 0;
    while (i < letters.size() && ++index[letters[i]] == kSizes.at(letters[i]))
      index[letters[i++]] = 0;
    if (i == letters.size())
      return;
  }
}

std::vector<double> einsum(const Tensor &a, const Tensor &b, const Tensor &c) {
  std::vector<double> result(c.values.size());
  forEach(a.letters + b.letters,
          [&](const auto &index) { result[c.at(index)] += a.values[a.at(index)] * b.values[b.at(index)]; });
  return result;
}

std::vector<double> product(const GemmShape &g, const Tensor &first, const Tensor &second, size_t size) {
  const Tensor &a = g.swapped ? second : first, &b = g.swapped ? first : second;
  std::vector<double> result(size);
  int64_t blocks = std::accumulate(g.batch.begin(), g.batch.end(), int64_t(1), std::multiplies<>());
  for (int64_t block = 0; block < blocks; ++block) {
    int64_t rest = block, ao = 0, bo = 0, co = 0;
    for (size_t i = g.batch.size(); i-- > 0; rest /= g.batch[i]) {
      int64_t at = rest % g.batch[i];
      ao += at * g.aBatch[i], bo += at * g.bBatch[i], co += at * g.cBatch[i];
    }
    for (int64_t m = 0; m < g.m; ++m)
      for (int64_t n = 0; n < g.n; ++n)
        for (int64_t k = 0; k < g.k; ++k)
          result[co + m * g.cm + n * g.cn] += a.values[ao + m * g.am + k * g.ak] * b.values[bo + k * g.bk + n * g.bn];
  }
  return result;
}

std::string shuffled(std::string letters, std::mt19937 &random) {
  std::shuffle(letters.begin(), letters.end(), random);
  return letters;
}

Contraction contraction(const Case &test) {
  llvm::SmallVector<int64_t> lhs, rhs;
  for (char letter : llvm::StringRef(test.lhs))
    lhs.push_back(kSizes.at(letter));
  for (char letter : llvm::StringRef(test.rhs))
    rhs.push_back(kSizes.at(letter));
  return Contraction({test.lhs, test.rhs, test.result}, lhs, rhs);
}

TEST(Contraction, EveryProductFoundGivesTheEinsum) {
  std::mt19937 random(1);
  int found = 0;
  for (const Case &test : kCases) {
    Contraction c = contraction(test);
    for (int i = 0; i < 200; ++i) {
      Tensor a = create(c, test.lhs, shuffled(test.lhs, random), random);
      Tensor b = create(c, test.rhs, shuffled(test.rhs, random), random);
      Tensor r = create(c, test.result, shuffled(test.result, random), random);
      std::optional<GemmShape> shape = c.match(a.strides, b.strides, r.strides);
      if (!shape)
        continue;
      ++found;
      EXPECT_EQ(product(*shape, a, b, r.values.size()), einsum(a, b, r)) << test.lhs << "," << test.rhs;
      EXPECT_TRUE(shape->am == 1 || shape->ak == 1);
      EXPECT_TRUE(shape->bk == 1 || shape->bn == 1);
      EXPECT_EQ(shape->cn, 1);
    }
  }
  EXPECT_GT(found, 500);
}

TEST(Contraction, PackedOperandsAlwaysMatch) {
  std::mt19937 random(2);
  for (const Case &test : kCases) {
    Contraction c = contraction(test);
    Tensor a = create(c, test.lhs, c.packedLhs(), random), b = create(c, test.rhs, c.packedRhs(), random);
    Tensor r = create(c, test.result, c.packedResult(), random);
    std::optional<GemmShape> shape = c.match(a.strides, b.strides, r.strides);
    ASSERT_TRUE(shape) << test.lhs << "," << test.rhs;
    EXPECT_EQ(product(*shape, a, b, r.values.size()), einsum(a, b, r));
    EXPECT_LE(shape->batch.size(), 1u);
  }
}

} // namespace
