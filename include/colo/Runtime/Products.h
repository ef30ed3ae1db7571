//===- Products.h - matrix products of a program -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All matrix products of one rank, prepared at start: a call only executes. What
// executes them is the device's.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_PRODUCTS_H
#define COLO_RUNTIME_PRODUCTS_H

#include "colo/Runtime/Program.h"
#include "colo/Runtime/Status.h"

#include <string>
#include <vector>

namespace colo::runtime {

/// Where a product's data are; what its epilogue has not is null.
struct ProductData {
  const void *a, *b;
  void *c;
  const void *bias = nullptr, *addend = nullptr;
  void *sums = nullptr;
  void *aux = nullptr; ///< read by gelu's gradient, written by gelu
};

/// Scratch memory starts at a multiple of so many bytes: cuBLASLt wants it.
constexpr int64_t kScratchAlignment = 256;

class Products {
public:
  Products() = default;
  virtual ~Products() = default;
  Products(const Products &) = delete;

  virtual Status prepare(const ColoGemm *gemms, int64_t count) = 0;
  void run(int64_t gemm, const ProductData &data) {
    callCounts[gemm] += counting;
    execute(gemm, data);
  }

  /// Executions so far, per descriptor; flops of one execution.
  const std::vector<int64_t> &calls() const { return callCounts; }
  /// Of executions that a device repeats by itself.
  void addCalls(int64_t gemm, int64_t calls) { callCounts[gemm] += calls; }
  static int64_t flops(const ColoGemm &gemm);
  /// What executes descriptor `gemm`, e.g. "brg:avx512_core"; for --info.
  virtual std::string implementation(int64_t gemm) const = 0;
  /// Bytes of scratch memory shared by all descriptors.
  virtual int64_t scratchBytes() const = 0;
  /// Where it is, at a multiple of kScratchAlignment.
  virtual void useScratch(char *) {}
  /// While false, executions are not counted.
  bool counting = true;

protected:
  virtual void execute(int64_t gemm, const ProductData &data) = 0;
  /// An error in what was compiled, for every device.
  static Status check(const ColoGemm &gemm);

  const ColoGemm *descriptors = nullptr;
  std::vector<int64_t> callCounts;
};

/// Elements of the batch.
int64_t batchSize(const ColoGemm &gemm);
/// Leading strides of dims of size 1 mean nothing; gives them what a dense matrix
/// would have, which is what libraries check.
void denseWhereFree(int64_t rows, int64_t cols, int64_t &rowStride, int64_t &colStride);

} // namespace colo::runtime

#endif // COLO_RUNTIME_PRODUCTS_H
