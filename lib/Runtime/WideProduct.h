//===- WideProduct.h - products of 16-bit floats by way of f32 -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where no library has a product of 16-bit floats for the CPU, its operands are
// widened into packed buffers, multiplied as f32, and the result is narrowed.
// Products of 16-bit numbers are exact in f32, so the sums are what a library
// gives that adds up in f32.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_WIDEPRODUCT_H
#define COLO_LIB_RUNTIME_WIDEPRODUCT_H

#include "colo/Runtime/Products.h"

#include <functional>

namespace colo::runtime {

class WideProduct {
public:
  explicit WideProduct(const ColoGemm &gemm);

  /// The product of the packed operands; what it adds to, if it adds, is the packed result.
  const ColoGemm &packed() const { return wide; }
  /// Floats of scratch memory that `run` needs.
  int64_t scratchFloats() const { return aFloats + bFloats + cFloats; }
  /// Whether the result is of 16 bits: `run` then does the epilogue, too.
  bool narrowsResult() const { return cFloats != 0; }
  /// `multiply` executes `packed`.
  void run(const ProductData &data, float *scratch,
           const std::function<void(const float *, const float *, float *)> &multiply) const;

private:
  const ColoGemm &gemm;
  ColoGemm wide;
  int64_t aFloats, bFloats, cFloats = 0; ///< cFloats 0: the result is f32 and takes the product in place
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_WIDEPRODUCT_H
