//===- LtProducts.cpp - matrix products on a GPU -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See LtProducts.h. The library's matrices are column by column, ours row by row:
// C = A B is the library's C' = B' A' on the same memory.
//
//===----------------------------------------------------------------------===//

#include "CUDA/LtProducts.h"
#include "CUDA/CublasLt.h"
#include "CUDA/Library.h"
#include "colo/Runtime/Data.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace colo::runtime::cuda {

namespace {

Lt lt;

/// What a product may use of scratch memory.
constexpr size_t kScratchLimit = size_t(32) << 20;
/// Algorithms are chosen for operands at multiples of so many bytes and for any others.
constexpr uint32_t kWideAlignment = 16;

/// What memory is at multiples of, in bytes: both factors; the result, what is added to it, a bias and sums.
struct Alignment {
  uint32_t factors, results;
};

/// One dim of a batch: elements from one product to the next.
struct BatchDim {
  int64_t size, a, b, c;
};

/// Dims of the batch, inner ones first; dims that are evenly spaced together are one.
std::vector<BatchDim> batchDims(const ColoGemm &g) {
  std::vector<BatchDim> dims;
  for (int i = g.batchRank - 1; i >= 0; --i) {
    BatchDim dim{g.batch[i], g.aBatch[i], g.bBatch[i], g.cBatch[i]};
    if (dim.size == 1)
      continue;
    BatchDim *inner = dims.empty() ? nullptr : &dims.back();
    if (inner && dim.a == inner->a * inner->size && dim.b == inner->b * inner->size && dim.c == inner->c * inner->size)
      inner->size *= dim.size;
    else
      dims.push_back(dim);
  }
  return dims;
}

} // namespace

struct LtProducts::Plan {
  void *product = nullptr, *a = nullptr, *b = nullptr, *c = nullptr;
  Algorithm wide = {}, any = {};
  int anyState = 0;            ///< of the latter: whether there is one
  std::vector<BatchDim> loops; ///< around the library's own batch
  int64_t times = 1;

  ~Plan() {
    for (void *layout : {a, b, c})
      if (layout)
        lt.cublasLtMatrixLayoutDestroy(layout);
    if (product)
      lt.cublasLtMatmulDescDestroy(product);
  }
};

Status loadCublasLt() {
  static std::once_flag once;
  static Status status;
  std::call_once(once, [] {
#define COLO_IMPORT(NAME, ...) {#NAME, reinterpret_cast<void **>(&lt.NAME)},
    status = openLibrary({"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"}, "for matrix products",
                         {COLO_LT_FUNCTIONS(COLO_IMPORT)});
#undef COLO_IMPORT
  });
  return status;
}

LtProducts::LtProducts() = default;

LtProducts::~LtProducts() {
  plans.clear();
  if (handle)
    lt.cublasLtDestroy(handle);
}

/// Columns of `inner` elements, `lead` apart.
static int makeLayout(void *&layout, int type, int64_t inner, int64_t outer, int64_t lead, const BatchDim &batch,
                      int64_t batchStride) {
  if (int result = lt.cublasLtMatrixLayoutCreate(&layout, type, inner, outer, lead))
    return result;
  auto count = static_cast<int32_t>(batch.size);
  if (int result = lt.cublasLtMatrixLayoutSetAttribute(layout, kBatchCount, &count, sizeof count))
    return result;
  return lt.cublasLtMatrixLayoutSetAttribute(layout, kBatchStride, &batchStride, sizeof batchStride);
}

/// An operand with these strides, as the library sees it; `turns` if it must turn it. The operand whose sums are asked
/// for is turned, the left one, or not: no other way has them.
static int makeOperand(void *&layout, int type, int64_t rows, int64_t cols, int64_t rowStride, int64_t colStride,
                       const BatchDim &batch, int64_t batchStride, std::optional<bool> asked, int32_t &turns) {
  if (!asked)
    denseWhereFree(rows, cols, rowStride, colStride);
  turns = asked.value_or(colStride != 1);
  auto lead = [](int64_t inner, int64_t outer, int64_t stride) {
    return outer == 1 ? std::max(inner, stride) : stride;
  };
  return turns ? makeLayout(layout, type, rows, cols, lead(rows, cols, colStride), batch, batchStride)
               : makeLayout(layout, type, cols, rows, lead(cols, rows, rowStride), batch, batchStride);
}

/// Where the bias is, or where sums go.
static int setVector(void *product, const void *vector) {
  return lt.cublasLtMatmulDescSetAttribute(product, kBias, &vector, sizeof vector);
}

static int setAux(void *product, const void *aux) {
  return lt.cublasLtMatmulDescSetAttribute(product, kAux, &aux, sizeof aux);
}

/// Our left operand is the library's right.
static uint32_t epilogueOf(const ColoGemm &g) {
  if (g.epilogue & COLO_EPILOGUE_GELU_GRAD)
    return kEpilogueGeluGrad;
  if (g.epilogue & COLO_EPILOGUE_SUM_A)
    return kEpilogueSumB;
  if (g.epilogue & COLO_EPILOGUE_SUM_B)
    return kEpilogueSumA;
  uint32_t all = 0;
  for (auto [ours, theirs] : {std::pair<int32_t, uint32_t>(COLO_EPILOGUE_BIAS, kEpilogueBias),
                              {COLO_EPILOGUE_RELU, kEpilogueRelu},
                              {COLO_EPILOGUE_GELU, kEpilogueGelu},
                              {COLO_EPILOGUE_ARGUMENT, kEpilogueKeepArgument}})
    all |= g.epilogue & ours ? theirs : 0;
  return all ? all : kEpilogueNone;
}

/// Whether there is an auxiliary matrix.
static bool hasAux(const ColoGemm &g) { return g.epilogue & (COLO_EPILOGUE_GELU_GRAD | COLO_EPILOGUE_ARGUMENT); }

/// Whether there is a bias, or sums.
static bool hasVector(const ColoGemm &g) {
  return g.epilogue & (COLO_EPILOGUE_BIAS | COLO_EPILOGUE_SUM_A | COLO_EPILOGUE_SUM_B);
}

static int chooseAlgorithm(void *handle, void *product, void *a, void *b, void *c, Alignment alignment, bool hasVector,
                           Heuristic &chosen) {
  // Of a bias, or of sums, only the address says how it is aligned.
  if (int result = hasVector ? setVector(product, reinterpret_cast<const void *>(uintptr_t(alignment.results))) : 0)
    return result;
  void *preference = nullptr;
  if (int result = lt.cublasLtMatmulPreferenceCreate(&preference))
    return result;
  int result =
      lt.cublasLtMatmulPreferenceSetAttribute(preference, kMaxScratchBytes, &kScratchLimit, sizeof kScratchLimit);
  for (int matrix = 0; matrix < 4 && !result; ++matrix) {
    const uint32_t &bytes = matrix < 2 ? alignment.factors : alignment.results;
    result = lt.cublasLtMatmulPreferenceSetAttribute(preference, kLeastAlignment + matrix, &bytes, sizeof bytes);
  }
  int found = 0;
  if (!result)
    result = lt.cublasLtMatmulAlgoGetHeuristic(handle, product, a, b, c, c, preference, 1, &chosen, &found);
  lt.cublasLtMatmulPreferenceDestroy(preference);
  return result ? result : found ? chosen.state : -1;
}

static int realType(int32_t dtype) {
  switch (dtype) {
  case COLO_BF16:
    return kRealBf16;
  case COLO_F16:
    return kReal16;
  default:
    return dtype == COLO_F64 ? kReal64 : kReal32;
  }
}

/// `where` says more of the product.
static Status lacks(const ColoGemm &g, const char *where, int result) {
  return Status::internal("cuBLASLt has no product %lld x %lld x %lld with epilogue %u%s for %s: status %d%s",
                          static_cast<long long>(g.m), static_cast<long long>(g.n), static_cast<long long>(g.k),
                          epilogueOf(g), where, g.source, result,
                          g.epilogue ? "; colo-compile --no-epilogues does without" : "");
}
static constexpr const char *kAnywhere = " at places that are no multiples of 16 bytes";

/// Whether some product of the loops is at such a place, wherever the first is.
static bool leavesWide(const ColoGemm &g, const std::vector<BatchDim> &loops) {
  return std::any_of(loops.begin(), loops.end(), [&](const BatchDim &dim) {
    return ((dim.a | dim.b) * typeSize(g.dtype) | dim.c * typeSize(g.resultDtype)) % kWideAlignment != 0;
  });
}

Status LtProducts::prepare(const ColoGemm &g, Plan &plan) {
  auto failed = [&](int result) { return lacks(g, "", result); };
  bool isDouble = g.dtype == COLO_F64;
  int type = realType(g.dtype), resultType = realType(g.resultDtype), sums = isDouble ? kCompute64 : kCompute32;
  if (int result = lt.cublasLtMatmulDescCreate(&plan.product, sums, isDouble ? kReal64 : kReal32))
    return failed(result);
  plan.loops = batchDims(g);
  // The library's own batch is the largest dim.
  BatchDim batch{1, 0, 0, 0};
  auto largest = std::max_element(plan.loops.begin(), plan.loops.end(),
                                  [](const BatchDim &x, const BatchDim &y) { return x.size < y.size; });
  if (largest != plan.loops.end()) {
    batch = *largest;
    plan.loops.erase(largest);
  }
  for (const BatchDim &dim : plan.loops)
    plan.times *= dim.size;
  int32_t turnA = 0, turnB = 0;
  auto turnsForSums = [&](int32_t epilogue, bool turns) {
    return g.epilogue & epilogue ? std::optional(turns) : std::nullopt;
  };
  int result =
      makeOperand(plan.a, type, g.m, g.k, g.am, g.ak, batch, batch.a, turnsForSums(COLO_EPILOGUE_SUM_A, true), turnA);
  if (!result)
    result = makeOperand(plan.b, type, g.k, g.n, g.bk, g.bn, batch, batch.b, turnsForSums(COLO_EPILOGUE_SUM_B, false),
                         turnB);
  if (!result)
    result = makeLayout(plan.c, resultType, g.n, g.m, std::max(g.cm, g.n), batch, batch.c);
  // Our right operand is the library's left.
  if (!result)
    result = lt.cublasLtMatmulDescSetAttribute(plan.product, kTransposeA, &turnB, sizeof turnB);
  if (!result)
    result = lt.cublasLtMatmulDescSetAttribute(plan.product, kTransposeB, &turnA, sizeof turnA);
  uint32_t epilogue = epilogueOf(g);
  if (!result)
    result = lt.cublasLtMatmulDescSetAttribute(plan.product, kEpilogue, &epilogue, sizeof epilogue);
  // The auxiliary matrix, which lies as the result, is at a multiple of 16 bytes whatever operands are at.
  if (!result && hasAux(g))
    result = lt.cublasLtMatmulDescSetAttribute(plan.product, kAuxLead, &g.cm, sizeof g.cm);
  if (!result && hasAux(g))
    result = lt.cublasLtMatmulDescSetAttribute(plan.product, kAuxStride, &batch.c, sizeof batch.c);
  if (!result && hasAux(g))
    result = setAux(plan.product, reinterpret_cast<const void *>(uintptr_t(kWideAlignment)));
  Heuristic wide{}, any{};
  auto choose = [&](Alignment alignment, Heuristic &chosen) {
    return chooseAlgorithm(handle, plan.product, plan.b, plan.a, plan.c, alignment, hasVector(g), chosen);
  };
  if (!result)
    result = choose({kWideAlignment, kWideAlignment}, wide);
  if (result)
    return failed(result);
  // Few products are at such places, and the library may have none.
  plan.anyState =
      choose({static_cast<uint32_t>(typeSize(g.dtype)), static_cast<uint32_t>(typeSize(g.resultDtype))}, any);
  if (plan.anyState && leavesWide(g, plan.loops))
    return lacks(g, kAnywhere, plan.anyState);
  plan.wide = wide.algorithm;
  plan.any = any.algorithm;
  needed = std::max({needed, wide.scratchBytes, plan.anyState ? 0 : any.scratchBytes});
  return Status::ok();
}

Status LtProducts::prepare(const ColoGemm *gemms, int64_t count) {
  descriptors = gemms;
  callCounts.assign(count, 0);
  if (count == 0)
    return Status::ok();
  if (Status status = loadCublasLt(); status.failed())
    return status;
  if (int result = lt.cublasLtCreate(&handle))
    return Status::internal("cublasLtCreate: status %d", result);
  for (int64_t i = 0; i < count; ++i) {
    if (Status status = check(gemms[i]); status.failed())
      return status;
    plans.push_back(std::make_unique<Plan>());
    if (Status status = prepare(gemms[i], *plans.back()); status.failed())
      return status;
  }
  return Status::ok();
}

void LtProducts::execute(int64_t gemm, const ProductData &data) {
  const ColoGemm &g = descriptors[gemm];
  const Plan &plan = *plans[gemm];
  static const double one64 = 1, zero64 = 0;
  static const float one32 = 1, zero32 = 0;
  bool isDouble = g.dtype == COLO_F64;
  const void *alpha = isDouble ? static_cast<const void *>(&one64) : &one32;
  const void *zero = isDouble ? static_cast<const void *>(&zero64) : &zero32;
  int64_t size = typeSize(g.dtype), resultSize = typeSize(g.resultDtype);
  const void *vector = g.epilogue & COLO_EPILOGUE_BIAS ? data.bias : data.sums;
  const void *start = g.epilogue & COLO_EPILOGUE_ADDEND ? data.addend : data.c;
  const void *beta = g.beta != 0 || g.epilogue & COLO_EPILOGUE_ADDEND ? alpha : zero;
  if (int result = vector ? setVector(plan.product, vector) : 0)
    failProcess(Status::internal("%s: cublasLtMatmulDescSetAttribute: status %d", g.source, result));
  if (hasAux(g) && addressOf(data.aux) % kWideAlignment)
    failProcess(Status::internal("%s: an auxiliary matrix that is not at a multiple of 16 bytes", g.source));
  for (int64_t number = 0; number < plan.times; ++number) {
    int64_t ao = 0, bo = 0, co = 0, rest = number;
    for (const BatchDim &dim : plan.loops) {
      int64_t index = rest % dim.size;
      rest /= dim.size;
      ao += index * dim.a, bo += index * dim.b, co += index * dim.c;
    }
    const char *left = static_cast<const char *>(data.b) + bo * size;
    const char *right = static_cast<const char *>(data.a) + ao * size;
    const char *from = static_cast<const char *>(start) + co * resultSize;
    char *out = static_cast<char *>(data.c) + co * resultSize;
    if (int result = hasAux(g) ? setAux(plan.product, static_cast<char *>(data.aux) + co * resultSize) : 0)
      failProcess(Status::internal("%s: cublasLtMatmulDescSetAttribute: status %d", g.source, result));
    auto places = addressOf(left) | addressOf(right) | addressOf(from) | addressOf(out) | addressOf(vector);
    bool isWide = places % kWideAlignment == 0;
    if (!isWide && plan.anyState)
      failProcess(lacks(g, kAnywhere, plan.anyState));
    const Algorithm &algorithm = isWide ? plan.wide : plan.any;
    int result = lt.cublasLtMatmul(handle, plan.product, alpha, left, plan.b, right, plan.a, beta, from, plan.c, out,
                                   plan.c, &algorithm, scratch, needed, stream);
    if (result)
      failProcess(Status::internal("%s: cublasLtMatmul: status %d", g.source, result));
  }
}

std::string LtProducts::implementation(int64_t gemm) const {
  return plans[gemm]->times > 1 ? "cublasLt in a loop over the batch" : "cublasLt";
}

} // namespace colo::runtime::cuda
