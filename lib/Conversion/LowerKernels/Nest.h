//===- Nest.h - a loop nest over flat memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A linalg.generic whose operands have places in memory: loops, and for each
// operand the address of an element as an affine expression of the loop dims.
// Loops of size 1 vanish and neighbours that run through memory like one loop
// become one, so that the innermost loop is as long as it can be.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERKERNELS_NEST_H
#define COLO_LIB_CONVERSION_LOWERKERNELS_NEST_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "llvm/ADT/DenseMap.h"

namespace colo {

/// Where a tensor's elements are: in flat memory, or in a register that holds the row's only one.
struct Storage {
  mlir::Value memory;
  llvm::SmallVector<int64_t> strides;
  mlir::Value scalar;
};
using StorageMap = llvm::DenseMap<mlir::Value, Storage>;

struct Loop {
  unsigned dim; ///< of the generic's iteration space
  int64_t size;
  bool reduced;
};

struct Nest {
  mlir::linalg::GenericOp op;
  llvm::SmallVector<Loop> loops; ///< outermost first, none of size 1
  size_t rowLoops = 0;           ///< of `loops`, those over the kernel's rows
  /// Divides the address at which each round of the innermost loop starts, of all operands that it runs through one by
  /// one; 1 where nothing is known.
  int64_t startFactor = 1;

  /// Loops that only reductions run over are followed by parallel ones.
  bool isColumn() const;
  bool hasReduction() const;
};

/// Whether an op keeps a leading part of each dim of a tensor: elements stay where they are.
bool isLeadingSlice(mlir::Operation *op);
/// The value whose place holds an operand: what its leading slices are taken of.
mlir::Value placedValue(mlir::Value operand);

/// Address of an operand's element in the iteration space's dims.
mlir::AffineExpr addressOf(mlir::AffineMap map, llvm::ArrayRef<int64_t> strides);

/// The nest of a generic. `storage` holds the places of its inputs; a result's place is given by `resultStrides`. The
/// first `rows` dims are not merged with others if `keepRows` is set.
Nest buildNest(mlir::linalg::GenericOp op, size_t rows, bool keepRows, const StorageMap &storage,
               llvm::ArrayRef<llvm::SmallVector<int64_t>> resultStrides);

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERKERNELS_NEST_H
