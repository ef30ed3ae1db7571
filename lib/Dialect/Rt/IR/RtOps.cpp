//===- RtOps.cpp - verifiers of the rt dialect -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace colo::rt;

#include "colo/Dialect/Rt/RtDialect.cpp.inc"

#define GET_OP_CLASSES
#include "colo/Dialect/Rt/RtOps.cpp.inc"

void RtDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "colo/Dialect/Rt/RtOps.cpp.inc"
      >();
}

LogicalResult ScalarOp::verify() {
  static constexpr StringLiteral integers[] = {"seed", "step", "first_row", "layer", "micro_batches", "dp", "replica"};
  static constexpr StringLiteral floats[] = {"lr", "bias_correction1", "bias_correction2"};
  if (llvm::is_contained(integers, getName()))
    return getResult().getType().isInteger(64) ? success() : emitOpError("'") << getName() << "' is an i64";
  if (llvm::is_contained(floats, getName()))
    return getResult().getType().isF64() ? success() : emitOpError("'") << getName() << "' is an f64";
  return emitOpError("unknown scalar '")
         << getName()
         << "'; legal are seed, step, first_row, layer, micro_batches, dp, replica, lr, "
            "bias_correction1 and bias_correction2";
}

LogicalResult InverseCountOp::verify() {
  if (getTermAttr().getInt() < 0)
    return emitOpError("term ") << getTerm() << " is negative";
  return success();
}

LogicalResult LaunchOp::verify() {
  if (!getOuts().empty() && !getResults().empty())
    return emitOpError("has destinations and results; a launch on memrefs has destinations only");
  bool tensors = llvm::any_of(getInputs().getTypes(), llvm::IsaPred<RankedTensorType>);
  bool memrefs = llvm::any_of(getInputs().getTypes(), llvm::IsaPred<MemRefType>);
  if ((tensors || !getResults().empty()) && (memrefs || !getOuts().empty()))
    return emitOpError("mixes tensors and memrefs");
  return success();
}
