//===- CublasLt.h - cuBLASLt's interface -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What we use of libcublasLt.so, its functions under their names. A status of 0 is
// success. test/unit/Cuda/AbiTest.cpp compares with the toolkit's header.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_CUDA_CUBLASLT_H
#define COLO_LIB_RUNTIME_CUDA_CUBLASLT_H

#include "CUDA/Driver.h"

namespace colo::runtime::cuda {

enum { kReal32 = 0, kReal64 = 1, kReal16 = 2, kRealBf16 = 14 };
enum { kCompute32 = 68, kCompute64 = 70 };
enum { kTransposeA = 3, kTransposeB = 4, kEpilogue = 7, kBias = 8 }; // of a product
enum { kAux = 11, kAuxLead = 12, kAuxStride = 13 };                  // of its auxiliary matrix
enum { kEpilogueNone = 1, kEpilogueGeluGrad = 192, kEpilogueSumA = 256, kEpilogueSumB = 512 };
enum { kEpilogueRelu = 2, kEpilogueBias = 4, kEpilogueGelu = 32, kEpilogueKeepArgument = 128 }; // may be or'ed
enum { kBatchCount = 5, kBatchStride = 6 };                                                     // of a matrix
enum { kMaxScratchBytes = 1, kLeastAlignment = 5 /* A, B, C, D */ };                            // of a preference

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

/// X(name, types of arguments…) for each function; all give an int.
#define COLO_LT_FUNCTIONS(X)                                                                                           \
  X(cublasLtCreate, void **)                                                                                           \
  X(cublasLtDestroy, void *)                                                                                           \
  X(cublasLtMatmulDescCreate, void **, int, int)                                                                       \
  X(cublasLtMatmulDescDestroy, void *)                                                                                 \
  X(cublasLtMatmulDescSetAttribute, void *, int, const void *, size_t)                                                 \
  X(cublasLtMatrixLayoutCreate, void **, int, uint64_t, uint64_t, int64_t)                                             \
  X(cublasLtMatrixLayoutDestroy, void *)                                                                               \
  X(cublasLtMatrixLayoutSetAttribute, void *, int, const void *, size_t)                                               \
  X(cublasLtMatmulPreferenceCreate, void **)                                                                           \
  X(cublasLtMatmulPreferenceDestroy, void *)                                                                           \
  X(cublasLtMatmulPreferenceSetAttribute, void *, int, const void *, size_t)                                           \
  X(cublasLtMatmulAlgoGetHeuristic, void *, void *, void *, void *, void *, void *, void *, int, Heuristic *, int *)   \
  X(cublasLtMatmul, void *, void *, const void *, const void *, void *, const void *, void *, const void *,            \
    const void *, void *, void *, void *, const Algorithm *, void *, size_t, CudaStream)

struct Lt {
#define COLO_DECLARE(NAME, ...) int (*NAME)(__VA_ARGS__);
  COLO_LT_FUNCTIONS(COLO_DECLARE)
#undef COLO_DECLARE
};

} // namespace colo::runtime::cuda

#endif // COLO_LIB_RUNTIME_CUDA_CUBLASLT_H
