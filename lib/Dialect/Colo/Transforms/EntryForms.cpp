//===- EntryForms.cpp - evaluation and counting forms of the entry -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The counting form keeps the slice of the program that the weights depend on.
// Losses are decomposed for it first, because weights of targets and losses are
// results of one op.
//
//===----------------------------------------------------------------------===//

#include "EntryForms.h"
#include "Decompose.h"

using namespace mlir;
using namespace colo;

void colo::numberTerms(func::FuncOp entry) {
  llvm::SmallDenseMap<Value, int64_t> terms;
  entry.walk([&](WeightedMeanOp op) {
    auto [it, isNew] = terms.try_emplace(op.getWeights(), terms.size());
    op.setTerm(it->second);
  });
}

static func::FuncOp copyWithRole(func::FuncOp entry, StringRef role, SymbolTable &symbols) {
  func::FuncOp copy = entry.clone();
  copy.setSymName((entry.getSymName() + "." + role).str());
  copy->setAttr(kRoleAttr, StringAttr::get(entry.getContext(), role));
  symbols.insert(copy, std::next(Block::iterator(entry)));
  return copy;
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

static bool dropsOut(Operation *op) {
  if (auto attention = dyn_cast<AttentionOp>(op))
    return attention.getDropout().convertToDouble() > 0.0;
  return isa<DropoutOp>(op);
}

static bool hasDropout(func::FuncOp func, SymbolTable &symbols) {
  return llvm::any_of(reachableFunctions(func, symbols), [](func::FuncOp callee) {
    return callee.walk([](Operation *op) { return dropsOut(op) ? WalkResult::interrupt() : WalkResult::advance(); })
        .wasInterrupted();
  });
}

static void removeDropout(func::FuncOp func, SymbolTable &symbols);

/// The name of the function without dropout that does what `func` does.
static StringAttr evaluationOf(func::FuncOp func, SymbolTable &symbols) {
  if (!hasDropout(func, symbols))
    return func.getSymNameAttr();
  std::string name = (func.getSymName() + ".evaluate").str();
  if (auto existing = symbols.lookup<func::FuncOp>(name))
    return existing.getSymNameAttr();
  func::FuncOp copy = func.clone();
  copy.setSymName(name);
  symbols.insert(copy, std::next(Block::iterator(func)));
  removeDropout(copy, symbols);
  return copy.getSymNameAttr();
}

static void removeDropout(func::FuncOp func, SymbolTable &symbols) {
  for (Operation &op : llvm::make_early_inc_range(func.front())) {
    if (auto site = getCallSite(&op, symbols)) {
      op.setAttr("callee", FlatSymbolRefAttr::get(evaluationOf(site->callee, symbols)));
    } else if (auto attention = dyn_cast<AttentionOp>(op)) {
      attention.setDropoutAttr(FloatAttr::get(Float64Type::get(op.getContext()), 0.0));
    } else if (auto dropout = dyn_cast<DropoutOp>(op)) {
      dropout.replaceAllUsesWith(dropout.getInput());
      dropout.erase();
    }
  }
}

void colo::buildEvaluate(func::FuncOp entry, SymbolTable &symbols) {
  func::FuncOp copy = copyWithRole(entry, "evaluate", symbols);
  removeDropout(copy, symbols);
  removeDeadOps(copy, symbols);
}

//===----------------------------------------------------------------------===//
// Counting
//===----------------------------------------------------------------------===//

LogicalResult colo::buildCount(func::FuncOp entry, SymbolTable &symbols) {
  func::FuncOp copy = copyWithRole(entry, "count", symbols);
  llvm::SmallDenseSet<int64_t> counted;
  copy.walk([&](Operation *op) {
    auto mean = dyn_cast<WeightedMeanOp>(op);
    if (mean && counted.insert(mean.getTerm()).second)
      OpBuilder(op).create<CountOp>(op->getLoc(), mean.getWeights(), mean.getTerm());
    else if (isa<MetricOp>(op))
      op->erase();
  });
  removeDeadOps(copy, symbols);
  decomposeBeforePartitioning(copy);
  removeDeadOps(copy, symbols);
  WalkResult pure = copy.walk([](ParamRefOp op) {
    op.emitError() << "weights of a mean depend on parameter '" << op.getParam()
                   << "': denominators are counted before the first forward, from inputs and constants only";
    return WalkResult::interrupt();
  });
  return failure(pure.wasInterrupted());
}
