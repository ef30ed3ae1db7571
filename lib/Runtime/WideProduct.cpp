//===- WideProduct.cpp - products of 16-bit floats by way of f32 -------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See WideProduct.h. Rows are shared out over the rank's team.
//
//===----------------------------------------------------------------------===//

#include "WideProduct.h"
#include "Epilogue.h"
#include "Gelu.h"
#include "Half.h"
#include "Threads.h"

namespace colo::runtime {

namespace {

/// A matrix of 16-bit floats with its batch, and its packed twin: row-major, element of the batch after element.
struct Packing {
  const ColoGemm &gemm;
  const int64_t *batchStrides;
  int64_t rows, cols, rowStride, colStride;
  void *strided;
  float *packed;
  const void *bias = nullptr; ///< of the cols, 16-bit floats that narrowing adds
  void *aux = nullptr;        ///< as `strided`: what gelu's gradient reads, or gelu writes
  int32_t epilogue = 0;       ///< what narrowing does

  /// Row `row` of all rows of the batch: calls body(address of its first element, of its packed twin).
  template <typename T, typename Body> void eachRow(int64_t begin, int64_t end, Body body) const {
    for (int64_t row = begin; row < end; ++row) {
      int64_t offset = row % rows * rowStride, rest = row / rows;
      for (int i = gemm.batchRank - 1; i >= 0; rest /= gemm.batch[i--])
        offset += rest % gemm.batch[i] * batchStrides[i];
      body(static_cast<T *>(strided) + offset, packed + row * cols);
    }
  }
};

/// Fewest elements worth a member of the team.
constexpr int64_t kGrain = 16384;

void onRows(void (*body)(void **, int64_t, int64_t), const Packing &packing) {
  void *argument = const_cast<Packing *>(&packing);
  runOnTeam(body, &argument, batchSize(packing.gemm) * packing.rows, std::max<int64_t>(1, kGrain / packing.cols));
}

template <typename T> void widenRows(void **arguments, int64_t begin, int64_t end) {
  const Packing &p = *static_cast<const Packing *>(*arguments);
  p.eachRow<T>(begin, end, [&](const T *from, float *to) {
    for (int64_t i = 0; i < p.cols; ++i)
      to[i] = static_cast<float>(from[i * p.colStride]);
  });
}

template <typename T> void narrowRows(void **arguments, int64_t begin, int64_t end) {
  const Packing &p = *static_cast<const Packing *>(*arguments);
  const T *bias = static_cast<const T *>(p.bias);
  T *aux = static_cast<T *>(p.aux);
  p.eachRow<T>(begin, end, [&](T *to, const float *from) {
    T *beside = aux ? aux + (to - static_cast<T *>(p.strided)) : nullptr;
    for (int64_t i = 0; i < p.cols; ++i) {
      float value = p.epilogue & COLO_EPILOGUE_BIAS ? from[i] + static_cast<float>(bias[i]) : from[i];
      if (p.epilogue & COLO_EPILOGUE_ARGUMENT)
        beside[i * p.colStride] = T(value);
      if (p.epilogue & COLO_EPILOGUE_GELU_GRAD)
        value *= geluDerivative(static_cast<float>(beside[i * p.colStride]));
      if (p.epilogue & COLO_EPILOGUE_GELU)
        value = gelu(value);
      if (p.epilogue & COLO_EPILOGUE_RELU)
        value = relu(value);
      to[i * p.colStride] = T(value);
    }
  });
}

/// Packed strides of the batch of a matrix of `elements`.
void packBatch(const ColoGemm &gemm, int64_t elements, int64_t *strides) {
  for (int i = gemm.batchRank - 1; i >= 0; elements *= gemm.batch[i--])
    strides[i] = elements;
}

} // namespace

WideProduct::WideProduct(const ColoGemm &gemm) : gemm(gemm), wide(gemm) {
  int64_t batch = batchSize(gemm);
  wide.dtype = wide.resultDtype = COLO_F32;
  wide.epilogue = 0;
  if (gemm.epilogue & COLO_EPILOGUE_ADDEND)
    wide.beta = 1;
  wide.am = wide.k, wide.ak = 1;
  wide.bk = wide.n, wide.bn = 1;
  aFloats = batch * gemm.m * gemm.k, bFloats = batch * gemm.k * gemm.n;
  packBatch(gemm, gemm.m * gemm.k, wide.aBatch);
  packBatch(gemm, gemm.k * gemm.n, wide.bBatch);
  if (gemm.resultDtype == COLO_F32)
    return;
  wide.cm = wide.n, wide.cn = 1;
  cFloats = batch * gemm.m * gemm.n;
  packBatch(gemm, gemm.m * gemm.n, wide.cBatch);
}

void WideProduct::run(const ProductData &data, float *scratch,
                      const std::function<void(const float *, const float *, float *)> &multiply) const {
  float *wideA = scratch, *wideB = wideA + aFloats, *wideC = cFloats ? wideB + bFloats : static_cast<float *>(data.c);
  Packing packA{gemm, gemm.aBatch, gemm.m, gemm.k, gemm.am, gemm.ak, const_cast<void *>(data.a), wideA};
  Packing packB{gemm, gemm.bBatch, gemm.k, gemm.n, gemm.bk, gemm.bn, const_cast<void *>(data.b), wideB};
  Packing packC{gemm, gemm.cBatch, gemm.m, gemm.n, gemm.cm, gemm.cn, data.c, wideC};
  bool isBf16 = gemm.dtype == COLO_BF16;
  auto widen = isBf16 ? widenRows<BFloat16> : widenRows<Float16>;
  onRows(widen, packA);
  onRows(widen, packB);
  if (cFloats && wide.beta != 0) {
    Packing start = packC;
    start.strided = gemm.beta != 0 ? data.c : const_cast<void *>(data.addend);
    onRows(widen, start);
  }
  multiply(wideA, wideB, wideC);
  packC.bias = data.bias;
  packC.aux = data.aux;
  packC.epilogue = gemm.epilogue;
  if (cFloats)
    onRows(isBf16 ? narrowRows<BFloat16> : narrowRows<Float16>, packC);
}

} // namespace colo::runtime
