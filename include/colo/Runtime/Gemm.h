//===- Gemm.h - matrix products on the CPU -----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Primitives and scratch memory are created once per descriptor. f32 goes to
// oneDNN, but for batches of small products; these and f64, which oneDNN lacks on
// CPUs, go to OpenBLAS, element by element of the batch, each on one thread.
//
// The same operands give the same bits. The prepared primitives belong to the
// thread that made them (oneDNN fixes the number of threads at creation).
//
//===----------------------------------------------------------------------===//

#ifndef COLO_RUNTIME_GEMM_H
#define COLO_RUNTIME_GEMM_H

#include "colo/Runtime/Products.h"

#include <memory>
#include <vector>

namespace colo::runtime {

class GemmSet : public Products {
public:
  GemmSet();
  ~GemmSet() override;

  Status prepare(const ColoGemm *gemms, int64_t count) override;
  std::string implementation(int64_t gemm) const override;
  int64_t scratchBytes() const override;

private:
  void execute(int64_t gemm, const ProductData &data) override;

  struct Prepared;
  struct Engine;
  Status prepare(const ColoGemm &gemm, Prepared &p);
  void preparePrimitive(Prepared &p);
  bool prepareNarrow(Prepared &p);
  void execute(Prepared &p, const void *a, const void *b, void *c);

  std::vector<std::unique_ptr<Prepared>> prepared;
  std::unique_ptr<Engine> engine;
  int64_t wideFloats = 0; ///< scratch memory of products by way of f32
  std::vector<float> wideScratch;
};

} // namespace colo::runtime

#endif // COLO_RUNTIME_GEMM_H
