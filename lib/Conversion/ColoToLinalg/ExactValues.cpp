//===- ExactValues.cpp - values that several kernels must agree on -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ExactValues.h"
#include "Accesses.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace colo;

bool colo::isExact(Operation *op) { return op->hasAttr(rt::kExactAttr); }

static bool comparesBits(Operation &op) {
  if (auto reduce = dyn_cast<ReduceOp>(op))
    return reduce.getKind() == ReduceKind::Max;
  auto compare = dyn_cast<CompareOp>(op);
  return compare && (compare.getPredicate() == Predicate::EQ || compare.getPredicate() == Predicate::NE) &&
         isa<FloatType>(getElementTypeOrSelf(compare->getOperand(0)));
}

void colo::markExact(Block &block) {
  llvm::SmallVector<Operation *> reading;
  for (Operation &op : block)
    if (comparesBits(op))
      reading.push_back(&op);
  while (!reading.empty())
    for (Value operand : reading.pop_back_val()->getOperands()) {
      Operation *op = operand.getDefiningOp();
      // A reduction is made once, in one kernel.
      if (!isKernelOp(op) || isa<ReduceOp>(op) || isExact(op))
        continue;
      op->setAttr(rt::kExactAttr, UnitAttr::get(op->getContext()));
      reading.push_back(op);
    }
}
