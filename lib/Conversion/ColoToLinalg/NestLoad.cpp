//===- NestLoad.cpp - how much one loop nest computes and keeps -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NestLoad.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace colo;

/// Registers of an address, and of what a function of 64 bits holds beside all else: it is inlined, often twice at
/// once.
static constexpr int64_t kAddressRegisters = 2, kOfWideFunction = 32;

int64_t colo::registersOf(Value value) {
  if (value.getDefiningOp<ConstantOp>())
    return 0;
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  return llvm::divideCeil(arithmeticType(element).getIntOrFloatBitWidth(), 32);
}

Value colo::computedIn(Value value, llvm::function_ref<bool(Value)> isMade) {
  while (!isMade(value) && (isViewOp(value.getDefiningOp()) || value.getDefiningOp<BroadcastOp>()))
    value = value.getDefiningOp()->getOperand(0);
  return value;
}

namespace {
/// One value of the body and the values that it is computed from.
struct Step {
  Value value;
  bool isRead; ///< made elsewhere
  llvm::SmallVector<Value, 2> operands;
};
} // namespace

/// Operands before what is computed from them; not recursive, because chains of ops may be long.
static llvm::SmallVector<Step> stepsOf(llvm::ArrayRef<Value> items, llvm::function_ref<bool(Value)> isMade) {
  llvm::SmallVector<Step> steps;
  llvm::DenseSet<Value> entered, done, roots(items.begin(), items.end());
  auto stepOf = [&](Value value) {
    Step step{value, isMade(value) && !roots.contains(value), {}};
    if (!step.isRead)
      for (Value operand : value.getDefiningOp()->getOperands())
        if (isa<RankedTensorType>(operand.getType()))
          step.operands.push_back(computedIn(operand, isMade));
    return step;
  };
  for (Value item : items) {
    llvm::SmallVector<Value> stack{item};
    while (!stack.empty()) {
      Value next = stack.back();
      if (done.contains(next)) {
        stack.pop_back();
        continue;
      }
      Step step = stepOf(next);
      if (entered.insert(next).second) {
        for (Value operand : llvm::reverse(step.operands))
          if (!done.contains(operand))
            stack.push_back(operand);
        continue;
      }
      stack.pop_back();
      done.insert(next);
      steps.push_back(std::move(step));
    }
  }
  return steps;
}

NestLoad colo::nestLoadOf(llvm::ArrayRef<Value> items, llvm::function_ref<bool(Value)> isMade,
                          llvm::SmallVectorImpl<Value> *computed, llvm::SmallVectorImpl<Value> *read) {
  llvm::SmallVector<Step> steps = stepsOf(items, isMade);
  llvm::DenseMap<Value, size_t> last;
  for (auto [i, step] : llvm::enumerate(steps))
    for (Value operand : step.operands)
      last[operand] = i;
  // Sums are carried along, results are stored at the end.
  for (Value item : items)
    last[item] = steps.size();
  NestLoad load;
  int64_t live = 0, addresses = 0, ofFunctions = 0;
  for (const Step &step : steps)
    if (step.isRead) {
      live += registersOf(step.value);
      addresses += step.value.getDefiningOp<ReduceOp>() ? 0 : kAddressRegisters;
      if (read)
        read->push_back(step.value);
    }
  for (Value item : items)
    if (item.getDefiningOp<ReduceOp>())
      live += registersOf(item);
    else
      addresses += kAddressRegisters;
  for (auto [i, step] : llvm::enumerate(steps)) {
    if (step.isRead)
      continue;
    int64_t weight = weightOf(step.value.getDefiningOp());
    load.weight += std::max<int64_t>(1, weight);
    if (weight >= kDear && registersOf(step.value) > 1)
      ofFunctions = kOfWideFunction;
    load.registers = std::max(load.registers, live);
    if (!step.value.getDefiningOp<ReduceOp>())
      live += registersOf(step.value);
    llvm::SmallDenseSet<Value, 2> ended;
    for (Value operand : step.operands)
      if (last[operand] == i && ended.insert(operand).second)
        live -= registersOf(operand);
    if (computed)
      computed->push_back(step.value);
  }
  load.registers = std::max(load.registers, live) + addresses + ofFunctions;
  return load;
}
