//===- ProductTiming.cpp - a step against its products alone -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ProductTiming.h"
#include "colo/Runtime/Data.h"

#include <algorithm>
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
static double timeProduct(const Rank &rank, int64_t index, int64_t executions) {
  const ColoGemm &gemm = rank.program().gemms[index];
  Device &device = rank.device();
  int64_t size = typeSize(gemm.dtype), out = typeSize(gemm.resultDtype);
  int64_t result = out * extent(gemm, gemm.cBatch, gemm.m, gemm.cm, gemm.n, gemm.cn);
  auto where = [&](int epilogue, int64_t bytes) { return gemm.epilogue & epilogue ? bytes : 0; };
  int64_t sums = where(COLO_EPILOGUE_SUM_A, out * gemm.m) + where(COLO_EPILOGUE_SUM_B, out * gemm.n);
  enum Operand { Result, Addend, Bias, Sums, Aux, A, B, Operands };
  int64_t sizes[Operands] = {result,
                             where(COLO_EPILOGUE_ADDEND, result),
                             where(COLO_EPILOGUE_BIAS, out * gemm.n),
                             sums,
                             where(COLO_EPILOGUE_GELU_GRAD | COLO_EPILOGUE_ARGUMENT, result),
                             size * extent(gemm, gemm.aBatch, gemm.m, gemm.am, gemm.k, gemm.ak),
                             size * extent(gemm, gemm.bBatch, gemm.k, gemm.bk, gemm.n, gemm.bn)};
  int64_t total = 0;
  for (int64_t &bytes : sizes)
    total += bytes = roundTo64(bytes);
  // A device has the arena, which had room for each. Where it has none behind those before, a factor lies over them.
  std::vector<char> own(device.sharesMemory() ? total : 0);
  const Arena &arena = rank.arena();
  char *memory = device.sharesMemory() ? own.data() : arena.begin(Arena::Params);
  int64_t bytes = device.sharesMemory() ? total : arena.begin(Arena::Frame) - memory;
  char *places[Operands];
  for (int64_t i = 0, used = 0; i < Operands; used += sizes[i++])
    places[i] = memory + (used + sizes[i] <= bytes ? used : 0);
  double least = 0;
  for (int repetition = 0; repetition < 5; ++repetition) {
    device.mark(0, COLO_STREAM_COMPUTE);
    for (int64_t i = 0; i < executions; ++i)
      device.products().run(
          index, {places[A], places[B], places[Result], places[Bias], places[Addend], places[Sums], places[Aux]});
    device.mark(1, COLO_STREAM_COMPUTE);
    device.synchronize();
    double seconds = device.secondsBetween(0, 1);
    least = repetition == 0 ? seconds : std::min(least, seconds);
  }
  return least;
}

void printProductTiming(Rank &rank, std::vector<double> stepSeconds) {
  if (stepSeconds.empty())
    return;
  const ColoProgram &program = rank.program();
  Products &products = rank.products();
  auto steps = static_cast<int64_t>(stepSeconds.size());
  products.counting = false;
  double alone = 0;
  for (int64_t i = 0; i < program.gemmCount; ++i)
    if (int64_t perStep = products.calls()[i] / steps)
      alone += timeProduct(rank, i, perStep);
  products.counting = true;
  std::nth_element(stepSeconds.begin(), stepSeconds.begin() + steps / 2, stepSeconds.end());
  double step = stepSeconds[steps / 2];
  std::printf("products alone %.3f ms, median step %.3f ms, ratio %.2f\n", 1e3 * alone, 1e3 * step,
              alone > 0 ? step / alone : 0);
}

} // namespace colo::runtime
