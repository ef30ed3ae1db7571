//===- ColoInterfaces.h - what ops say about themselves ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_COLOINTERFACES_H
#define COLO_DIALECT_COLO_COLOINTERFACES_H

#include "colo/Dialect/Colo/ElementAccess.h"
#include "colo/Dialect/Colo/FactorMap.h"
#include "colo/Dialect/Colo/Positions.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpDefinition.h"

namespace colo {
class KernelSignature;
enum class Epilogue : uint32_t;
} // namespace colo

#include "colo/Dialect/Colo/ColoInterfaces.h.inc"

namespace colo {

/// What the op that reads a value makes in its place; null if it does not.
mlir::Value madeInPlace(mlir::OpOperand &use);
/// The operand in whose place the maker of a value makes it; null if the value has a place of its own.
mlir::Value madeInPlaceOf(mlir::Value result);

} // namespace colo

#endif // COLO_DIALECT_COLO_COLOINTERFACES_H
