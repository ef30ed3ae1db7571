//===- Epilogue.cpp - what products do to their results on a CPU -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Epilogue.h. Rows are shared out over the rank's team.
//
//===----------------------------------------------------------------------===//

#include "Epilogue.h"
#include "Half.h"
#include "Threads.h"

#include <algorithm>
#include <vector>

namespace colo::runtime {

namespace {

struct Rows {
  const ColoGemm &gemm;
  const ProductData &data;
};

/// Row `row` of the result, of all rows of its batch: elements before it.
int64_t offsetOf(const ColoGemm &g, int64_t row) {
  int64_t offset = row % g.m * g.cm, rest = row / g.m;
  for (int i = g.batchRank - 1; i >= 0; rest /= g.batch[i--])
    offset += rest % g.batch[i] * g.cBatch[i];
  return offset;
}

template <typename T> void copyRows(void **arguments, int64_t begin, int64_t end) {
  const auto &[gemm, data] = *static_cast<const Rows *>(*arguments);
  for (int64_t row = begin; row < end; ++row) {
    int64_t offset = offsetOf(gemm, row);
    std::copy_n(static_cast<const T *>(data.addend) + offset, gemm.n, static_cast<T *>(data.c) + offset);
  }
}

template <typename T> void finishTheseRows(void **arguments, int64_t begin, int64_t end) {
  const auto &[gemm, data] = *static_cast<const Rows *>(*arguments);
  bool adds = gemm.epilogue & COLO_EPILOGUE_BIAS, cuts = gemm.epilogue & COLO_EPILOGUE_RELU;
  for (int64_t row = begin; row < end; ++row) {
    T *c = static_cast<T *>(data.c) + offsetOf(gemm, row);
    for (int64_t i = 0; i < gemm.n; ++i) {
      T sum = adds ? c[i] + static_cast<const T *>(data.bias)[i] : c[i];
      c[i] = cuts ? relu(sum) : sum;
    }
  }
}

/// Elements [begin, end) of the sums, k by k: along the sums the operand's stride is 1.
template <typename T, typename R> void sumColumns(void **arguments, int64_t begin, int64_t end) {
  using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
  const auto &[gemm, data] = *static_cast<const Rows *>(*arguments);
  bool isA = gemm.epilogue & COLO_EPILOGUE_SUM_A;
  const T *operand = static_cast<const T *>(isA ? data.a : data.b);
  int64_t stride = isA ? gemm.am : gemm.bn, step = isA ? gemm.ak : gemm.bk;
  std::vector<double> sums(end - begin);
  for (int64_t k = 0; k < gemm.k; ++k)
    for (int64_t i = begin; i < end; ++i)
      sums[i - begin] += static_cast<Wide>(operand[i * stride + k * step]);
  for (int64_t i = begin; i < end; ++i)
    static_cast<R *>(data.sums)[i] = R(static_cast<Wide>(sums[i - begin]));
}

template <typename T> void (*sumsOf(const ColoGemm &gemm))(void **, int64_t, int64_t) {
  return gemm.resultDtype == COLO_F32 ? sumColumns<T, float> : sumColumns<T, T>;
}

void onRows(void (*body)(void **, int64_t, int64_t), const ColoGemm &gemm, const ProductData &data) {
  constexpr int64_t elementsOfAPart = 16384;
  Rows rows{gemm, data};
  void *argument = &rows;
  runOnTeam(body, &argument, batchSize(gemm) * gemm.m, std::max<int64_t>(1, elementsOfAPart / gemm.n));
}

} // namespace

void copyAddend(const ColoGemm &gemm, const ProductData &data) {
  if (gemm.epilogue & COLO_EPILOGUE_ADDEND)
    onRows(gemm.resultDtype == COLO_F64 ? copyRows<double> : copyRows<float>, gemm, data);
}

void sumOperand(const ColoGemm &gemm, const ProductData &data) {
  if (!(gemm.epilogue & (COLO_EPILOGUE_SUM_A | COLO_EPILOGUE_SUM_B)))
    return;
  Rows rows{gemm, data};
  void *argument = &rows;
  auto *body = gemm.dtype == COLO_BF16  ? sumsOf<BFloat16>(gemm)
               : gemm.dtype == COLO_F16 ? sumsOf<Float16>(gemm)
               : gemm.dtype == COLO_F64 ? sumColumns<double, double>
                                        : sumsOf<float>(gemm);
  constexpr int64_t lineOfCache = 16;
  runOnTeam(body, &argument, gemm.epilogue & COLO_EPILOGUE_SUM_A ? gemm.m : gemm.n, lineOfCache);
}

void finishRows(const ColoGemm &gemm, const ProductData &data) {
  if (gemm.epilogue & (COLO_EPILOGUE_BIAS | COLO_EPILOGUE_RELU))
    onRows(gemm.resultDtype == COLO_F64 ? finishTheseRows<double> : finishTheseRows<float>, gemm, data);
}

} // namespace colo::runtime
