//===- CublasLt.cpp - cuBLASLt, doubled -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Column by column as the real one, on OpenBLAS. Algorithms remember the alignment
// that they were chosen for, of the bias and the auxiliary matrix, too; it is that of
// the elements at least. The workspace is at
// a multiple of 256. C and D may be one, but may not overlap otherwise. Gradients of biases are sums of an operand over
// what is contracted, of an A that is not turned or a B that is, without a batch. Gelu is of 16 bits only.
//
//===----------------------------------------------------------------------===//

#include "Double.h"
#include "Epilogue.h"
#include "Gelu.h"
#include "Half.h"

#include <algorithm>
#include <cblas.h>
#include <cstdlib>
#include <cstring>
#include <vector>

using namespace colo_double;
using colo::runtime::BFloat16, colo::runtime::Float16;

namespace {
struct Product {
  int compute = 0, type = 0;
  int32_t turnA = 0, turnB = 0;
  uint32_t epilogue = 1;
  const void *bias = nullptr;
  void *aux = nullptr;
  int64_t auxLead = 0, auxStride = 0;
};
constexpr uint32_t kNone = 1, kGeluGrad = 192, kSumA = 256, kSumB = 512;
constexpr uint32_t kRelu = 2, kBias = 4, kGelu = 32, kKept = 128; // bits of the others
bool sums(const Product &p) { return p.epilogue == kSumA || p.epilogue == kSumB; }
bool differentiates(const Product &p) { return p.epilogue == kGeluGrad; }
bool has(const Product &p, uint32_t bit) {
  return p.epilogue != kNone && !differentiates(p) && !sums(p) && (p.epilogue & bit);
}
bool hasAux(const Product &p) { return differentiates(p) || has(p, kKept); }
bool isKnown(const Product &p) {
  constexpr uint32_t known[] = {kNone,
                                kGeluGrad,
                                kSumA,
                                kSumB,
                                kBias,
                                kRelu,
                                kGelu,
                                kRelu | kBias,
                                kGelu | kBias,
                                kGelu | kKept,
                                kGelu | kKept | kBias};
  return std::find(std::begin(known), std::end(known), p.epilogue) != std::end(known);
}
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
  if (attribute == 3 || attribute == 4)
    set(attribute == 3 ? p->turnA : p->turnB, value, bytes);
  else if (attribute == 7)
    set(p->epilogue, value, bytes);
  else if (attribute == 8)
    set(p->bias, value, bytes);
  else if (attribute == 11)
    set(p->aux, value, bytes);
  else if (attribute == 12)
    set(p->auxLead, value, bytes);
  else if (attribute == 13)
    set(p->auxStride, value, bytes);
  else
    return 7;
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

/// Whether the environment asks for a library without these.
static bool lacks(const char *what) {
  const char *asked = std::getenv("COLO_DOUBLE_LACKS");
  return asked && std::strcmp(asked, what) == 0;
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

/// The largest power of two up to 256 of which an address is a multiple.
static uint64_t alignmentOf(const void *address) {
  auto bits = reinterpret_cast<uint64_t>(address) | 256;
  return bits & (~bits + 1);
}

DOUBLE_EXPORT int cublasLtMatmulAlgoGetHeuristic(void *, void *product, void *a, void *b, void *c, void *d,
                                                 void *preference, int wanted, Heuristic *results, int *found) {
  int m = 0, n = 0, k = 0;
  auto *p = static_cast<Preference *>(preference);
  const Product &of = *static_cast<Product *>(product);
  const Matrix &am = *static_cast<Matrix *>(a), &bm = *static_cast<Matrix *>(b);
  if (wanted < 1 || !sizes(of, am, bm, *static_cast<Matrix *>(c), m, n, k) ||
      !sizes(of, am, bm, *static_cast<Matrix *>(d), m, n, k))
    return 7;
  bool hasVector = has(of, kBias) || sums(of);
  const Matrix &dm = *static_cast<Matrix *>(d);
  if (hasAux(of) && (!of.aux || of.auxLead % 8 || of.auxLead < m || of.auxStride % 8 ||
                     (dm.batch > 1 && of.auxStride < n * of.auxLead)))
    return 7;
  if ((differentiates(of) || has(of, kGelu)) && !isNarrow(dm.type))
    return 15;
  bool sumsAsItLies = of.epilogue == kSumA ? !of.turnA : of.turnB;
  if (!isKnown(of) || (sums(of) && (!sumsAsItLies || dm.batch != 1)))
    return 15;
  if (hasVector && (!of.bias || alignmentOf(of.bias) < bytesOf(dm.type)))
    return 7;
  uint32_t factors = std::min(p->alignment[0], p->alignment[1]), sides = std::min(p->alignment[2], p->alignment[3]);
  if (factors < bytesOf(am.type) || sides < bytesOf(dm.type))
    return 7;
  if ((lacks("alignments") && std::min(factors, sides) < 16) || (lacks("epilogues") && of.epilogue != kNone))
    return 15;
  results[0] = {};
  results[0].algorithm.data[0] = factors;
  results[0].algorithm.data[1] = hasVector ? alignmentOf(of.bias) : 1;
  results[0].algorithm.data[2] = hasAux(of) ? alignmentOf(of.aux) : 1;
  results[0].algorithm.data[3] = sides;
  results[0].scratchBytes = std::min(kScratch, p->scratch);
  *found = 1;
  return 0;
}

/// One product of a batch, in f32 of whatever type the matrices are: D = epilogue(scale A B + keep C + bias).
namespace {
struct Call {
  Product p;
  Matrix am, bm, cm, dm;
  int m, n, k;
  double scale, keep;
  const char *a, *b, *c, *bias;
  char *d, *sums, *aux;

  template <typename T> void exact(int32_t i) const {
    const T *x = reinterpret_cast<const T *>(a) + i * am.stride, *y = reinterpret_cast<const T *>(b) + i * bm.stride;
    const T *z = reinterpret_cast<const T *>(c) + i * cm.stride;
    T *out = reinterpret_cast<T *>(d) + i * dm.stride;
    CBLAS_TRANSPOSE ta = p.turnA ? CblasTrans : CblasNoTrans, tb = p.turnB ? CblasTrans : CblasNoTrans;
    for (int col = 0; keep != 0 && c != d && col < n; ++col)
      std::copy_n(z + col * cm.lead, m, out + col * dm.lead);
    if constexpr (sizeof(T) == 8)
      cblas_dgemm(CblasColMajor, ta, tb, m, n, k, scale, x, am.lead, y, bm.lead, keep, out, dm.lead);
    else
      cblas_sgemm(CblasColMajor, ta, tb, m, n, k, static_cast<float>(scale), x, am.lead, y, bm.lead,
                  static_cast<float>(keep), out, dm.lead);
    for (int col = 0; bias && col < n; ++col)
      for (int row = 0; row < m; ++row)
        out[col * dm.lead + row] += reinterpret_cast<const T *>(bias)[row];
    for (int col = 0; has(p, kRelu) && col < n; ++col)
      for (int row = 0; row < m; ++row)
        out[col * dm.lead + row] = colo::runtime::relu(out[col * dm.lead + row]);
  }

  void narrow(int32_t i) const {
    Call wide = *this;
    auto part = [&](const char *matrix, const Matrix &layout) {
      return widened(matrix + i * layout.stride * bytesOf(layout.type), layout);
    };
    Matrix row{dm.type, static_cast<uint64_t>(m), 1, m};
    std::vector<float> x = part(a, am), y = part(b, bm), z = keep != 0 ? part(c, cm) : std::vector<float>();
    std::vector<float> out(static_cast<size_t>(m) * n), vector = bias ? widened(bias, row) : z;
    wide.am = {0, am.rows, am.cols, static_cast<int64_t>(am.rows)};
    wide.bm = {0, bm.rows, bm.cols, static_cast<int64_t>(bm.rows)};
    wide.cm = wide.dm = {0, dm.rows, dm.cols, m};
    wide.a = reinterpret_cast<const char *>(x.data()), wide.b = reinterpret_cast<const char *>(y.data());
    wide.c = reinterpret_cast<const char *>(z.data()), wide.d = reinterpret_cast<char *>(out.data());
    wide.bias = bias ? reinterpret_cast<const char *>(vector.data()) : nullptr;
    wide.exact<float>(0);
    Matrix auxLayout{dm.type, dm.rows, dm.cols, p.auxLead};
    char *beside = aux + i * p.auxStride * static_cast<int64_t>(bytesOf(dm.type));
    if (has(p, kKept))
      narrowInto(beside, auxLayout, out);
    std::vector<float> before = differentiates(p) ? widened(beside, auxLayout) : std::vector<float>();
    for (size_t j = 0; j < before.size(); ++j)
      out[j] *= colo::runtime::geluDerivative(before[j]);
    for (size_t j = 0; has(p, kGelu) && j < out.size(); ++j)
      out[j] = colo::runtime::gelu(out[j]);
    narrowInto(d + i * dm.stride * static_cast<int64_t>(bytesOf(dm.type)), dm, out);
  }

  /// Of our own A, or B, each row as it lies.
  void sumOperand() const {
    const Matrix &of = p.epilogue == kSumA ? am : bm;
    const char *operand = p.epilogue == kSumA ? a : b;
    std::vector<float> wide = p.type ? std::vector<float>() : widened(operand, of);
    std::vector<double> all(of.rows);
    for (uint64_t col = 0; col < of.cols; ++col)
      for (uint64_t row = 0; row < of.rows; ++row)
        all[row] += p.type ? reinterpret_cast<const double *>(operand)[col * of.lead + row] : wide[col * of.rows + row];
    if (p.type)
      std::copy(all.begin(), all.end(), reinterpret_cast<double *>(sums));
    else
      narrowInto(sums, {dm.type, of.rows, 1, static_cast<int64_t>(of.rows)}, {all.begin(), all.end()});
  }

  void run() const {
    if (sums)
      sumOperand();
    for (int32_t i = 0; i < dm.batch; ++i)
      isNarrow(am.type) ? narrow(i) : p.type ? exact<double>(i) : exact<float>(i);
  }
};
} // namespace

static int64_t bytesOf(const Matrix &layout) {
  int64_t last = layout.stride * (layout.batch - 1) + layout.lead * static_cast<int64_t>(layout.cols - 1) +
                 static_cast<int64_t>(layout.rows);
  return last * static_cast<int64_t>(bytesOf(layout.type));
}

DOUBLE_EXPORT int cublasLtMatmul(void *, void *product, const void *alpha, const void *a, void *aLayout, const void *b,
                                 void *bLayout, const void *beta, const void *c, void *cLayout, void *d, void *dLayout,
                                 const Algorithm *algorithm, void *scratch, size_t scratchBytes, CUstream_st *stream) {
  if (mustFail("cublasLtMatmul"))
    return 13;
  Call call{};
  call.p = *static_cast<Product *>(product);
  call.am = *static_cast<Matrix *>(aLayout), call.bm = *static_cast<Matrix *>(bLayout);
  call.cm = *static_cast<Matrix *>(cLayout), call.dm = *static_cast<Matrix *>(dLayout);
  if (!sizes(call.p, call.am, call.bm, call.cm, call.m, call.n, call.k) ||
      !sizes(call.p, call.am, call.bm, call.dm, call.m, call.n, call.k) || call.cm.type != call.dm.type ||
      (c == d && cLayout != dLayout) || !stream)
    return 7;
  auto isAt = [](const void *matrix, uint64_t multiple) { return reinterpret_cast<uint64_t>(matrix) % multiple == 0; };
  if (!isAt(a, algorithm->data[0]) || !isAt(b, algorithm->data[0]) || !isAt(c, algorithm->data[3]) ||
      !isAt(d, algorithm->data[3]))
    fail("cublasLtMatmul with operands that its algorithm was not chosen for");
  bool hasBias = has(call.p, kBias), hasSums = sums(call.p);
  if (hasAux(call.p) && alignmentOf(call.p.aux) < algorithm->data[2])
    fail("cublasLtMatmul with an auxiliary matrix that its algorithm was not chosen for");
  if ((hasBias || hasSums) && alignmentOf(call.p.bias) < algorithm->data[1])
    fail("cublasLtMatmul with a bias, or sums, that its algorithm was not chosen for");
  visible(reinterpret_cast<Address>(scratch), kScratch, "cublasLtMatmul's scratch memory");
  if (scratchBytes < kScratch || reinterpret_cast<uint64_t>(scratch) % 256)
    return 7;
  auto see = [&](const void *matrix, int64_t bytes) {
    return static_cast<char *>(visible(reinterpret_cast<Address>(matrix), bytes, "cublasLtMatmul"));
  };
  call.a = see(a, bytesOf(call.am)), call.b = see(b, bytesOf(call.bm)), call.c = see(c, bytesOf(call.cm));
  call.d = see(d, bytesOf(call.dm));
  if (c != d && call.c < call.d + bytesOf(call.dm) && call.d < call.c + bytesOf(call.cm))
    fail("cublasLtMatmul with a result that overlaps what it adds");
  auto vector = [&](int elements) { return see(call.p.bias, elements * static_cast<int64_t>(bytesOf(call.dm.type))); };
  call.bias = hasBias ? vector(call.m) : nullptr;
  Matrix auxLayout{call.dm.type, call.dm.rows, call.dm.cols, call.p.auxLead, call.p.auxStride, call.dm.batch};
  call.aux = hasAux(call.p) ? see(call.p.aux, bytesOf(auxLayout)) : nullptr;
  for (auto [other, bytes] : {std::pair<const char *, int64_t>(call.a, bytesOf(call.am)),
                              {call.b, bytesOf(call.bm)},
                              {call.c, bytesOf(call.cm)},
                              {call.d, bytesOf(call.dm)}})
    if (call.aux && other < call.aux + bytesOf(auxLayout) && call.aux < other + bytes)
      fail("cublasLtMatmul with an auxiliary matrix that overlaps another");
  call.sums = hasSums ? vector(call.p.epilogue == kSumA ? call.m : call.n) : nullptr;
  call.scale = call.p.type ? *static_cast<const double *>(alpha) : *static_cast<const float *>(alpha);
  call.keep = call.p.type ? *static_cast<const double *>(beta) : *static_cast<const float *>(beta);
  note(CUgraph_st::Product, stream, product, "a product");
  stream->submit([call] { call.run(); });
  return 0;
}
