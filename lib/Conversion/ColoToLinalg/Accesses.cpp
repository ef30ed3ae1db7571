//===- Accesses.cpp - which operand elements an element needs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Accesses.h"

using namespace mlir;
using namespace colo;

bool colo::isKernelOp(Operation *op) { return isa_and_nonnull<ElementOpInterface, ReduceOp>(op); }

bool colo::isViewOp(Operation *op) { return isKernelOp(op) && isa<ViewOpInterface>(op); }

llvm::SmallVector<ElementAccess> colo::operandAccesses(Operation *op, llvm::ArrayRef<AffineExpr> indices) {
  return cast<ElementOpInterface>(op).getElementAccesses(indices);
}

llvm::SmallVector<int64_t> colo::rowMajorStrides(llvm::ArrayRef<int64_t> shape) {
  llvm::SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = static_cast<int64_t>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

//===----------------------------------------------------------------------===//
// Costs
//===----------------------------------------------------------------------===//

/// Rough cost of one random number, in simple vector instructions.
static constexpr int64_t kRandomWeight = 40;

int64_t colo::weightOf(Operation *op) {
  if (isa<RandomOpInterface>(op))
    return kRandomWeight;
  auto scalar = dyn_cast<ScalarBodyOpInterface>(op);
  return scalar ? scalar.getWeight() : 0;
}

int64_t colo::expressionWeight(Value value, llvm::function_ref<bool(Value)> isMade) {
  int64_t weight = 0;
  llvm::DenseSet<Value> seen;
  llvm::SmallVector<Value> worklist{value};
  while (!worklist.empty()) {
    Value next = worklist.pop_back_val();
    if (!seen.insert(next).second || (next != value && isMade(next)) || 2 * elementsOf(next) < elementsOf(value))
      continue;
    weight += weightOf(next.getDefiningOp());
    llvm::append_range(worklist, next.getDefiningOp()->getOperands());
  }
  return weight;
}

//===----------------------------------------------------------------------===//
// Views in memory
//===----------------------------------------------------------------------===//

std::optional<StridedView> colo::stridedView(Value value, llvm::function_ref<bool(Value)> isBase) {
  if (isBase(value))
    return StridedView{value, rowMajorStrides(shapeOf(value))};
  Operation *op = value.getDefiningOp();
  if (!isViewOp(op))
    return std::nullopt;
  std::optional<StridedView> source = stridedView(op->getOperand(0), isBase);
  if (!source)
    return std::nullopt;
  std::optional<llvm::SmallVector<int64_t>> strides = cast<ViewOpInterface>(op).getStridesOver(source->strides);
  return strides ? std::optional(StridedView{source->base, *strides}) : std::nullopt;
}
