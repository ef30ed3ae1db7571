//===- CallSite.cpp - calls and layer runs alike -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The call graph of colo functions and dead code in them.
//
//===----------------------------------------------------------------------===//

#include "CallSite.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace colo;

std::optional<CallSite> colo::getCallSite(Operation *op, SymbolTable &symbols) {
  StringRef name;
  unsigned carried = 0;
  if (auto call = dyn_cast<CallOp>(op)) {
    name = call.getCallee();
  } else if (auto layers = dyn_cast<LayersOp>(op)) {
    name = layers.getCallee();
    carried = layers.getCarried().size();
  } else {
    return std::nullopt;
  }
  auto callee = symbols.lookup<func::FuncOp>(name);
  if (!callee || callee.isExternal())
    return std::nullopt;
  return CallSite{op, callee, carried};
}

static void visit(func::FuncOp func, SymbolTable &symbols, llvm::SetVector<Operation *> &seen) {
  if (seen.contains(func))
    return;
  func.walk([&](Operation *op) {
    if (auto site = getCallSite(op, symbols))
      visit(site->callee, symbols, seen);
  });
  seen.insert(func); // after its callees
}

SmallVector<func::FuncOp> colo::reachableFunctions(func::FuncOp root, SymbolTable &symbols) {
  llvm::SetVector<Operation *> seen;
  visit(root, symbols, seen);
  SmallVector<func::FuncOp> order;
  for (Operation *op : llvm::reverse(seen))
    order.push_back(cast<func::FuncOp>(op));
  return order;
}

func::FuncOp colo::findRole(ModuleOp module, StringRef role) {
  for (auto func : module.getOps<func::FuncOp>())
    if (auto attr = func->getAttrOfType<StringAttr>(kRoleAttr); attr && attr.getValue() == role)
      return func;
  return {};
}

SmallVector<Value> colo::dependencies(OpResult result) {
  if (auto op = dyn_cast<CrossEntropyOp>(result.getOwner()); op && result == op.getWeights())
    return {op.getTargets()};
  if (auto op = dyn_cast<CorrectOp>(result.getOwner()); op && result == op.getWeights())
    return {op.getTargets()};
  return llvm::to_vector(result.getOwner()->getOperands());
}

bool colo::isParameter(Value value) {
  if (value.getDefiningOp<ParamRefOp>())
    return true;
  auto arg = dyn_cast<BlockArgument>(value);
  auto func = arg ? dyn_cast<func::FuncOp>(arg.getOwner()->getParentOp()) : func::FuncOp();
  return func && func.getArgAttr(arg.getArgNumber(), kParamArgAttr);
}

//===----------------------------------------------------------------------===//
// Dead code
//===----------------------------------------------------------------------===//

static bool hasEffect(Operation *op, SymbolTable &symbols) {
  if (auto site = getCallSite(op, symbols))
    return site->callee
        .walk([&](Operation *inner) {
          return hasEffect(inner, symbols) ? WalkResult::interrupt() : WalkResult::advance();
        })
        .wasInterrupted();
  return isa<OutputOpInterface>(op);
}

void colo::removeDeadOps(func::FuncOp func, SymbolTable &symbols) {
  SmallVector<Operation *> ops;
  for (Operation &op : func.front().without_terminator())
    ops.push_back(&op);
  for (Operation *op : llvm::reverse(ops))
    if (op->use_empty() && !hasEffect(op, symbols))
      op->erase();
}

void colo::removeUnreachableFunctions(ModuleOp module) {
  SymbolTable symbols(module);
  llvm::SmallDenseSet<Operation *> reached;
  for (auto func : module.getOps<func::FuncOp>())
    if (func->hasAttr(kRoleAttr))
      for (func::FuncOp callee : reachableFunctions(func, symbols))
        reached.insert(callee);
  for (auto func : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (func.isPrivate() && !reached.contains(func))
      func.erase();
}
