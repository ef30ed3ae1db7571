//===- CallSite.h - calls and layer runs alike -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One view of `colo.call` and `colo.layers`: operand i is argument i of the
// callee and result i is its result i; parameters are arguments after these.
// Dataflow analyses need nothing else, but that a layer's first `numCarried`
// results are the next layer's first arguments.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_COLO_TRANSFORMS_CALLSITE_H
#define COLO_LIB_DIALECT_COLO_TRANSFORMS_CALLSITE_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace colo {

struct CallSite {
  mlir::Operation *op;
  mlir::func::FuncOp callee;
  unsigned numCarried = 0; ///< 0 for a call

  mlir::Value operand(unsigned i) { return op->getOperand(i); }
  mlir::Value result(unsigned i) { return op->getResult(i); }
  unsigned numOperands() { return op->getNumOperands(); }
  unsigned numResults() { return op->getNumResults(); }
  mlir::Value argument(unsigned i) { return callee.getArgument(i); }
  mlir::Value returned(unsigned i) { return callee.front().getTerminator()->getOperand(i); }
};

/// The call that `op` is, if it is one whose callee has a body.
std::optional<CallSite> getCallSite(mlir::Operation *op, mlir::SymbolTable &symbols);

/// Functions reachable from `root`, callers before their callees.
llvm::SmallVector<mlir::func::FuncOp> reachableFunctions(mlir::func::FuncOp root, mlir::SymbolTable &symbols);

/// The only function of the module with this role; null if there is none.
mlir::func::FuncOp findRole(mlir::ModuleOp module, llvm::StringRef role);

/// What a result is computed from: all operands, but for weights of targets, which do not read the logits.
llvm::SmallVector<mlir::Value> dependencies(mlir::OpResult result);

/// A parameter argument or the result of colo.param_ref.
bool isParameter(mlir::Value value);

/// Removes ops whose results nobody reads and that neither add to gradients, metrics or counts nor call a function that
/// does.
void removeDeadOps(mlir::func::FuncOp func, mlir::SymbolTable &symbols);

/// Erases private functions that no function with a role reaches.
void removeUnreachableFunctions(mlir::ModuleOp module);

} // namespace colo

#endif // COLO_LIB_DIALECT_COLO_TRANSFORMS_CALLSITE_H
