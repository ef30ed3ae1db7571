//===- GpuRowLoops.cpp - kernels that are row loops already -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuKernelEmitter.h"

using namespace mlir;
using namespace colo;

static constexpr int64_t kLoopThreads = 256;

static LogicalResult spread(scf::ForOp loop, GpuFunction &gpu, OpBuilder &builder) {
  Location loc = loop.getLoc();
  builder.setInsertionPoint(loop);
  Value step = loop.getStep();
  Value skip = builder.create<arith::MulIOp>(loc, gpu.thread(), step);
  loop.setLowerBound(builder.create<arith::AddIOp>(loc, loop.getLowerBound(), skip));
  loop.setStep(builder.create<arith::MulIOp>(loc, step, gpu.constant(kLoopThreads)));
  for (auto [i, result] : llvm::enumerate(loop.getResults())) {
    Operation *combiner = combinerOf(loop.getYieldedValues()[i], loop.getRegionIterArgs()[i]);
    auto start = loop.getInitArgs()[i].getDefiningOp<arith::ConstantOp>();
    auto zero = start ? dyn_cast<FloatAttr>(start.getValue()) : FloatAttr();
    if (!isa_and_present<arith::AddFOp>(combiner) || !zero || !zero.getValue().isZero())
      return loop.emitError("a loop with carried values is no sum from zero");
    builder.setInsertionPointAfter(loop);
    Value sum = gpu.reduce(result, combiner, kLoopThreads, gpu.thread(), 1, nullptr);
    // The reduction itself reads the loop's result; all others read the sum.
    result.replaceUsesWithIf(sum, [&](OpOperand &use) {
      Operation *user = loop->getBlock()->findAncestorOpInBlock(*use.getOwner());
      return user && sum.getDefiningOp()->isBeforeInBlock(user);
    });
  }
  return success();
}

LogicalResult colo::lowerRowLoops(func::FuncOp kernel, gpu::GPUModuleOp module, int64_t inputs, int64_t &rowsPerBlock) {
  llvm::SmallVector<scf::ForOp> rowLoops(kernel.getBody().front().getOps<scf::ForOp>());
  if (rowLoops.size() != 1)
    return kernel.emitError("is no loop over rows");
  bool sums =
      llvm::any_of(rowLoops[0].getBody()->getOps<scf::ForOp>(), [](scf::ForOp loop) { return loop.getNumResults(); });
  Location loc = kernel.getLoc();
  OpBuilder builder(kernel.getContext());
  llvm::SmallVector<Type> types(kernel.getArgumentTypes().drop_back(2));
  types.insert(types.begin() + inputs, builder.getIndexType());
  GpuFunction gpu(builder, module, loc, kernel.getName(), types);
  rowsPerBlock = sums ? 1 : kLoopThreads;
  Value row = sums
                  ? gpu.block()
                  : builder.create<arith::AddIOp>(
                        loc, builder.create<arith::MulIOp>(loc, gpu.block(), gpu.constant(kLoopThreads)), gpu.thread());
  Value inside = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, row, gpu.body().getArgument(inputs));
  Value next = builder.create<arith::AddIOp>(loc, row, gpu.constant(1));
  IRMapping mapping;
  unsigned count = kernel.getNumArguments() - 2;
  for (unsigned i = 0; i < count; ++i)
    mapping.map(kernel.getArgument(i), gpu.body().getArgument(i < inputs ? i : i + 1));
  mapping.map(kernel.getArgument(count), row);
  mapping.map(kernel.getArgument(count + 1), next);
  // A block's row exists, since there are as many blocks as rows; its threads wait for each other.
  gpu.where(sums ? Value() : inside, [&] {
    for (Operation &op : kernel.getBody().front().without_terminator())
      builder.clone(op, mapping);
  });
  if (sums) {
    // The one trip of the row loop, without the loop.
    auto rows = cast<scf::ForOp>(mapping.lookup(rowLoops[0].getInductionVar()).getParentBlock()->getParentOp());
    Value first = rows.getLowerBound();
    llvm::SmallVector<Operation *> ops;
    for (Operation &op : rows.getBody()->without_terminator())
      ops.push_back(&op);
    for (Operation *op : ops)
      op->moveBefore(rows);
    rows.getInductionVar().replaceAllUsesWith(first);
    rows.erase();
    for (Operation *op : ops) {
      if (auto loop = dyn_cast<scf::ForOp>(op))
        if (failed(spread(loop, gpu, builder)))
          return failure();
      if (isa<memref::StoreOp>(op)) {
        builder.setInsertionPoint(op);
        gpu.where(gpu.isZero(gpu.thread()),
                  [&] { op->moveBefore(builder.getInsertionBlock(), builder.getInsertionPoint()); });
      }
    }
  }
  return gpu.finish(kernel, kLoopThreads, /*blocks=*/1);
}
