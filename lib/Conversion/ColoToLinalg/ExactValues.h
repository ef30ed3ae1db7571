//===- ExactValues.h - values that several kernels must agree on -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The gradient of a maximum asks which elements equal it. Elementwise ops are
// computed again in each kernel that reads them, and kernels may contract and
// reassociate: then an element need not equal the maximum that it became. So
// what a maximum or a test for equality reads is computed without such freedom.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_COLOTOLINALG_EXACTVALUES_H
#define COLO_LIB_CONVERSION_COLOTOLINALG_EXACTVALUES_H

#include "mlir/IR/Block.h"

namespace colo {

/// Marks the kernel ops of `block`, and those around it, whose results must have the same bits in every kernel.
void markExact(mlir::Block &block);

bool isExact(mlir::Operation *op);

} // namespace colo

#endif // COLO_LIB_CONVERSION_COLOTOLINALG_EXACTVALUES_H
