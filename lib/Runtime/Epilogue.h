//===- Epilogue.h - what products do to their results on a CPU -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// By loops around the product, for results of the type that it adds up in; those of
// 16 bits go by way of WideProduct. The emulator's: the CPU target's programs add in
// kernels.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_EPILOGUE_H
#define COLO_LIB_RUNTIME_EPILOGUE_H

#include "colo/Runtime/Products.h"

namespace colo::runtime {

/// Puts the addend, if there is one, where the product is then added to.
void copyAddend(const ColoGemm &gemm, const ProductData &data);
/// Adds up an operand over k, if that is asked for.
void sumOperand(const ColoGemm &gemm, const ProductData &data);
/// max(x, 0); NaN stays.
template <typename T> T relu(T x) { return x < 0 ? T(0) : x; }
/// Adds the bias, if there is one, to each row of the result, and does relu to it, if that is asked for.
void finishRows(const ColoGemm &gemm, const ProductData &data);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_EPILOGUE_H
