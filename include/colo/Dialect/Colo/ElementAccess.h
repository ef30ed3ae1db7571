//===- ElementAccess.h - which elements an element needs -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor value is seen as a function from indices to scalars. An op says at
// which indices an element of its result reads each operand, as affine
// expressions of a loop nest's dims (ElementOpInterface).
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_ELEMENTACCESS_H
#define COLO_DIALECT_COLO_ELEMENTACCESS_H

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Operation.h"

namespace colo {

using ElementIndices = llvm::SmallVector<mlir::AffineExpr, 6>;

/// The operand is read only where 0 <= index < size and index is a multiple of
/// `stride`; elsewhere the result is made without it.
struct ElementGuard {
  mlir::AffineExpr index;
  int64_t size;
  int64_t stride;
};

struct ElementAccess {
  mlir::Value value;
  ElementIndices indices;
  llvm::SmallVector<ElementGuard, 2> guards;
};

/// Every operand at the indices of the result.
llvm::SmallVector<ElementAccess> accessSameElements(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);

} // namespace colo

#endif // COLO_DIALECT_COLO_ELEMENTACCESS_H
