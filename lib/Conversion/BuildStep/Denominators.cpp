//===- Denominators.cpp - what losses are divided by -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A step counts what its losses are means over in all micro-batches, sums the
// counts over replicas on the transfer stream while the first micro-batch
// starts, and divides by them from the first op that needs one.
//
//===----------------------------------------------------------------------===//

#include "StepBuilder.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace colo;

/// What leaves a micro-batch is added to totals of the step.
void StepBuilder::expandTotals() {
  module.walk([&](rt::CountOp op) {
    b.setInsertionPoint(op);
    Value counts = buffer("counts", MemRefType::get({terms}, b.getI64Type()));
    b.create<rt::SumOp>(loc, flatten(op.getWeights()), counts, op.getTermAttr());
    op.erase();
  });
  auto names = module->getAttrOfType<ArrayAttr>(kMetricsAttr);
  module.walk([&](rt::MetricOp op) {
    b.setInsertionPoint(op);
    Value all = buffer("metrics", MemRefType::get({metrics}, b.getF64Type()));
    int64_t number = llvm::find(names, op.getNameAttr()) - names.begin();
    b.create<rt::SumOp>(loc, flatten(op.getValue()), all, b.getI64IntegerAttr(number));
    op.erase();
  });
}

Value StepBuilder::flatten(Value memref) {
  auto type = cast<MemRefType>(memref.getType());
  return slot(memref, 0, MemRefType::get({type.getNumElements()}, type.getElementType()));
}

/// Denominators of the global batch. Their sum over the replicas is on its way while the first micro-batch runs up to
/// its first use.
void StepBuilder::buildCounts() {
  if (!terms)
    return;
  clear("counts", terms, b.getI64Type());
  if (count)
    buildMicroBatches(count);
  b.create<rt::RecordOp>(loc, rt::kStartEvent, rt::kComputeStream);
  b.create<rt::WaitOp>(loc, rt::kStartEvent, rt::kLayerStream);
  sumOver(buffer("counts", MemRefType::get({terms}, b.getI64Type())), {}, /*replicas=*/true, /*stages=*/false,
          rt::kLayerStream);
  b.create<rt::RecordOp>(loc, rt::kCountedEvent, rt::kLayerStream);
}

/// Functions that read a denominator, themselves or in what they call.
llvm::DenseSet<func::FuncOp> StepBuilder::readersOfCounts() {
  llvm::DenseSet<func::FuncOp> readers;
  module.walk([&](rt::InverseCountOp op) { readers.insert(op->getParentOfType<func::FuncOp>()); });
  SymbolTable symbols(module);
  for (size_t before = 0; before != readers.size();) {
    before = readers.size();
    module.walk([&](func::CallOp call) {
      if (readers.contains(symbols.lookup<func::FuncOp>(call.getCallee())))
        readers.insert(call->getParentOfType<func::FuncOp>());
    });
  }
  return readers;
}

/// In what the step calls, waits for the denominators before the first op that needs one.
void StepBuilder::awaitCounts() {
  if (!terms)
    return;
  OpBuilder::InsertionGuard guard(b);
  name("denominators");
  llvm::DenseSet<func::FuncOp> readers = readersOfCounts();
  SetVector<func::FuncOp> called;
  for (func::FuncOp func : {entry, evaluate})
    if (func)
      called.insert(func);
  for (const StageFunctions *stages : {&trainStages, &evaluateStages})
    for (const auto &[task, func] : *stages)
      called.insert(func);
  for (func::FuncOp func : called)
    if (readers.contains(func))
      awaitCounts(func, readers);
  loc = module.getLoc();
}

void StepBuilder::awaitCounts(func::FuncOp func, const llvm::DenseSet<func::FuncOp> &readers) {
  SymbolTable symbols(module);
  Block &block = func.getBody().front();
  Operation *first = block.getTerminator();
  for (Operation &op : llvm::reverse(block)) {
    bool needs = llvm::any_of(op.getOperands(), [](Value v) { return v.getDefiningOp<rt::InverseCountOp>(); });
    op.walk([&](func::CallOp call) { needs |= readers.contains(symbols.lookup<func::FuncOp>(call.getCallee())); });
    if (needs)
      first = &op;
  }
  b.setInsertionPoint(first);
  awaitCounted();
  buildInverses();
  for (rt::InverseCountOp op : llvm::to_vector(block.getOps<rt::InverseCountOp>()))
    op->moveBefore(first);
}

void StepBuilder::awaitCounted() {
  if (terms)
    b.create<rt::WaitOp>(loc, rt::kCountedEvent, rt::kComputeStream);
}

/// 1/N of each denominator, 0 where nothing was counted.
void StepBuilder::buildInverses() {
  if (!inverses)
    inverses = createInverseKernel(module, terms);
  Value counts = buffer("counts", MemRefType::get({terms}, b.getI64Type()));
  Value result = buffer("inverse_counts", MemRefType::get({terms}, b.getF64Type()));
  b.create<rt::LaunchOp>(loc, TypeRange{}, FlatSymbolRefAttr::get(inverses), ValueRange{counts}, ValueRange{result},
                         b.getI64IntegerAttr(terms));
}
