//===- CublasLt.cpp - cuBLASLt, doubled -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Column by column as the real one, on OpenBLAS. Algorithms remember the alignment
// that they were chosen for.
//
//===----------------------------------------------------------------------===//

#include "Double.h"
#include "Half.h"

#include <algorithm>
#include <cblas.h>
#include <vector>

using namespace colo_double;
using colo::runtime::BFloat16, colo::runtime::Float16;

namespace {
struct Product {
  int compute = 0, type = 0;
  int32_t turnA = 0, turnB = 0;
};
struct Matrix {
  int type = 0;
  uint64_t rows = 0, cols = 0;
  int64_t lead = 0, stride = 0;
  int32_t batch = 1;
};
struct Preference {
  size_t scratch = 0;
  uint32_t alignment[4] = {256, 256, 256, 256};
};
struct Algorithm {
  uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  size_t scratchBytes;
  int state;
  float waves;
  int reserved[4];
};
constexpr size_t kScratch = 4096;
} // namespace

template <typename T> static void set(T &field, const void *value, size_t bytes) {
  if (bytes != sizeof(T))
    fail("an attribute of cuBLASLt has another size");
  field = *static_cast<const T *>(value);
}

DOUBLE_EXPORT int cublasLtCreate(void **handle) {
  openblas_set_num_threads(1);
  *handle = &context();
  return 0;
}
DOUBLE_EXPORT int cublasLtDestroy(void *) { return 0; }
DOUBLE_EXPORT int cublasLtMatmulDescCreate(void **product, int compute, int type) {
  if ((compute != 68 || type != 0) && (compute != 70 || type != 1))
    return 15;
  *product = new Product{compute, type};
  return 0;
}
DOUBLE_EXPORT int cublasLtMatmulDescDestroy(void *product) {
  delete static_cast<Product *>(product);
  return 0;
}
DOUBLE_EXPORT int cublasLtMatmulDescSetAttribute(void *product, int attribute, const void *value, size_t bytes) {
  auto *p = static_cast<Product *>(product);
  if (attribute != 3 && attribute != 4)
    return 7;
  set(attribute == 3 ? p->turnA : p->turnB, value, bytes);
  return 0;
}
DOUBLE_EXPORT int cublasLtMatrixLayoutCreate(void **layout, int type, uint64_t rows, uint64_t cols, int64_t lead) {
  if (lead < static_cast<int64_t>(rows))
    return 7;
  *layout = new Matrix{type, rows, cols, lead};
  return 0;
}
DOUBLE_EXPORT int cublasLtMatrixLayoutDestroy(void *layout) {
  delete static_cast<Matrix *>(layout);
  return 0;
}
DOUBLE_EXPORT int cublasLtMatrixLayoutSetAttribute(void *layout, int attribute, const void *value, size_t bytes) {
  auto *m = static_cast<Matrix *>(layout);
  if (attribute == 5)
    set(m->batch, value, bytes);
  else if (attribute == 6)
    set(m->stride, value, bytes);
  else
    return 7;
  return 0;
}
DOUBLE_EXPORT int cublasLtMatmulPreferenceCreate(void **preference) {
  *preference = new Preference;
  return 0;
}
DOUBLE_EXPORT int cublasLtMatmulPreferenceDestroy(void *preference) {
  delete static_cast<Preference *>(preference);
  return 0;
}
DOUBLE_EXPORT int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value,
                                                       size_t bytes) {
  auto *p = static_cast<Preference *>(preference);
  if (attribute == 1)
    set(p->scratch, value, bytes);
  else if (attribute >= 5 && attribute <= 8)
    set(p->alignment[attribute - 5], value, bytes);
  else
    return 7;
  return 0;
}

static bool isNarrow(int type) { return type == 2 || type == 14; }
static size_t bytesOf(int type) { return isNarrow(type) ? 2 : type == 1 ? 8 : 4; }

/// A matrix of any type but f64 as f32: columns of `rows` elements, one after the other.
static std::vector<float> widened(const char *matrix, const Matrix &layout) {
  std::vector<float> wide;
  for (uint64_t col = 0; col < layout.cols; ++col)
    for (uint64_t row = 0; row < layout.rows; ++row) {
      const char *at = matrix + (col * layout.lead + row) * bytesOf(layout.type);
      if (layout.type == 14)
        wide.push_back(static_cast<float>(*reinterpret_cast<const BFloat16 *>(at)));
      else if (layout.type == 2)
        wide.push_back(static_cast<float>(*reinterpret_cast<const Float16 *>(at)));
      else
        wide.push_back(*reinterpret_cast<const float *>(at));
    }
  return wide;
}

static void narrowInto(char *matrix, const Matrix &layout, const std::vector<float> &wide) {
  for (uint64_t col = 0; col < layout.cols; ++col)
    for (uint64_t row = 0; row < layout.rows; ++row) {
      char *at = matrix + (col * layout.lead + row) * bytesOf(layout.type);
      float value = wide[col * layout.rows + row];
      if (layout.type == 14)
        *reinterpret_cast<BFloat16 *>(at) = BFloat16(value);
      else if (layout.type == 2)
        *reinterpret_cast<Float16 *>(at) = Float16(value);
      else
        *reinterpret_cast<float *>(at) = value;
    }
}

/// The sizes of a product, or none.
static bool sizes(const Product &p, const Matrix &a, const Matrix &b, const Matrix &c, int &m, int &n, int &k) {
  m = static_cast<int>(c.rows), n = static_cast<int>(c.cols);
  k = static_cast<int>(p.turnA ? a.rows : a.cols);
  return (p.turnA ? a.cols : a.rows) == c.rows && (p.turnB ? b.rows : b.cols) == c.cols &&
         (p.turnB ? b.cols : b.rows) == static_cast<uint64_t>(k) && a.batch == c.batch && b.batch == c.batch &&
         a.type == b.type && (isNarrow(a.type) ? p.type == 0 : a.type == p.type) &&
         (c.type == a.type || (isNarrow(a.type) && c.type == 0));
}

DOUBLE_EXPORT int cublasLtMatmulAlgoGetHeuristic(void *, void *product, void *a, void *b, void *c, void *,
                                                 void *preference, int wanted, Heuristic *results, int *found) {
  int m = 0, n = 0, k = 0;
  auto *p = static_cast<Preference *>(preference);
  if (wanted < 1 || !sizes(*static_cast<Product *>(product), *static_cast<Matrix *>(a), *static_cast<Matrix *>(b),
                           *static_cast<Matrix *>(c), m, n, k))
    return 7;
  results[0] = {};
  results[0].algorithm.data[0] = *std::min_element(p->alignment, p->alignment + 4);
  results[0].scratchBytes = std::min(kScratch, p->scratch);
  *found = 1;
  return 0;
}

DOUBLE_EXPORT int cublasLtMatmul(void *, void *product, const void *alpha, const void *a, void *aLayout, const void *b,
                                 void *bLayout, const void *beta, const void *c, void *cLayout, void *d, void *,
                                 const Algorithm *algorithm, void *scratch, size_t scratchBytes, CUstream_st *stream) {
  if (mustFail("cublasLtMatmul"))
    return 13;
  Product p = *static_cast<Product *>(product);
  Matrix am = *static_cast<Matrix *>(aLayout), bm = *static_cast<Matrix *>(bLayout),
         cm = *static_cast<Matrix *>(cLayout);
  int m = 0, n = 0, k = 0;
  uint64_t places = reinterpret_cast<uint64_t>(a) | reinterpret_cast<uint64_t>(b) | reinterpret_cast<uint64_t>(d);
  if (!sizes(p, am, bm, cm, m, n, k) || c != d || !stream)
    return 7;
  if (places % algorithm->data[0])
    fail("cublasLtMatmul with operands that its algorithm was not chosen for");
  visible(reinterpret_cast<Address>(scratch), kScratch, "cublasLtMatmul's scratch memory");
  if (scratchBytes < kScratch)
    return 7;
  auto see = [&](const void *matrix, const Matrix &layout) {
    int64_t last = layout.stride * (layout.batch - 1) + layout.lead * static_cast<int64_t>(layout.cols - 1) +
                   static_cast<int64_t>(layout.rows);
    return static_cast<char *>(
        visible(reinterpret_cast<Address>(matrix), last * bytesOf(layout.type), "cublasLtMatmul"));
  };
  char *as = see(a, am), *bs = see(b, bm), *cs = see(d, cm);
  double scale = p.type ? *static_cast<const double *>(alpha) : *static_cast<const float *>(alpha);
  double keep = p.type ? *static_cast<const double *>(beta) : *static_cast<const float *>(beta);
  note(CUgraph_st::Product, stream, product, "a product");
  stream->submit([=] {
    for (int32_t i = 0; i < cm.batch; ++i) {
      CBLAS_TRANSPOSE ta = p.turnA ? CblasTrans : CblasNoTrans, tb = p.turnB ? CblasTrans : CblasNoTrans;
      char *x = as + i * am.stride * bytesOf(am.type), *y = bs + i * bm.stride * bytesOf(bm.type),
           *z = cs + i * cm.stride * bytesOf(cm.type);
      if (isNarrow(am.type)) {
        std::vector<float> wideX = widened(x, am), wideY = widened(y, bm), wideZ = widened(z, cm);
        cblas_sgemm(CblasColMajor, ta, tb, m, n, k, static_cast<float>(scale), wideX.data(), static_cast<int>(am.rows),
                    wideY.data(), static_cast<int>(bm.rows), static_cast<float>(keep), wideZ.data(), m);
        narrowInto(z, cm, wideZ);
      } else if (p.type)
        cblas_dgemm(CblasColMajor, ta, tb, m, n, k, scale, reinterpret_cast<double *>(x), am.lead,
                    reinterpret_cast<double *>(y), bm.lead, keep, reinterpret_cast<double *>(z), cm.lead);
      else
        cblas_sgemm(CblasColMajor, ta, tb, m, n, k, static_cast<float>(scale), reinterpret_cast<float *>(x), am.lead,
                    reinterpret_cast<float *>(y), bm.lead, static_cast<float>(keep), reinterpret_cast<float *>(z),
                    cm.lead);
    }
  });
  return 0;
}
