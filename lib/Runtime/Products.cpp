//===- Products.cpp - what all products share -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Products.h.
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Products.h"

#include <algorithm>

namespace colo::runtime {

int64_t batchSize(const ColoGemm &g) {
  int64_t size = 1;
  for (int i = 0; i < g.batchRank; ++i)
    size *= g.batch[i];
  return size;
}

int64_t Products::flops(const ColoGemm &g) { return 2 * batchSize(g) * g.m * g.n * g.k; }

void denseWhereFree(int64_t rows, int64_t cols, int64_t &rowStride, int64_t &colStride) {
  if (cols == 1)
    colStride = rowStride != 1 || rows == 1 ? 1 : std::max(colStride, rows);
  if (rows == 1 && colStride == 1)
    rowStride = std::max(rowStride, cols);
}

/// Sums of 16-bit floats may stay f32.
static bool typesFit(const ColoGemm &g) {
  if (g.dtype == COLO_BF16 || g.dtype == COLO_F16)
    return g.resultDtype == g.dtype || g.resultDtype == COLO_F32;
  return (g.dtype == COLO_F32 || g.dtype == COLO_F64) && g.resultDtype == g.dtype;
}

/// Libraries read and write `aux` eight elements at a time, and one whole product of a batch behind another.
static bool auxFits(const ColoGemm &g) {
  auto fits = [&](int64_t size, int64_t stride) { return stride % 8 == 0 && (size == 1 || stride >= g.m * g.cm); };
  bool all = g.cm % 8 == 0;
  for (int i = 0; i < g.batchRank; ++i)
    all &= fits(g.batch[i], g.cBatch[i]);
  return all;
}

/// Gelu is of 16 bits.
static bool activationFits(const ColoGemm &g) {
  constexpr int32_t aux = COLO_EPILOGUE_GELU_GRAD | COLO_EPILOGUE_ARGUMENT;
  constexpr int32_t sums = COLO_EPILOGUE_SUM_A | COLO_EPILOGUE_SUM_B;
  bool isNarrow = g.resultDtype == COLO_BF16 || g.resultDtype == COLO_F16;
  int32_t activation = g.epilogue & (COLO_EPILOGUE_GELU_GRAD | COLO_EPILOGUE_GELU | COLO_EPILOGUE_RELU);
  bool isAlone = (activation & (activation - 1)) == 0 && (activation == 0 || (g.epilogue & sums) == 0) &&
                 (activation != COLO_EPILOGUE_GELU_GRAD || (g.epilogue == activation && g.beta == 0));
  bool keepsWhatItHas = !(g.epilogue & COLO_EPILOGUE_ARGUMENT) || activation == COLO_EPILOGUE_GELU;
  return isAlone && keepsWhatItHas && (activation == 0 || activation == COLO_EPILOGUE_RELU || isNarrow) &&
         (!(g.epilogue & aux) || auxFits(g));
}

/// Libraries sum an operand whose sums lie next to each other in each of its rows, without a batch.
static bool sumsFit(const ColoGemm &g) {
  bool ofA = g.epilogue & COLO_EPILOGUE_SUM_A, ofB = g.epilogue & COLO_EPILOGUE_SUM_B;
  return (!ofA || g.am == 1) && (!ofB || g.bn == 1) && ((!ofA && !ofB) || g.batchRank == 0);
}

/// A product adds to one thing, and beside it sums at most one operand, for which it has one pointer.
static bool epilogueFits(const ColoGemm &g) {
  if (!activationFits(g))
    return false;
  constexpr int32_t sums = COLO_EPILOGUE_SUM_A | COLO_EPILOGUE_SUM_B;
  if ((g.epilogue & COLO_EPILOGUE_ADDEND) && g.beta != 0)
    return false;
  int32_t vector = g.epilogue & (sums | COLO_EPILOGUE_BIAS);
  return (vector & (vector - 1)) == 0 && sumsFit(g);
}

Status Products::check(const ColoGemm &g) {
  bool ok = (g.am == 1 || g.ak == 1) && (g.bk == 1 || g.bn == 1) && g.cn == 1 && (g.beta == 0 || g.beta == 1) &&
            epilogueFits(g) && typesFit(g) && g.batchRank >= 0 && g.batchRank <= 4 && g.m > 0 && g.n > 0 && g.k > 0;
  if (!ok)
    return Status::internal("matrix product of %s has strides, sizes or a type outside its contract", g.source);
  return Status::ok();
}

} // namespace colo::runtime
