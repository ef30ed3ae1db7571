//===- EntryForms.h - evaluation and counting forms of the entry -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Both are made of the forward program, before it is differentiated.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_COLO_TRANSFORMS_ENTRYFORMS_H
#define COLO_LIB_DIALECT_COLO_TRANSFORMS_ENTRYFORMS_H

#include "CallSite.h"

namespace colo {

/// Numbers the denominators of the entry's weighted means: one number for each value of weights.
void numberTerms(mlir::func::FuncOp entry);

/// @M.evaluate: forward only, without dropout. Functions with dropout get a copy @F.evaluate.
void buildEvaluate(mlir::func::FuncOp entry, mlir::SymbolTable &symbols);

/// @M.count: adds the weights of each term to its denominator. Fails if they depend on a parameter.
mlir::LogicalResult buildCount(mlir::func::FuncOp entry, mlir::SymbolTable &symbols);

} // namespace colo

#endif // COLO_LIB_DIALECT_COLO_TRANSFORMS_ENTRYFORMS_H
