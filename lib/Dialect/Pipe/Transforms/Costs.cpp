//===- Costs.cpp - flops of layers, forward and again -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a backward computes again follows from what its gradients need, which only
// differentiating tells. So copies of the program are differentiated, with the
// marks and without them: the backwards differ by what the marks cost.
//
//===----------------------------------------------------------------------===//

#include "Costs.h"
#include "colo/Dialect/Colo/Hints.h"
#include "colo/Dialect/Colo/Passes.h"
#include "colo/Dialect/Colo/StepPhase.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace colo;
using namespace colo::pipe;

static int64_t flopsOf(func::FuncOp func, SymbolTable &symbols) {
  int64_t flops = 0;
  for (Operation &op : func.front()) {
    auto run = dyn_cast<LayersOp>(op);
    flops += pipe::flopsOf(&op, symbols) * (run ? static_cast<int64_t>(run.getCount()) : 1);
  }
  return flops;
}

int64_t pipe::flopsOf(Operation *op, SymbolTable &symbols) {
  if (auto cost = dyn_cast<CostOpInterface>(op))
    return cost.getFlops();
  auto callee = op->getAttrOfType<FlatSymbolRefAttr>("callee");
  auto func = callee ? symbols.lookup<func::FuncOp>(callee.getValue()) : func::FuncOp();
  return func ? ::flopsOf(func, symbols) : 0;
}

SmallVector<Operation *> pipe::layersOf(func::FuncOp entry) {
  SmallVector<Operation *> layers;
  for (auto run : entry.getOps<LayersOp>())
    layers.push_back(run);
  if (layers.empty())
    for (auto call : entry.getOps<CallOp>())
      layers.push_back(call);
  return layers;
}

/// Flops of the backward of each of the entry function's layers.
static SmallVector<int64_t> backwardFlops(ModuleOp module, bool marked) {
  OwningOpRef<ModuleOp> copy = module.clone();
  if (!marked)
    copy->walk([](Operation *op) { op->removeAttr(kRecomputeAttr); });
  ScopedDiagnosticHandler silent(module.getContext(), [](Diagnostic &) { return success(); });
  PassManager pm(module.getContext());
  pm.addPass(createAutodiffPass());
  if (failed(pm.run(*copy)))
    return {};
  SymbolTable symbols(*copy);
  SmallVector<int64_t> flops;
  for (auto func : copy->getOps<func::FuncOp>()) {
    auto role = func->getAttrOfType<StringAttr>(kRoleAttr);
    if (!role || role.getValue() != "entry")
      continue;
    for (Operation *layer : layersOf(func)) {
      if (phaseOf(layer->getLoc()) != StepPhase::Forward)
        continue;
      StringRef callee = layer->getAttrOfType<FlatSymbolRefAttr>("callee").getValue();
      bool split = callee.consume_back(".fwd");
      auto backward = split ? symbols.lookup<func::FuncOp>((callee + ".bwd").str()) : func::FuncOp();
      flops.push_back(backward ? ::flopsOf(backward, symbols) : 0);
    }
  }
  return flops;
}

std::vector<int64_t> pipe::recomputedFlops(ModuleOp module) {
  WalkResult marked = module.walk(
      [](Operation *op) { return op->hasAttr(kRecomputeAttr) ? WalkResult::interrupt() : WalkResult::advance(); });
  std::vector<int64_t> again;
  if (!marked.wasInterrupted())
    return again;
  for (auto [with, without] : llvm::zip(backwardFlops(module, true), backwardFlops(module, false)))
    again.push_back(with - without);
  return again;
}
