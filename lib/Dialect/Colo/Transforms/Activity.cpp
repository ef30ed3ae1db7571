//===- Activity.cpp - which values the loss' gradient passes -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Both properties only grow, so sweeping the call graph until nothing changes
// ends; a graph without layer runs needs two sweeps.
//
//===----------------------------------------------------------------------===//

#include "Activity.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace colo;

Activity::Activity(func::FuncOp entry, Value loss, SymbolTable &symbols) : symbols(symbols) {
  SmallVector<func::FuncOp> functions = reachableFunctions(entry, symbols);
  for (func::FuncOp func : functions)
    for (Value arg : func.getArguments())
      if (isParameter(arg))
        varied.insert(arg);
  useful.insert(loss);
  do {
    changed = false;
    for (func::FuncOp func : functions)
      for (Operation &op : func.front())
        markVaried(&op);
    for (func::FuncOp func : functions)
      for (Operation &op : llvm::reverse(func.front()))
        markUseful(&op);
  } while (changed);
}

void Activity::propagate(llvm::DenseSet<Value> &set, Value from, Value to) {
  if (set.contains(from) && isa<FloatType>(getElementTypeOrSelf(to)))
    changed |= set.insert(to).second;
}

void Activity::markVaried(Operation *op) {
  if (isa<ParamRefOp>(op))
    changed |= varied.insert(op->getResult(0)).second;
  if (isa<StopGradientOp>(op))
    return;
  std::optional<CallSite> site = getCallSite(op, symbols);
  if (!site) {
    for (OpResult result : op->getResults())
      for (Value operand : dependencies(result))
        propagate(varied, operand, result);
    return;
  }
  for (unsigned i = 0; i < site->numOperands(); ++i)
    propagate(varied, site->operand(i), site->argument(i));
  for (unsigned i = 0; i < site->numResults(); ++i)
    propagate(varied, site->returned(i), site->result(i));
  for (unsigned i = 0; i < site->numCarried; ++i)
    propagate(varied, site->returned(i), site->argument(i));
}

void Activity::markUseful(Operation *op) {
  std::optional<CallSite> site = getCallSite(op, symbols);
  if (!site) {
    for (OpResult result : op->getResults())
      for (Value operand : dependencies(result))
        propagate(useful, result, operand);
    return;
  }
  for (unsigned i = 0; i < site->numCarried; ++i)
    propagate(useful, site->argument(i), site->returned(i));
  for (unsigned i = 0; i < site->numResults(); ++i)
    propagate(useful, site->result(i), site->returned(i));
  for (unsigned i = 0; i < site->numOperands(); ++i)
    propagate(useful, site->argument(i), site->operand(i));
}

void Activity::copy(func::FuncOp func, const IRMapping &mapping) {
  auto copyValue = [&](Value value) {
    Value clone = mapping.lookup(value);
    // A clone may lie where a value of an erased function lay, and must not inherit what was known of that one.
    for (llvm::DenseSet<Value> *set : {&varied, &useful}) {
      if (set->contains(value))
        set->insert(clone);
      else
        set->erase(clone);
    }
  };
  for (Value arg : func.getArguments())
    copyValue(arg);
  func.walk([&](Operation *op) {
    if (op != func)
      for (Value result : op->getResults())
        copyValue(result);
  });
}
