//===- GpuRows.cpp - rows of a kernel on groups of threads -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All nests of a row run one after the other on the threads of one group: one
// thread where rows are short, else a warp or more. What passes between nests
// is in registers, equal on all threads of the group, or in shared memory.
//
//===----------------------------------------------------------------------===//

#include "GpuKernelEmitter.h"

using namespace mlir;
using namespace colo;

/// Elements of a row that one thread does alone; threads of a block of rows; most threads of a row.
static constexpr int64_t kShortRow = 8, kRowThreads = 128, kMostThreads = 512;

/// Whether a result has a place of its own in shared memory: later nests read it, and it is not in global memory as
/// it is.
bool GpuKernelEmitter::isBuffered(Value result) {
  auto it = returned.find(result);
  return isReadLater(result) && (it == returned.end() || results[it->second].accumulate);
}

static int64_t rowElements(RankedTensorType type, size_t rows) {
  int64_t size = 1;
  for (int64_t extent : type.getShape().drop_front(std::min<size_t>(rows, type.getRank())))
    size *= extent;
  return size;
}

FailureOr<GpuKernelEmitter::RowShape> GpuKernelEmitter::shapeRows(llvm::ArrayRef<int64_t> sizes) {
  RowShape shape;
  for (int64_t size : sizes)
    shape.rows *= size;
  int64_t longest = 1, buffered = 0, least = 0;
  for (linalg::GenericOp op : generics) {
    int64_t length = 1;
    llvm::SmallVector<int64_t> extents = op.getStaticLoopRanges();
    for (int64_t size : llvm::ArrayRef(extents).drop_front(rows))
      length *= size;
    longest = std::max(longest, length);
    least = std::max(least, registersOf(op, 1));
    for (Value result : op.getResults()) {
      auto type = cast<RankedTensorType>(result.getType());
      int64_t elements = rowElements(type, rows);
      if (isBuffered(result) && elements > 1)
        buffered += elements * (storedType(type.getElementType()).getIntOrFloatBitWidth() / 8);
    }
  }
  if (longest > kShortRow)
    shape.threads = std::clamp<int64_t>(llvm::PowerOf2Ceil((longest + 3) / 4) / 2, kWarp,
                                        least > kManyRegisters ? kMostThreads / 2 : kMostThreads);
  // Half of the memory, so that two blocks fit.
  shape.groups = std::max<int64_t>(1, kRowThreads / shape.threads);
  auto divides = [&] { return shape.threads == 1 || shape.rows % shape.groups == 0; };
  while (shape.groups > 1 && (!divides() || shape.groups * buffered > kSharedBytes / 2))
    shape.groups /= 2;
  if (buffered > kRowBytes)
    return kernel.emitError("a row keeps ") << buffered << " bytes between its loops, more than the " << kRowBytes
                                            << " bytes of shared memory that a block of threads has for it";
  return shape;
}

/// Decides where later nests find the results; true if that is memory.
bool GpuKernelEmitter::placeResults(linalg::GenericOp op, const Nest &nest, const RowShape &shape) {
  bool inMemory = false;
  llvm::SmallVector<llvm::SmallVector<int64_t>> strides = resultStrides(op);
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    if (!isReadLater(result) || isRowScalar(nest, i))
      continue;
    inMemory = true;
    if (!isBuffered(result)) {
      storage[result] = {results[returned[result]].memory, strides[i], Value()};
      // Other threads write what this one reads behind the barrier.
      gpu->mayAlias(results[returned[result]].memory);
      continue;
    }
    auto type = cast<RankedTensorType>(result.getType());
    llvm::SmallVector<int64_t> inner(type.getRank(), 0);
    int64_t size = 1;
    for (size_t d = type.getRank(); d-- > rows; size *= type.getDimSize(d))
      inner[d] = size;
    storage[result] = {gpu->shared(type.getElementType(), size, shape.groups, group), inner, Value()};
  }
  return inMemory;
}

void GpuKernelEmitter::emitRowPart(const Nest &nest, const Point &point, const RowShape &shape, int64_t width,
                                   bool isRest, llvm::SmallVector<Value> &accumulators) {
  Location loc = kernel.getLoc();
  llvm::ArrayRef<Loop> loops = llvm::ArrayRef(nest.loops).drop_front(nest.rowLoops);
  int64_t size = loops.back().size, total = 1;
  llvm::SmallVector<int64_t> steps = stepsOf(loops, width);
  if (isRest)
    steps.back() = size % width;
  for (int64_t count : steps)
    total *= count;
  llvm::SmallVector<Value> carried, outgoing;
  for (Value accumulator : accumulators)
    if (accumulator)
      carried.push_back(accumulator);
  auto loop = builder.create<scf::ForOp>(loc, lane, constant(total), constant(shape.threads), carried);
  OpBuilder::InsertionGuard guard(builder);
  if (carried.empty())
    builder.setInsertionPoint(loop.getBody()->getTerminator());
  else
    builder.setInsertionPointToEnd(loop.getBody());
  Point at = point;
  for (auto [inner, index] : llvm::zip(loops, digits(loop.getInductionVar(), steps)))
    at[inner.dim] = index;
  if (isRest)
    at[loops.back().dim] = builder.create<arith::AddIOp>(loc, at[loops.back().dim], constant(size - size % width));
  llvm::SmallVector<Value> before(accumulators);
  size_t next = 0;
  for (Value &accumulator : before)
    if (accumulator)
      accumulator = loop.getRegionIterArgs()[next++];
  llvm::SmallVector<Value> made = emitElements(nest, at, isRest ? 1 : width, before);
  next = 0;
  for (auto [accumulator, value] : llvm::zip(accumulators, made))
    if (accumulator) {
      outgoing.push_back(value);
      accumulator = loop.getResult(next++);
    }
  if (!carried.empty())
    builder.create<scf::YieldOp>(loc, outgoing);
}

/// Shares the elements of a row out among the threads of its group; combines what they have reduced.
FailureOr<llvm::SmallVector<Value>> GpuKernelEmitter::emitRowLoop(const Nest &nest, const Point &point,
                                                                  const RowShape &shape,
                                                                  llvm::ArrayRef<Value> accumulators) {
  linalg::GenericOp op = nest.op;
  int64_t width = shape.threads == 1 ? 1 : widthOf(nest);
  llvm::SmallVector<Value> sums(accumulators), values(accumulators.size());
  emitRowPart(nest, point, shape, width, /*isRest=*/false, sums);
  if (nest.loops.back().size % width != 0)
    emitRowPart(nest, point, shape, width, /*isRest=*/true, sums);
  for (unsigned i = 0; i < accumulators.size(); ++i) {
    if (!accumulators[i])
      continue;
    Operation *combiner =
        combinerOf(op.getBody()->getTerminator()->getOperand(i), op.getBody()->getArgument(op.getNumDpsInputs() + i));
    if (!combiner)
      return op.emitError("result ") << i << " is no sum and no extremum";
    values[i] = gpu->reduce(sums[i], combiner, shape.threads, lane, shape.groups, group);
  }
  return values;
}

LogicalResult GpuKernelEmitter::emitRowNest(const Nest &nest, const Point &point, const RowShape &shape) {
  linalg::GenericOp op = nest.op;
  unsigned count = op.getNumResults();
  llvm::SmallVector<Value> accumulators(count), values;
  for (unsigned i = 0; i < count; ++i)
    if (isRowScalar(nest, i))
      accumulators[i] = initOf(op, i);
  if (nest.loops.size() == nest.rowLoops) {
    // One element, computed by all threads. None of its results is in memory but what leaves the kernel.
    values = emitBody(builder, nest, point, storage, accumulators, mapping, words);
  } else {
    FailureOr<llvm::SmallVector<Value>> reduced = emitRowLoop(nest, point, shape, accumulators);
    if (failed(reduced))
      return failure();
    values = *reduced;
  }
  // One thread writes the numbers of the row.
  auto leaves = [&](unsigned i) { return isRowScalar(nest, i) && returned.count(op.getResult(i)); };
  if (llvm::any_of(llvm::seq(count), leaves))
    gpu->where(shape.threads > 1 ? gpu->isZero(lane) : Value(), [&] {
      for (unsigned i = 0; i < count; ++i)
        if (leaves(i))
          store(values[i], results[returned[op.getResult(i)]], op.getIndexingMapsArray()[op.getNumDpsInputs() + i],
                point);
    });
  for (unsigned i = 0; i < count; ++i)
    if (isRowScalar(nest, i))
      storage[op.getResult(i)] = {Value(), {}, values[i]};
  return success();
}

int64_t GpuKernelEmitter::registersAcross(linalg::GenericOp op) {
  int64_t registers = 0;
  for (const auto &[value, place] : storage) {
    if (!place.scalar || !value.getDefiningOp<linalg::GenericOp>() || llvm::is_contained(op->getOperands(), value))
      continue;
    bool isReadLater = llvm::any_of(value.getUsers(), [&](Operation *user) {
      return user->getBlock() == op->getBlock() && op->isBeforeInBlock(user) && isa<linalg::GenericOp>(user);
    });
    if (isReadLater)
      registers += llvm::divideCeil(place.scalar.getType().getIntOrFloatBitWidth(), 32);
  }
  return registers;
}

LogicalResult GpuKernelEmitter::emitRows() {
  llvm::SmallVector<int64_t> sizes(llvm::ArrayRef(generics[0].getStaticLoopRanges()).take_front(rows));
  FailureOr<RowShape> shape = shapeRows(sizes);
  if (failed(shape))
    return failure();
  threads = shape->threads * shape->groups;
  blocks = (shape->rows + shape->groups - 1) / shape->groups;
  Location loc = kernel.getLoc();
  Value size = constant(shape->threads);
  group = shape->groups == 1 ? constant(0) : builder.create<arith::DivUIOp>(loc, gpu->thread(), size).getResult();
  lane = shape->groups == 1 ? gpu->thread() : builder.create<arith::RemUIOp>(loc, gpu->thread(), size).getResult();
  if (shape->threads == 1)
    lane = constant(0);
  Value row = builder.create<arith::AddIOp>(
      loc, builder.create<arith::MulIOp>(loc, gpu->block(), constant(shape->groups)), group);
  LogicalResult result = success();
  int64_t most = 0;
  // Only rows of one thread each may be too few for the last block; nothing waits in those.
  gpu->where(shape->rows % shape->groups ? gpu->isLess(row, shape->rows) : Value(), [&] {
    llvm::SmallVector<Value> position = digits(row, sizes);
    for (linalg::GenericOp op : generics) {
      Point point = rowPoint(op, position, sizes);
      Nest nest = buildNest(op, rows, /*keepRows=*/true, storage, resultStrides(op));
      bool inMemory = placeResults(op, nest, *shape);
      most = std::max(most, registersOf(op, widthOf(nest)) + registersAcross(op));
      if (failed(emitRowNest(nest, point, *shape))) {
        result = failure();
        return;
      }
      // Sums of several warps have met behind a barrier already.
      if (inMemory && shape->threads > 1 && !(nest.hasReduction() && shape->threads > kWarp))
        gpu->barrier();
    }
  });
  if (shape->threads > 1)
    gpu->allowRegisters(most);
  return result;
}
