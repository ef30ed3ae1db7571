//===- Gemm.cpp - matrix products of a program -------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// oneDNN's strided matmul covers every f32 descriptor; where it would fall back to
// its unoptimised reference kernel because of the batch strides, the batch is a
// loop over a two-dimensional primitive. f64, and batches of small f32 products,
// are loops over OpenBLAS. 16-bit floats are oneDNN's where it has them (bf16 on
// CPUs with AVX-512); elsewhere they go by way of f32 (WideProduct.h).
//
//===----------------------------------------------------------------------===//

#include "colo/Runtime/Gemm.h"
#include "Epilogue.h"
#include "Threads.h"
#include "WideProduct.h"
#include "colo/Runtime/Data.h"

#include <algorithm>
#include <cblas.h>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <oneapi/dnnl/dnnl_version.h>

namespace colo::runtime {

struct GemmSet::Engine {
  dnnl::engine cpu{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{cpu};
  dnnl::memory scratch;
  size_t scratchBytes = 0;
};

struct GemmSet::Prepared {
  bool isDouble = false, isSmall = false, looped = false;
  dnnl::matmul matmul;
  dnnl::memory a, b, c;
  std::unique_ptr<WideProduct> wide; ///< where the rest is of its packed operands
  ColoGemm gemm{};                   ///< what is executed
  std::string implementation;
};

GemmSet::GemmSet() = default;
GemmSet::~GemmSet() = default;

static dnnl::memory::desc describe(const ColoGemm &g, const int64_t *batchStrides, int64_t rows, int64_t cols,
                                   int64_t rowStride, int64_t colStride, bool withBatch, bool isResult = false) {
  dnnl::memory::dims dims, strides;
  if (isResult)
    rowStride = std::max(rowStride, cols); // results are row-major, also where one column could be read as either
  else
    denseWhereFree(rows, cols, rowStride, colStride);
  for (int i = 0; withBatch && i < g.batchRank; ++i) {
    bool broadcast = batchStrides[i] == 0;
    dims.push_back(broadcast ? 1 : g.batch[i]);
    strides.push_back(broadcast || g.batch[i] == 1 ? rows * cols : batchStrides[i]);
  }
  dims.insert(dims.end(), {rows, cols});
  strides.insert(strides.end(), {rowStride, colStride});
  using Type = dnnl::memory::data_type;
  bool isBf16 = (isResult ? g.resultDtype : g.dtype) == COLO_BF16;
  return dnnl::memory::desc(dims, isBf16 ? Type::bf16 : Type::f32, strides);
}

static dnnl::matmul::primitive_desc makePrimitive(const ColoGemm &g, const dnnl::engine &engine, bool withBatch) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (g.beta != 0) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  dnnl::matmul::desc desc(describe(g, g.aBatch, g.m, g.k, g.am, g.ak, withBatch),
                          describe(g, g.bBatch, g.k, g.n, g.bk, g.bn, withBatch),
                          describe(g, g.cBatch, g.m, g.n, g.cm, g.cn, withBatch, true));
  return dnnl::matmul::primitive_desc(desc, attributes, engine);
}

/// A batch of products so small that oneDNN's fixed cost, about half a microsecond an element of the batch, is most of
/// their time (docs/runtime.md).
static bool isSmall(const ColoGemm &g) { return batchSize(g) > 1 && g.m * g.n * g.k <= (1 << 17); }

/// oneDNN's primitive for what `p` executes. Throws what oneDNN says of a product that it lacks.
void GemmSet::preparePrimitive(Prepared &p) {
  if (!engine)
    engine = std::make_unique<Engine>();
  dnnl::matmul::primitive_desc desc = makePrimitive(p.gemm, engine->cpu, true);
  if (p.gemm.batchRank > 0 && std::strncmp(desc.impl_info_str(), "ref", 3) == 0) {
    desc = makePrimitive(p.gemm, engine->cpu, false);
    p.looped = true;
  }
  p.implementation = desc.impl_info_str();
  p.matmul = dnnl::matmul(desc);
  p.a = dnnl::memory(desc.src_desc(), engine->cpu, DNNL_MEMORY_NONE);
  p.b = dnnl::memory(desc.weights_desc(), engine->cpu, DNNL_MEMORY_NONE);
  p.c = dnnl::memory(desc.dst_desc(), engine->cpu, DNNL_MEMORY_NONE);
  engine->scratchBytes = std::max(engine->scratchBytes, desc.scratchpad_desc().get_size());
}

/// Whether oneDNN has the product of 16-bit floats, and not only as its reference.
bool GemmSet::prepareNarrow(Prepared &p) {
  if (p.gemm.dtype == COLO_F16)
    return false;
  try {
    preparePrimitive(p);
  } catch (const dnnl::error &) {
    return false;
  }
  return p.implementation.compare(0, 3, "ref") != 0;
}

Status GemmSet::prepare(const ColoGemm &g, Prepared &p) {
  p.gemm = g;
  if (g.epilogue & COLO_EPILOGUE_ADDEND)
    p.gemm.beta = 1;
  p.isDouble = g.dtype == COLO_F64;
  bool isNarrow = g.dtype == COLO_BF16 || g.dtype == COLO_F16;
  // A 16-bit result is rounded once, behind its epilogue.
  bool isChanged = g.epilogue & ~(COLO_EPILOGUE_SUM_A | COLO_EPILOGUE_SUM_B);
  if (isNarrow && !isChanged && prepareNarrow(p))
    return Status::ok();
  if (isNarrow) {
    p.looped = false;
    p.wide = std::make_unique<WideProduct>(g);
    p.gemm = p.wide->packed();
    wideFloats = std::max(wideFloats, p.wide->scratchFloats());
  }
  p.isSmall = isSmall(g);
  p.implementation = "openblas";
  if (!p.isDouble && !p.isSmall) {
    try {
      preparePrimitive(p);
    } catch (const dnnl::error &error) {
      return Status::internal("oneDNN refuses the product of %s: %s", g.source, error.what());
    }
  }
  if (p.wide)
    p.implementation += " as f32";
  return Status::ok();
}

Status GemmSet::prepare(const ColoGemm *gemms, int64_t count) {
  descriptors = gemms;
  callCounts.assign(count, 0);
  static std::once_flag once;
  std::call_once(once, [] { openblas_set_num_threads(1); });
  for (int64_t i = 0; i < count; ++i) {
    if (Status status = check(gemms[i]); status.failed())
      return status;
    prepared.push_back(std::make_unique<Prepared>());
    if (Status status = prepare(gemms[i], *prepared.back()); status.failed())
      return status;
  }
  if (engine)
    engine->scratch =
        dnnl::memory(dnnl::memory::desc({static_cast<dnnl::memory::dim>(std::max<size_t>(engine->scratchBytes, 1))},
                                        dnnl::memory::data_type::u8, dnnl::memory::format_tag::a),
                     engine->cpu);
  wideScratch.resize(wideFloats);
  return Status::ok();
}

/// Calls body(offset of a, b, c in elements) for the elements begin … end - 1 of the batch.
template <typename Body> static void forEachBatch(const ColoGemm &g, int64_t begin, int64_t end, Body body) {
  int64_t index[4] = {0, 0, 0, 0};
  for (int64_t i = g.batchRank - 1, rest = begin; i >= 0; rest /= g.batch[i--])
    index[i] = rest % g.batch[i];
  for (int64_t left = end - begin; left > 0; --left) {
    int64_t a = 0, b = 0, c = 0;
    for (int i = 0; i < g.batchRank; ++i) {
      a += index[i] * g.aBatch[i];
      b += index[i] * g.bBatch[i];
      c += index[i] * g.cBatch[i];
    }
    body(a, b, c);
    for (int i = g.batchRank - 1; i >= 0 && ++index[i] == g.batch[i]; --i)
      index[i] = 0;
  }
}

/// What one call of BLAS needs, whatever the element of the batch.
struct BlasLayout {
  CBLAS_TRANSPOSE transA, transB;
  int64_t lda, ldb, ldc;

  explicit BlasLayout(const ColoGemm &g) {
    int64_t am = g.am, ak = g.ak, bk = g.bk, bn = g.bn, cm = g.cm, cn = g.cn;
    denseWhereFree(g.m, g.k, am, ak);
    denseWhereFree(g.k, g.n, bk, bn);
    denseWhereFree(g.m, g.n, cm, cn);
    transA = ak != 1 ? CblasTrans : CblasNoTrans;
    transB = bn != 1 ? CblasTrans : CblasNoTrans;
    lda = ak != 1 ? ak : am;
    ldb = bn != 1 ? bn : bk;
    ldc = cm;
  }
};

static void multiply(const ColoGemm &g, const BlasLayout &l, const double *a, const double *b, double *c) {
  cblas_dgemm(CblasRowMajor, l.transA, l.transB, g.m, g.n, g.k, 1.0, a, l.lda, b, l.ldb, g.beta, c, l.ldc);
}
static void multiply(const ColoGemm &g, const BlasLayout &l, const float *a, const float *b, float *c) {
  auto beta = static_cast<float>(g.beta);
  cblas_sgemm(CblasRowMajor, l.transA, l.transB, g.m, g.n, g.k, 1.0f, a, l.lda, b, l.ldb, beta, c, l.ldc);
}

/// The batch is shared out over the team of threads.
template <typename T> static void runBlas(const ColoGemm &g, const void *a, const void *b, void *c) {
  struct Call {
    const ColoGemm &gemm;
    BlasLayout layout;
    const T *a, *b;
    T *c;
  } call{g, BlasLayout(g), static_cast<const T *>(a), static_cast<const T *>(b), static_cast<T *>(c)};
  auto part = [](void **arguments, int64_t begin, int64_t end) {
    const Call &call = *static_cast<const Call *>(*arguments);
    forEachBatch(call.gemm, begin, end, [&](int64_t ao, int64_t bo, int64_t co) {
      multiply(call.gemm, call.layout, call.a + ao, call.b + bo, call.c + co);
    });
  };
  // A member's part takes some ten times as long as waking it.
  constexpr int64_t multiplicationsOfAPart = 1 << 20;
  void *argument = &call;
  runOnTeam(part, &argument, batchSize(g), std::max<int64_t>(1, multiplicationsOfAPart / (g.m * g.n * g.k)));
}

void GemmSet::execute(int64_t index, const ProductData &data) {
  Prepared &p = *prepared[index];
  sumOperand(descriptors[index], data);
  if (p.wide && p.wide->narrowsResult())
    return p.wide->run(data, wideScratch.data(),
                       [&](const float *a, const float *b, float *c) { execute(p, a, b, c); });
  copyAddend(descriptors[index], data);
  if (p.wide)
    p.wide->run(data, wideScratch.data(), [&](const float *a, const float *b, float *c) { execute(p, a, b, c); });
  else
    execute(p, data.a, data.b, data.c);
  finishRows(descriptors[index], data);
}

void GemmSet::execute(Prepared &p, const void *a, const void *b, void *c) {
  const ColoGemm &g = p.gemm;
  if (p.isDouble)
    return runBlas<double>(g, a, b, c);
  if (p.isSmall)
    return runBlas<float>(g, a, b, c);
  const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, p.a.get()},
                                       {DNNL_ARG_WEIGHTS, p.b.get()},
                                       {DNNL_ARG_DST, p.c.get()},
                                       {DNNL_ARG_SCRATCHPAD, engine->scratch.get()}};
  int64_t size = typeSize(g.dtype), resultSize = typeSize(g.resultDtype);
  auto execute = [&](int64_t ao, int64_t bo, int64_t co) {
    p.a.set_data_handle(const_cast<char *>(static_cast<const char *>(a)) + ao * size);
    p.b.set_data_handle(const_cast<char *>(static_cast<const char *>(b)) + bo * size);
    p.c.set_data_handle(static_cast<char *>(c) + co * resultSize);
    dnnl_primitive_execute(p.matmul.get(), engine->stream.get(), 4, arguments);
  };
  if (p.looped)
    forEachBatch(g, 0, batchSize(g), execute);
  else
    execute(0, 0, 0);
}

std::string GemmSet::implementation(int64_t gemm) const {
  return prepared[gemm]->implementation + (prepared[gemm]->looped ? " per batch element" : "");
}

int64_t GemmSet::scratchBytes() const { return engine ? static_cast<int64_t>(engine->scratchBytes) : 0; }

} // namespace colo::runtime
