//===- GpuRowLoops.cpp - kernels that are row loops already -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuKernelEmitter.h"

using namespace mlir;
using namespace colo;

/// Threads of a block; of one that is alone and adds up so many elements that it would take long; loads under way at
/// once.
static constexpr int64_t kLoopThreads = 256, kLoneThreads = 1024, kManyElements = 8192, kLoads = 4;

/// The trips of a loop from 0 in steps of 1, where they are known.
static int64_t tripsOf(scf::ForOp loop) {
  std::optional<int64_t> first = getConstantIntValue(loop.getLowerBound()), step = getConstantIntValue(loop.getStep()),
                         end = getConstantIntValue(loop.getUpperBound());
  return first == 0 && step == 1 && end ? *end : 0;
}

/// As many elements as all threads take kLoads of are taken first, in the same order, so that loads of a thread need
/// not wait for each other.
static void takeSeveral(scf::ForOp loop, GpuFunction &gpu, OpBuilder &builder, int64_t threads) {
  Location loc = loop.getLoc();
  int64_t taken = tripsOf(loop) / (kLoads * threads) * (kLoads * threads);
  if (!taken)
    return;
  auto several = builder.create<scf::ForOp>(
      loc, gpu.thread(), gpu.constant(taken), gpu.constant(kLoads * threads), loop.getInitArgs(),
      [&](OpBuilder &b, Location at, Value first, ValueRange carried) {
        llvm::SmallVector<Value> values(carried);
        for (int64_t i = 0; i < kLoads; ++i) {
          IRMapping mapping;
          mapping.map(loop.getInductionVar(),
                      b.create<arith::AddIOp>(at, first, b.create<arith::ConstantIndexOp>(at, i * threads)));
          mapping.map(loop.getRegionIterArgs(), values);
          for (Operation &op : loop.getBody()->without_terminator())
            b.clone(op, mapping);
          for (auto [value, yielded] : llvm::zip(values, loop.getYieldedValues()))
            value = mapping.lookupOrDefault(yielded);
        }
        b.create<scf::YieldOp>(at, values);
      });
  loop.getInitArgsMutable().assign(several.getResults());
  loop.setLowerBound(gpu.constant(taken));
}

static LogicalResult spread(scf::ForOp loop, GpuFunction &gpu, OpBuilder &builder, int64_t threads) {
  Location loc = loop.getLoc();
  llvm::SmallVector<Value> starts(loop.getInitArgs());
  builder.setInsertionPoint(loop);
  takeSeveral(loop, gpu, builder, threads);
  Value step = loop.getStep();
  Value skip = builder.create<arith::MulIOp>(loc, gpu.thread(), step);
  loop.setLowerBound(builder.create<arith::AddIOp>(loc, loop.getLowerBound(), skip));
  loop.setStep(builder.create<arith::MulIOp>(loc, step, gpu.constant(threads)));
  builder.setInsertionPointAfter(loop);
  for (auto [i, result] : llvm::enumerate(loop.getResults())) {
    Operation *combiner = combinerOf(loop.getYieldedValues()[i], loop.getRegionIterArgs()[i]);
    auto start = starts[i].getDefiningOp<arith::ConstantOp>();
    auto zero = start ? dyn_cast<FloatAttr>(start.getValue()) : FloatAttr();
    if (!isa_and_present<arith::AddFOp>(combiner) || !zero || !zero.getValue().isZero())
      return loop.emitError("a loop with carried values is no sum from zero");
    Value sum = gpu.reduce(result, combiner, threads, gpu.thread(), 1, nullptr);
    // The reduction itself reads the loop's result; all others read the sum.
    result.replaceUsesWithIf(sum, [&](OpOperand &use) {
      Operation *user = loop->getBlock()->findAncestorOpInBlock(*use.getOwner());
      return user && sum.getDefiningOp()->isBeforeInBlock(user);
    });
  }
  return success();
}

/// Rows of one thread: as many as 16 bytes of the widest destination have, one where they do not divide the rows.
static int64_t rowsOfThread(func::FuncOp kernel, const RowLaunches &launches) {
  int64_t bytes = 4;
  for (Type type : kernel.getArgumentTypes().drop_front(launches.inputFactors.size()))
    if (auto memref = dyn_cast<MemRefType>(type))
      bytes = std::max<int64_t>(bytes, memref.getElementTypeBitWidth() / 8);
  return std::min(kAccessBytes / bytes, launches.rowsFactor);
}

/// The index, as a number that shows that the factor divides it.
static Value showFactor(OpBuilder &builder, Location loc, Value index, int64_t factor) {
  Value divisor = builder.create<arith::ConstantIndexOp>(loc, factor);
  return builder.create<arith::MulIOp>(loc, builder.create<arith::DivUIOp>(loc, index, divisor), divisor);
}

/// A loop of step 1 whose trips `width` divides takes so many at a time.
static void unroll(scf::ForOp loop, int64_t width) {
  OpBuilder builder(loop);
  loop.setStep(builder.create<arith::ConstantIndexOp>(loop.getLoc(), width));
  llvm::SmallVector<Operation *> ops;
  for (Operation &op : loop.getBody()->without_terminator())
    ops.push_back(&op);
  builder.setInsertionPoint(loop.getBody()->getTerminator());
  for (int64_t i = 1; i < width; ++i) {
    IRMapping mapping;
    Value place = builder.create<arith::ConstantIndexOp>(loop.getLoc(), i);
    mapping.map(loop.getInductionVar(),
                builder.create<arith::AddIOp>(loop.getLoc(), loop.getInductionVar(), place).getResult());
    for (Operation *op : ops)
      builder.clone(*op, mapping);
  }
}

/// The one trip of the row loop, without the loop: its sums are the block's, and one thread stores.
static LogicalResult spreadRow(scf::ForOp rows, GpuFunction &gpu, OpBuilder &builder, int64_t threads) {
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
      if (failed(spread(loop, gpu, builder, threads)))
        return failure();
    if (isa<memref::StoreOp>(op)) {
      builder.setInsertionPoint(op);
      gpu.where(gpu.isZero(gpu.thread()),
                [&] { op->moveBefore(builder.getInsertionBlock(), builder.getInsertionPoint()); });
    }
  }
  return success();
}

static bool isSum(scf::ForOp loop) { return loop.getNumResults() != 0; }

static int64_t threadsOf(func::FuncOp kernel, scf::ForOp rows) {
  auto extent = kernel->getAttrOfType<IntegerAttr>(rt::kExtentAttr);
  bool isAlone = extent && extent.getInt() == 1;
  auto isLong = [](scf::ForOp loop) { return isSum(loop) && tripsOf(loop) >= kManyElements; };
  return isAlone && llvm::any_of(rows.getBody()->getOps<scf::ForOp>(), isLong) ? kLoneThreads : kLoopThreads;
}

LogicalResult colo::lowerRowLoops(func::FuncOp kernel, gpu::GPUModuleOp module, const RowLaunches &launches,
                                  int64_t &rowsPerBlock) {
  auto inputs = static_cast<int64_t>(launches.inputFactors.size());
  llvm::SmallVector<scf::ForOp> rowLoops(kernel.getBody().front().getOps<scf::ForOp>());
  if (rowLoops.size() != 1)
    return kernel.emitError("is no loop over rows");
  bool sums = llvm::any_of(rowLoops[0].getBody()->getOps<scf::ForOp>(), isSum);
  int64_t threads = threadsOf(kernel, rowLoops[0]);
  Location loc = kernel.getLoc();
  OpBuilder builder(kernel.getContext());
  llvm::SmallVector<Type> types(kernel.getArgumentTypes().drop_back(2));
  types.insert(types.begin() + inputs, builder.getIndexType());
  GpuFunction gpu(builder, module, loc, kernel.getName(), types);
  int64_t width = sums ? 1 : rowsOfThread(kernel, launches);
  rowsPerBlock = sums ? 1 : kLoopThreads * width;
  Value row = gpu.block();
  if (!sums) {
    Value first = builder.create<arith::MulIOp>(loc, row, gpu.constant(kLoopThreads));
    row = builder.create<arith::MulIOp>(loc, builder.create<arith::AddIOp>(loc, first, gpu.thread()),
                                        gpu.constant(width));
  }
  Value inside = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, row, gpu.body().getArgument(inputs));
  Value next = builder.create<arith::AddIOp>(loc, row, gpu.constant(width));
  IRMapping mapping;
  unsigned count = kernel.getNumArguments() - 2;
  for (unsigned i = 0; i < count; ++i) {
    Value argument = gpu.body().getArgument(i < inputs ? i : i + 1);
    bool shows = i < inputs && launches.inputFactors[i] >= width && width > 1 && argument.getType().isIndex();
    mapping.map(kernel.getArgument(i), shows ? showFactor(builder, loc, argument, width) : argument);
  }
  mapping.map(kernel.getArgument(count), row);
  mapping.map(kernel.getArgument(count + 1), next);
  // A block's row exists, since there are as many blocks as rows; its threads wait for each other.
  gpu.where(sums ? Value() : inside, [&] {
    for (Operation &op : kernel.getBody().front().without_terminator())
      builder.clone(op, mapping);
  });
  auto rows = cast<scf::ForOp>(mapping.lookup(rowLoops[0].getInductionVar()).getParentBlock()->getParentOp());
  if (width > 1)
    unroll(rows, width);
  if (sums && failed(spreadRow(rows, gpu, builder, threads)))
    return failure();
  return gpu.finish(kernel, threads, /*blocks=*/1);
}
