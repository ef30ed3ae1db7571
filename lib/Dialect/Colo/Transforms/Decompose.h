//===- Decompose.h - expand high-level ops -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Replaces ops that implement DecomposeOpInterface by their compositions.
// Compositions may leave ops that nobody reads.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_COLO_TRANSFORMS_DECOMPOSE_H
#define COLO_LIB_DIALECT_COLO_TRANSFORMS_DECOMPOSE_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace colo {

void decomposeWhere(mlir::Operation *root, llvm::function_ref<bool(DecomposeOpInterface)> filter);
/// All that do not stay whole.
void decomposeBeforePartitioning(mlir::Operation *root);

} // namespace colo

#endif // COLO_LIB_DIALECT_COLO_TRANSFORMS_DECOMPOSE_H
