//===- ProductCases.h - products and what they are ---------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every stride pattern that ColoGemm allows, batched and not, for what executes
// products on a device; operands, and the result of plain loops.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_UNIT_RUNTIME_PRODUCTCASES_H
#define COLO_TEST_UNIT_RUNTIME_PRODUCTCASES_H

#include "Products.h"

#include <random>
#include <vector>

namespace colo::runtime::testing {

inline ColoGemm batched(ColoGemm g, int64_t outer, int64_t inner) {
  g.batchRank = 2;
  g.batch[0] = outer;
  g.batch[1] = inner;
  int64_t a = g.m * g.k, b = g.k * g.n, c = g.m * g.n;
  for (int i = 0; i < 2; ++i) {
    g.aBatch[i] = i ? a : a * inner;
    g.bBatch[i] = i ? b : b * inner;
    g.cBatch[i] = i ? c : c * inner;
  }
  return g;
}

inline ColoGemm transposeA(ColoGemm g) {
  g.am = 1;
  g.ak = g.m;
  return g;
}
inline ColoGemm transposeB(ColoGemm g) {
  g.bk = 1;
  g.bn = g.k;
  return g;
}

/// Operands and result with room around every matrix.
template <typename T> struct Operands {
  std::vector<T> a, b, c;
  explicit Operands(unsigned seed, size_t room = 200000) : a(room), b(room), c(room) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(-1, 1);
    for (auto *v : {&a, &b, &c})
      for (T &x : *v)
        x = static_cast<T>(uniform(random));
  }
};

/// Calls body(offset, column) for all elements of the result.
template <typename Body> void forElements(const ColoGemm &g, Body body) {
  int64_t total = 1;
  for (int i = 0; i < g.batchRank; ++i)
    total *= g.batch[i];
  for (int64_t batch = 0; batch < total; ++batch) {
    int64_t offset = 0, rest = batch;
    for (int i = g.batchRank - 1; i >= 0; rest /= g.batch[i--])
      offset += rest % g.batch[i] * g.cBatch[i];
    for (int64_t i = 0; i < g.m; ++i)
      for (int64_t j = 0; j < g.n; ++j)
        body(offset + i * g.cm + j * g.cn, j);
  }
}

template <typename T> void naive(const ColoGemm &g, const T *a, const T *b, std::vector<T> &c) {
  int64_t index[4] = {}, total = 1;
  for (int i = 0; i < g.batchRank; ++i)
    total *= g.batch[i];
  for (int64_t batch = 0; batch < total; ++batch) {
    int64_t ao = 0, bo = 0, co = 0, rest = batch;
    for (int i = g.batchRank - 1; i >= 0; --i) {
      index[i] = rest % g.batch[i];
      rest /= g.batch[i];
      ao += index[i] * g.aBatch[i];
      bo += index[i] * g.bBatch[i];
      co += index[i] * g.cBatch[i];
    }
    for (int64_t i = 0; i < g.m; ++i)
      for (int64_t j = 0; j < g.n; ++j) {
        double sum = g.beta * c[co + i * g.cm + j * g.cn];
        for (int64_t k = 0; k < g.k; ++k)
          sum += static_cast<double>(a[ao + i * g.am + k * g.ak]) * b[bo + k * g.bk + j * g.bn];
        c[co + i * g.cm + j * g.cn] = static_cast<T>(sum);
      }
  }
}

template <typename Check> void forDense(Check checkBoth) {
  const int64_t sizes[][3] = {{16, 32, 24}, {1, 1, 1},    {1, 17, 5}, {9, 1, 8},
                              {5, 7, 1},    {33, 65, 31}, {1, 1, 40}, {64, 64, 64}};
  for (auto &s : sizes) {
    ColoGemm g = dense(COLO_F32, s[0], s[1], s[2]);
    checkBoth(g, "A B");
    checkBoth(transposeA(g), "At B");
    checkBoth(transposeB(g), "A Bt");
    checkBoth(transposeA(transposeB(g)), "At Bt");
  }
}

template <typename Check> void forWideRows(Check checkBoth) {
  ColoGemm g = dense(COLO_F32, 12, 20, 16);
  g.am = 40;
  g.bk = 33;
  g.cm = 27;
  checkBoth(g, "wide rows");
  ColoGemm t = transposeA(transposeB(dense(COLO_F32, 12, 20, 16)));
  t.ak = 19;
  t.bn = 21;
  t.cm = 64;
  checkBoth(t, "wide columns");
}

// CPUs compute batches of small products and of large ones in different ways.
constexpr int64_t productSizes[] = {8, 48};

template <typename Check> void forBatches(Check checkBoth) {
  for (int64_t size : productSizes) {
    ColoGemm g = batched(dense(COLO_F32, size, 3 * size / 2, size + 2), 2, 3);
    checkBoth(g, "batch");
    checkBoth(transposeA(g), "batch At");
    checkBoth(transposeB(g), "batch Bt");
  }
  ColoGemm one = batched(dense(COLO_F32, 8, 12, 10), 1, 3);
  one.aBatch[0] = one.bBatch[0] = one.cBatch[0] = 5; // of a dim of size 1: any number
  checkBoth(one, "batch of one");
}

// Attention reads q, k, v out of [b, S, 3, heads, D]: scores[b, a] = q kt.
template <typename Check> void forHeads(int64_t s, int64_t d, Check checkBoth) {
  int64_t b = 2, heads = 3, row = 3 * heads * d;
  ColoGemm scores = batched(dense(COLO_F32, s, s, d), b, heads);
  scores.am = row;
  scores.bk = 1;
  scores.bn = row;
  scores.aBatch[0] = scores.bBatch[0] = s * row;
  scores.aBatch[1] = scores.bBatch[1] = d;
  checkBoth(scores, "q kt");
  ColoGemm values = batched(dense(COLO_F32, s, d, s), b, heads);
  values.bk = row;
  values.bBatch[0] = s * row;
  values.bBatch[1] = d;
  values.cm = heads * d;
  values.cBatch[0] = s * heads * d;
  values.cBatch[1] = d;
  checkBoth(values, "p v");
  ColoGemm keys = batched(dense(COLO_F32, s, d, s), b, heads);
  keys.am = 1;
  keys.ak = s;
  keys.bk = row;
  keys.bBatch[0] = s * row;
  keys.bBatch[1] = d;
  keys.cm = row;
  keys.cBatch[0] = s * row;
  keys.cBatch[1] = d;
  checkBoth(keys, "dst q");
}

template <typename Check> void forHeads(Check checkBoth) {
  forHeads(9, 8, checkBoth);
  forHeads(80, 24, checkBoth);
}

template <typename Check> void forSharedOperand(Check checkBoth) {
  for (int64_t size : productSizes) {
    ColoGemm g = batched(dense(COLO_F32, size, 3 * size / 2, size + 2), 2, 3);
    g.bBatch[0] = g.bBatch[1] = 0;
    checkBoth(g, "shared B");
  }
}

} // namespace colo::runtime::testing

#endif // COLO_TEST_UNIT_RUNTIME_PRODUCTCASES_H
