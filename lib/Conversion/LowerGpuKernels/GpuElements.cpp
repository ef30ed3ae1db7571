//===- GpuElements.cpp - the elements of one thread -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuKernelEmitter.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace colo;

/// What a function of f64 of the device library takes: ptxas mixes those that do not wait for each other.
static constexpr int64_t kOfWideFunction = 8;

/// Whether a function of the device library computes it, and not an instruction.
static bool callsLibrary(Operation &op) {
  return isa<math::ExpOp, math::LogOp, math::SinOp, math::CosOp, math::TanhOp, math::ErfOp, math::PowFOp>(op) &&
         op.getResult(0).getType().isF64();
}

/// Elements that are done at a time, and in rows at least so long, which keep 512 threads busy with them; whole steps
/// before a rest that is done one by one.
static constexpr int64_t kElements = 4, kManyElements = 8, kLongRow = 4096, kStepsBeforeRest = 8;

int64_t GpuKernelEmitter::registersOf(linalg::GenericOp op, int64_t width) {
  Block *body = op.getBody();
  auto registers = [](Value value) -> int64_t {
    Operation *maker = value.getDefiningOp();
    if (value.use_empty() || isa<IndexType>(value.getType()) || (maker && maker->hasTrait<OpTrait::ConstantLike>()))
      return 0;
    return llvm::divideCeil(value.getType().getIntOrFloatBitWidth(), 32);
  };
  llvm::DenseMap<Value, Operation *> last;
  for (Operation &inner : *body)
    for (Value operand : inner.getOperands())
      last[operand] = &inner;
  int64_t live = 0, most = 0;
  for (Value argument : body->getArguments())
    live += registers(argument);
  for (Operation &inner : *body) {
    most = std::max(most, live);
    llvm::SmallDenseSet<Value> ended;
    for (Value operand : inner.getOperands())
      if (last[operand] == &inner && operand.getParentBlock() == body && ended.insert(operand).second)
        live -= registers(operand);
    for (Value result : inner.getResults())
      live += registers(result);
  }
  most += kOfWideFunction * llvm::count_if(*body, callsLibrary);
  // An address takes two.
  return most * width + 2 * (op.getNumDpsInputs() + op.getNumResults());
}

int64_t GpuKernelEmitter::widthOf(const Nest &nest) {
  if (nest.loops.empty())
    return 1;
  // Of all operands, and of those alone of which each element is another.
  int64_t bytes = 1, movingBytes = 1, size = nest.loops.back().size;
  linalg::GenericOp op = nest.op;
  auto widen = [&](OpOperand &operand) {
    auto tensor = dyn_cast<RankedTensorType>(operand.get().getType());
    if (!tensor)
      return;
    int64_t own = storedType(tensor.getElementType()).getIntOrFloatBitWidth() / 8;
    bytes = std::max(bytes, own);
    if (op.getMatchingIndexingMap(&operand).isFunctionOfDim(nest.loops.back().dim))
      movingBytes = std::max(movingBytes, own);
  };
  for (auto [i, operand] : llvm::enumerate(op.getDpsInputOperands()))
    if (!op.getBody()->getArgument(i).use_empty())
      widen(*operand);
  for (OpOperand &operand : op.getDpsInitsMutable())
    widen(operand);
  auto fits = [&](int64_t width) {
    return size % width == 0 || (nest.startFactor % width == 0 && size >= kStepsBeforeRest * width);
  };
  int64_t width = std::min<int64_t>(kElements, kAccessBytes / bytes);
  int64_t many = std::min<int64_t>(kManyElements, kAccessBytes / movingBytes);
  bool isLongRow = size >= kLongRow && nest.rowLoops && nest.loops.size() > nest.rowLoops;
  if (isLongRow && many > width && fits(many) && op.getBody()->getOps<rt::RandomWordOp>().empty())
    width = many;
  if (!fits(width))
    return 1;
  while (width > 1 && registersOf(op, width) > kMostAtOnce)
    width /= 2;
  return width;
}

llvm::SmallVector<int64_t> GpuKernelEmitter::stepsOf(llvm::ArrayRef<Loop> loops, int64_t width) {
  llvm::SmallVector<int64_t> steps;
  for (const Loop &loop : loops)
    steps.push_back(loop.size);
  if (!steps.empty())
    steps.back() /= width;
  return steps;
}

GpuKernelEmitter::Words GpuKernelEmitter::wordsOf(const Nest &nest, const Point &point, int64_t width) {
  Words all;
  if (width == 1)
    return all;
  linalg::GenericOp op = nest.op;
  Block *body = op.getBody();
  unsigned dim = nest.loops.back().dim;
  for (auto word : body->getOps<rt::RandomWordOp>()) {
    auto fixed = [&](Value value) { return stepOf(value, dim, body) == 0; };
    if (stepOf(word.getIndex(), dim, body) != 1 || !fixed(word.getSeed()) || !fixed(word.getInstance()) ||
        !fixed(word.getStep()))
      continue;
    Location loc = word.getLoc();
    auto outside = [&](Value value) { return emitIndexValue(builder, value, body, point, mapping); };
    Value first = outside(word.getIndex()), seed = outside(word.getSeed());
    Value instance = outside(word.getInstance()), step = outside(word.getStep());
    all.emplace_back(word.getResult(), emitRandomWords(builder, loc, seed, first, instance, step, width));
  }
  return all;
}

void GpuKernelEmitter::storeResult(const Nest &nest, unsigned result, Value value, const Point &point) {
  linalg::GenericOp op = nest.op;
  AffineMap map = op.getIndexingMapsArray()[op.getNumDpsInputs() + result];
  auto it = returned.find(op.getResult(result));
  if (it != returned.end())
    store(value, results[it->second], map, point);
  auto kept = storage.find(op.getResult(result));
  if (kept != storage.end() && kept->second.memory &&
      (it == returned.end() || kept->second.memory != results[it->second].memory))
    store(value, {MemRefType(), kept->second.strides, kept->second.memory, false}, map, point);
}

llvm::SmallVector<Value> GpuKernelEmitter::emitElements(const Nest &nest, Point point, int64_t width,
                                                        llvm::ArrayRef<Value> accumulators) {
  linalg::GenericOp op = nest.op;
  Location loc = op.getLoc();
  Value first;
  if (width > 1) {
    Value &step = point[nest.loops.back().dim];
    first = step = builder.create<arith::MulIOp>(loc, step, constant(width));
  }
  Words random = wordsOf(nest, point, width);
  llvm::SmallVector<Value> carried(accumulators);
  llvm::SmallVector<llvm::SmallVector<Value>> made;
  llvm::SmallVector<Point> points;
  for (int64_t i = 0; i < width; ++i) {
    if (i > 0)
      point[nest.loops.back().dim] = builder.create<arith::AddIOp>(loc, first, constant(i));
    IRMapping known = mapping;
    for (auto &[word, values] : random)
      known.map(word, values[i]);
    llvm::SmallVector<Value> before(carried);
    for (auto [r, accumulator] : llvm::enumerate(before))
      if (!accumulator)
        accumulator = initOf(op, r);
    made.push_back(emitBody(builder, nest, point, storage, before, known, words));
    for (auto [r, accumulator] : llvm::enumerate(carried))
      if (accumulator)
        accumulator = made.back()[r];
    points.push_back(point);
  }
  // After all loads, so that neighbouring accesses become one.
  for (unsigned r = 0; r < op.getNumResults(); ++r)
    if (!accumulators[r])
      for (int64_t i = 0; i < width; ++i)
        storeResult(nest, r, made[i][r], points[i]);
  return made.back();
}

LogicalResult GpuKernelEmitter::emitFlat(const Nest &nest) {
  int64_t width = widthOf(nest), total = 1, size = nest.loops.empty() ? 1 : nest.loops.back().size;
  llvm::SmallVector<int64_t> steps = stepsOf(nest.loops, width);
  bool hasRest = size % width != 0;
  if (hasRest)
    ++steps.back();
  for (int64_t size : steps)
    total *= size;
  threads = std::clamp<int64_t>(llvm::PowerOf2Ceil(total), kWarp, 256);
  blocks = (total + threads - 1) / threads;
  Location loc = kernel.getLoc();
  Value unit = builder.create<arith::AddIOp>(loc, builder.create<arith::MulIOp>(loc, gpu->block(), constant(threads)),
                                             gpu->thread());
  gpu->where(total % threads ? gpu->isLess(unit, total) : Value(), [&] {
    linalg::GenericOp op = nest.op;
    Point point(op.getNumLoops());
    for (auto [loop, index] : llvm::zip(nest.loops, digits(unit, steps)))
      point[loop.dim] = index;
    llvm::SmallVector<Value> none(op.getNumResults());
    if (!hasRest)
      return void(emitElements(nest, point, width, none));
    unsigned inner = nest.loops.back().dim;
    gpu->where(gpu->isLess(point[inner], size / width), [&] { emitElements(nest, point, width, none); });
    Value isLast = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, point[inner], constant(size / width));
    gpu->where(isLast, [&] {
      forLoop(constant(size - size % width), constant(size), [&](Value index) {
        Point at = point;
        at[inner] = index;
        emitElements(nest, at, 1, none);
      });
    });
  });
  int64_t needed = registersOf(nest.op, width);
  if (needed > kSomeRegisters)
    gpu->allowRegisters(needed);
  return success();
}
