//===- ProductTiming.cpp - a step against its products alone -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProductTiming.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace colo::runtime {

/// Elements from the first to past the last that an operand with these strides touches.
static int64_t extent(const ColoGemm &gemm, const int64_t *batchStrides, int64_t rows, int64_t rowStride,
                      int64_t columns, int64_t columnStride) {
  int64_t last = (rows - 1) * rowStride + (columns - 1) * columnStride;
  for (int32_t i = 0; i < gemm.batchRank; ++i)
    last += (gemm.batch[i] - 1) * batchStrides[i];
  return last + 1;
}

/// The least of a few repetitions of `executions` runs of a product, in seconds.
static double timeProduct(Products &products, const ColoGemm &gemm, int64_t index, int64_t executions) {
  auto bytes = static_cast<size_t>(typeSize(gemm.dtype)), out = static_cast<size_t>(typeSize(gemm.resultDtype));
  std::vector<char> a(bytes * extent(gemm, gemm.aBatch, gemm.m, gemm.am, gemm.k, gemm.ak));
  std::vector<char> b(bytes * extent(gemm, gemm.bBatch, gemm.k, gemm.bk, gemm.n, gemm.bn));
  std::vector<char> c(out * extent(gemm, gemm.cBatch, gemm.m, gemm.cm, gemm.n, gemm.cn));
  double least = 0;
  for (int repetition = 0; repetition < 5; ++repetition) {
    auto begin = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < executions; ++i)
      products.run(index, a.data(), b.data(), c.data());
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    least = repetition == 0 ? seconds : std::min(least, seconds);
  }
  return least;
}

void printProductTiming(Rank &rank, std::vector<double> stepSeconds) {
  if (stepSeconds.empty())
    return;
  const ColoProgram &program = rank.program();
  Products &products = rank.products();
  products.counting = false;
  double alone = 0;
  for (int64_t i = 0; i < program.gemmCount; ++i)
    if (int64_t perStep = products.calls()[i] / static_cast<int64_t>(stepSeconds.size()))
      alone += timeProduct(products, program.gemms[i], i, perStep);
  products.counting = true;
  std::nth_element(stepSeconds.begin(), stepSeconds.begin() + stepSeconds.size() / 2, stepSeconds.end());
  double step = stepSeconds[stepSeconds.size() / 2];
  std::printf("products alone %.3f ms, median step %.3f ms, ratio %.2f\n", 1e3 * alone, 1e3 * step,
              alone > 0 ? step / alone : 0);
}

} // namespace colo::runtime
