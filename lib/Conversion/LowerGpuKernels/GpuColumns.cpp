//===- GpuColumns.cpp - sums over rows -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuKernelEmitter.h"

using namespace mlir;
using namespace colo;

/// Threads of a block of columns, and how many columns it takes: 32 bytes of f32 are what memory moves at once, and
/// few columns a block make many blocks.
static constexpr int64_t kColumnThreads = 512, kNarrowBlock = 8, kWideBlock = 32, kManyColumns = 4096;

llvm::SmallVector<Value> GpuKernelEmitter::combineLanes(ValueRange sums, llvm::ArrayRef<Operation *> combiners,
                                                        int64_t lanes, int64_t block) {
  llvm::SmallVector<Value> parts;
  if (lanes == 1)
    return llvm::SmallVector<Value>(sums);
  Location loc = kernel.getLoc();
  // A sum has at most eight bytes.
  size_t atOnce = kSharedBytes / (8 * threads);
  bool takeTurns = sums.size() > atOnce;
  int64_t taken = gpu->taken();
  for (size_t first = 0; first < sums.size(); first += atOnce) {
    ValueRange turn = sums.drop_front(first).take_front(atOnce);
    if (first > 0) {
      gpu->barrier();
      gpu->giveBack(taken);
    }
    llvm::SmallVector<Value> places;
    for (Value sum : turn) {
      places.push_back(gpu->shared(sum.getType(), threads));
      builder.create<memref::StoreOp>(loc, sum, places.back(), gpu->thread());
    }
    for (int64_t half = lanes / 2; half > 0; half /= 2) {
      gpu->barrier();
      gpu->where(gpu->isLess(lane, half), [&] {
        Value other = builder.create<arith::AddIOp>(loc, gpu->thread(), constant(half * block));
        for (auto [combiner, part] : llvm::zip(combiners.drop_front(first), places)) {
          Value mine = builder.create<memref::LoadOp>(loc, part, gpu->thread());
          Value sum = gpu->combine(combiner, mine, builder.create<memref::LoadOp>(loc, part, other));
          builder.create<memref::StoreOp>(loc, sum, part, gpu->thread());
        }
      });
    }
    for (Value place : places)
      parts.push_back(takeTurns ? builder.create<memref::LoadOp>(loc, place, gpu->thread()).getResult() : place);
  }
  return parts;
}

LogicalResult GpuKernelEmitter::emitColumns(const Nest &nest) {
  linalg::GenericOp op = nest.op;
  Location loc = op.getLoc();
  const Loop &columns = nest.loops.back();
  llvm::SmallVector<Loop> outer, reduced;
  for (const Loop &loop : llvm::ArrayRef(nest.loops).drop_back())
    (loop.reduced ? reduced : outer).push_back(loop);
  llvm::SmallVector<int64_t> sizes = stepsOf(outer, 1), steps = stepsOf(reduced, 1);
  int64_t block = columns.size >= kManyColumns ? kWideBlock : kNarrowBlock, total = 1;
  for (int64_t size : steps)
    total *= size;
  int64_t lanes = std::min<int64_t>(llvm::PowerOf2Ceil(total), kColumnThreads / block);
  threads = block * lanes;
  sizes.push_back((columns.size + block - 1) / block);
  for (int64_t size : sizes)
    blocks *= size;

  llvm::SmallVector<Operation *> combiners;
  llvm::SmallVector<Value> sums;
  for (unsigned i = 0; i < op.getNumResults(); ++i) {
    combiners.push_back(
        combinerOf(op.getBody()->getTerminator()->getOperand(i), op.getBody()->getArgument(op.getNumDpsInputs() + i)));
    sums.push_back(initOf(op, i));
    if (!combiners.back() || !sums.back())
      return op.emitError("result ") << i << " is no sum and no extremum";
  }
  llvm::SmallVector<Value> position = digits(gpu->block(), sizes);
  Value width = constant(block);
  Value at = builder.create<arith::RemUIOp>(loc, gpu->thread(), width);
  lane = builder.create<arith::DivUIOp>(loc, gpu->thread(), width);
  Point point(op.getNumLoops());
  for (auto [loop, index] : llvm::zip(outer, position))
    point[loop.dim] = index;
  Value column = builder.create<arith::AddIOp>(loc, builder.create<arith::MulIOp>(loc, position.back(), width), at);
  point[columns.dim] = column;
  Value inside = columns.size % block ? gpu->isLess(column, columns.size) : Value();

  // Threads beyond the last column have no rows, but wait with the others.
  Value end = constant(total);
  if (inside)
    end = builder.create<arith::SelectOp>(loc, inside, end, constant(0));
  gpu->allowRegisters(registersOf(op, 1));
  auto loop = builder.create<scf::ForOp>(loc, lane, end, constant(lanes), sums);
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(loop.getBody());
    Point element = point;
    for (auto [dim, index] : llvm::zip(reduced, digits(loop.getInductionVar(), steps)))
      element[dim.dim] = index;
    llvm::SmallVector<Value> before(loop.getRegionIterArgs().begin(), loop.getRegionIterArgs().end());
    builder.create<scf::YieldOp>(loc, emitBody(builder, nest, element, storage, before, mapping, words));
  }
  llvm::SmallVector<Value> all = combineLanes(loop.getResults(), combiners, lanes, block);
  Value writes = lanes > 1 ? gpu->isZero(lane) : Value();
  if (inside)
    writes = writes ? builder.create<arith::AndIOp>(loc, writes, inside).getResult() : inside;
  gpu->where(writes, [&] {
    for (auto [i, sum] : llvm::enumerate(all)) {
      if (isa<MemRefType>(sum.getType()))
        sum = builder.create<memref::LoadOp>(loc, sum, gpu->thread());
      store(sum, results[returned[op.getResult(i)]], op.getIndexingMapsArray()[op.getNumDpsInputs() + i], point);
    }
  });
  return success();
}
