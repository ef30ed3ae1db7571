//===- Activity.h - which values the loss' gradient passes -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A value is active if it depends on a parameter and the loss depends on it.
// The analysis goes through calls and layer runs; a function's arguments and
// results are active if they are so at any of its call sites.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_COLO_TRANSFORMS_ACTIVITY_H
#define COLO_LIB_DIALECT_COLO_TRANSFORMS_ACTIVITY_H

#include "CallSite.h"
#include "llvm/ADT/DenseSet.h"

namespace mlir {
class IRMapping;
} // namespace mlir

namespace colo {

class Activity {
public:
  Activity(mlir::func::FuncOp entry, mlir::Value loss, mlir::SymbolTable &symbols);

  bool isActive(mlir::Value value) const { return varied.contains(value) && useful.contains(value); }
  /// The copies in `mapping` are as active as their originals in `func`.
  void copy(mlir::func::FuncOp func, const mlir::IRMapping &mapping);

private:
  void markVaried(mlir::Operation *op);
  void markUseful(mlir::Operation *op);
  void propagate(llvm::DenseSet<mlir::Value> &set, mlir::Value from, mlir::Value to);

  mlir::SymbolTable &symbols;
  llvm::DenseSet<mlir::Value> varied, useful;
  bool changed = false;
};

} // namespace colo

#endif // COLO_LIB_DIALECT_COLO_TRANSFORMS_ACTIVITY_H
