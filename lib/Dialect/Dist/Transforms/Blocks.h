//===- Blocks.h - local dims as blocks of equal size ------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_DIST_TRANSFORMS_BLOCKS_H
#define COLO_LIB_DIALECT_DIST_TRANSFORMS_BLOCKS_H

#include "mlir/IR/Builders.h"

namespace colo::dist {

/// `parts` one after the other along `dim`.
mlir::Value joinBlocks(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Value> parts, int64_t dim);

/// Cuts `dim` into as many blocks as `order` has numbers; block i of the result is block order[i] of the value. Runs of
/// numbers stay together.
mlir::Value orderBlocks(mlir::OpBuilder &builder, mlir::Value value, int64_t dim, llvm::ArrayRef<int64_t> order);

/// `size` elements of `dim` from `offset` on; a view.
mlir::Value sliceDim(mlir::OpBuilder &builder, mlir::Value value, int64_t dim, int64_t offset, int64_t size);

/// The order that undoes `order`.
llvm::SmallVector<int64_t> inverseOrder(llvm::ArrayRef<int64_t> order);

} // namespace colo::dist

#endif // COLO_LIB_DIALECT_DIST_TRANSFORMS_BLOCKS_H
