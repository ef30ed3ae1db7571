//===- Alignment.h - where memrefs of host functions start -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERGPUKERNELS_ALIGNMENT_H
#define COLO_LIB_CONVERSION_LOWERGPUKERNELS_ALIGNMENT_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseMap.h"

namespace colo {

/// Follows slots back to the runtime's buffers, which start at multiples of 64 bytes, through all calls of a function.
class Alignment {
public:
  explicit Alignment(mlir::ModuleOp module);

  /// A power of two, at most 64: the first element of a memref lies at a multiple of so many bytes.
  int64_t of(mlir::Value memref);
  /// A power of two, at most 64, that divides an index.
  int64_t factorOf(mlir::Value index);

private:
  /// The least over what callers pass.
  int64_t ofArgument(mlir::BlockArgument argument, llvm::function_ref<int64_t(mlir::Value)> ofValue);

  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Operation *>> calls;
  llvm::DenseMap<mlir::Value, int64_t> memrefs, indices;
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERGPUKERNELS_ALIGNMENT_H
