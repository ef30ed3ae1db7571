//===- EmitLoops.cpp - loops of kernels over rows, columns and flat memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelEmitter.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace colo;

/// Elements of a block of a flat kernel, and the innermost size below which two loops stay in a block.
static constexpr int64_t kFlatBlock = 2048, kShortLoop = 16;
/// Columns of a unit of work: four cache lines of f32, so that few columns keep several threads busy too.
static constexpr int64_t kColumnBlock = 64;
/// Sums that a thread makes together.
static constexpr int64_t kSumBytes = 64 * 1024;
/// Elements of the innermost loop for which random words are made beforehand: 64 KiB.
static constexpr int64_t kLongestWordRow = 16384;

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

Value KernelEmitter::blockEnd(Value lower, int64_t block, int64_t size) {
  Value upper = builder.create<arith::AddIOp>(kernel.getLoc(), lower, constant(block));
  return size % block == 0 ? upper : builder.create<arith::MinUIOp>(kernel.getLoc(), upper, constant(size)).getResult();
}

Value KernelEmitter::stackBuffer(int64_t size, Type type) {
  OpBuilder entry = OpBuilder::atBlockBegin(&lowered.getBody().front());
  return entry.create<memref::AllocaOp>(kernel.getLoc(), MemRefType::get({size}, storedType(type)),
                                        entry.getI64IntegerAttr(64));
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

llvm::SmallVector<Value> KernelEmitter::emitLoops(const Nest &nest, size_t depth, Point &point,
                                                  llvm::ArrayRef<Value> accumulators) {
  linalg::GenericOp op = nest.op;
  Location loc = op.getLoc();
  if (depth == nest.loops.size()) {
    // A reduction over loops of size 1 only starts from its neutral element.
    llvm::SmallVector<Value> before(accumulators);
    for (auto [i, accumulator] : llvm::enumerate(before))
      if (!accumulator)
        accumulator = initOf(op, i);
    llvm::SmallVector<Value> yielded = emitBody(builder, nest, point, storage, before, mapping, words);
    for (auto [i, value] : llvm::enumerate(yielded)) {
      if (accumulators[i])
        continue;
      AffineMap map = op.getIndexingMapsArray()[op.getNumDpsInputs() + i];
      auto it = returned.find(op.getResult(i));
      if (it != returned.end())
        store(value, results[it->second], map, point);
      auto kept = storage.find(op.getResult(i));
      if (kept != storage.end() && (it == returned.end() || kept->second.memory != results[it->second].memory))
        store(value, {MemRefType(), kept->second.strides, kept->second.memory, false}, map, point);
    }
    return yielded;
  }
  const Loop &loop = nest.loops[depth];
  if (depth + 1 == nest.loops.size() && loop.size <= kLongestWordRow)
    prepareWords(nest, loop, Value(), loop.size, point);
  llvm::SmallVector<Value> carried;
  for (Value accumulator : accumulators)
    if (accumulator)
      carried.push_back(accumulator);
  auto nested = builder.create<scf::ForOp>(loc, constant(0), constant(loop.size), constant(1), carried);
  OpBuilder::InsertionGuard guard(builder);
  if (carried.empty())
    builder.setInsertionPoint(nested.getBody()->getTerminator());
  else
    builder.setInsertionPointToEnd(nested.getBody());
  point[loop.dim] = nested.getInductionVar();
  llvm::SmallVector<Value> inner(accumulators);
  size_t next = 0;
  for (Value &accumulator : inner)
    if (accumulator)
      accumulator = nested.getRegionIterArgs()[next++];
  llvm::SmallVector<Value> yielded = emitLoops(nest, depth + 1, point, inner), outgoing, all(accumulators.size());
  next = 0;
  for (size_t i = 0; i < accumulators.size(); ++i)
    if (accumulators[i]) {
      outgoing.push_back(yielded[i]);
      all[i] = nested.getResult(next++);
    }
  if (!carried.empty())
    builder.create<scf::YieldOp>(loc, outgoing);
  point[loop.dim] = Value();
  return all;
}

void KernelEmitter::prepareWords(const Nest &nest, const Loop &loop, Value lower, int64_t count, Point point) {
  linalg::GenericOp op = nest.op;
  Block *body = op.getBody();
  words.clear();
  for (auto word : body->getOps<rt::RandomWordOp>()) {
    auto fixed = [&](Value value) { return stepOf(value, loop.dim, body) == 0; };
    if (stepOf(word.getIndex(), loop.dim, body) != 1 || !fixed(word.getSeed()) || !fixed(word.getInstance()) ||
        !fixed(word.getStep()))
      continue;
    Location loc = word.getLoc();
    point[loop.dim] = lower;
    auto outside = [&](Value value) { return emitIndexValue(builder, value, body, point, mapping); };
    Value first = outside(word.getIndex()), seed = outside(word.getSeed());
    Value instance = outside(word.getInstance()), step = outside(word.getStep());
    auto integer = [&](int64_t value) -> Value { return builder.create<arith::ConstantIntOp>(loc, value, 64); };
    Value firstBlock = builder.create<arith::ShRUIOp>(loc, first, integer(2));
    Value shift = builder.create<arith::AndIOp>(loc, first, integer(3));
    shift = builder.create<arith::IndexCastOp>(loc, builder.getIndexType(), shift);
    // The first block may start up to three elements early.
    int64_t blocks = (count + 6) / 4;
    Value buffer = stackBuffer(4 * blocks, builder.getI32Type());
    forLoop(constant(0), constant(blocks), [&](Value at) {
      Value block = builder.create<arith::IndexCastOp>(loc, builder.getI64Type(), at);
      block = builder.create<arith::AddIOp>(loc, firstBlock, block);
      Value base = builder.create<arith::MulIOp>(loc, at, constant(4));
      for (auto [i, bits] : llvm::enumerate(emitPhilox(builder, loc, seed, block, instance, step))) {
        Value place = builder.create<arith::AddIOp>(loc, base, constant(i));
        builder.create<memref::StoreOp>(loc, bits, buffer, place);
      }
    });
    words[word] = {buffer, shift, lower, loop.dim};
  }
}

/// Decides where later nests find the results of `op`.
void KernelEmitter::placeResults(linalg::GenericOp op, const Nest &nest) {
  llvm::SmallVector<llvm::SmallVector<int64_t>> strides = resultStrides(op);
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    if (!isReadLater(result) || isRowScalar(nest, i))
      continue;
    auto type = cast<RankedTensorType>(result.getType());
    auto it = returned.find(result);
    if (it != returned.end() && !results[it->second].accumulate) {
      storage[result] = {results[it->second].memory, strides[i], Value()};
      continue;
    }
    llvm::SmallVector<int64_t> inner(type.getRank(), 0);
    int64_t size = 1;
    for (size_t d = type.getRank(); d-- > rows; size *= type.getDimSize(d))
      inner[d] = size;
    storage[result] = {stackBuffer(size, type.getElementType()), inner, Value()};
  }
}

void KernelEmitter::emitRowNest(const Nest &nest, Point point) {
  linalg::GenericOp op = nest.op;
  llvm::SmallVector<Value> accumulators;
  for (unsigned i = 0; i < op.getNumResults(); ++i) {
    bool reduces = isRowScalar(nest, i) && initOf(op, i);
    accumulators.push_back(reduces ? initOf(op, i) : Value());
  }
  llvm::SmallVector<Value> values = emitLoops(nest, nest.rowLoops, point, accumulators);
  for (auto [i, result] : llvm::enumerate(op.getResults())) {
    if (!isRowScalar(nest, i))
      continue;
    storage[result] = {Value(), {}, values[i]};
    auto it = returned.find(result);
    if (it != returned.end() && accumulators[i])
      store(values[i], results[it->second], op.getIndexingMapsArray()[op.getNumDpsInputs() + i], point);
  }
}

void KernelEmitter::emitRows() {
  llvm::SmallVector<int64_t> sizes(llvm::ArrayRef(generics[0].getStaticLoopRanges()).take_front(rows));
  for (int64_t size : sizes)
    extent *= size;
  parallelLoop([&](Value row) {
    llvm::SmallVector<Value> position = digits(row, sizes);
    for (linalg::GenericOp op : generics) {
      Point point = rowPoint(op, position, sizes);
      Nest nest = buildNest(op, rows, /*keepRows=*/true, storage, resultStrides(op));
      placeResults(op, nest);
      emitRowNest(nest, point);
    }
  });
}

//===----------------------------------------------------------------------===//
// Flat memory
//===----------------------------------------------------------------------===//

void KernelEmitter::emitFlat(const Nest &nest) {
  size_t count = nest.loops.size();
  // The innermost loop, or two if it is short, makes a unit of work; a long one is cut into blocks.
  size_t outer = count == 0 ? 0 : count - 1;
  bool cut = count > 0 && nest.loops.back().size >= 2 * kFlatBlock;
  if (!cut && outer > 0 && nest.loops.back().size < kShortLoop)
    --outer;
  llvm::SmallVector<int64_t> sizes;
  for (const Loop &loop : llvm::ArrayRef(nest.loops).take_front(outer))
    sizes.push_back(loop.size);
  if (cut)
    sizes.push_back((nest.loops.back().size + kFlatBlock - 1) / kFlatBlock);
  for (int64_t size : sizes)
    extent *= size;
  linalg::GenericOp op = nest.op;
  parallelLoop([&](Value unit) {
    Point point(op.getNumLoops());
    llvm::SmallVector<Value> position = digits(unit, sizes), none(op.getNumResults());
    for (size_t i = 0; i < outer; ++i)
      point[nest.loops[i].dim] = position[i];
    if (!cut) {
      emitLoops(nest, outer, point, none);
      return;
    }
    Value lower = builder.create<arith::MulIOp>(op.getLoc(), position.back(), constant(kFlatBlock));
    prepareWords(nest, nest.loops.back(), lower, kFlatBlock, point);
    forLoop(lower, blockEnd(lower, kFlatBlock, nest.loops.back().size), [&](Value at) {
      point[nest.loops.back().dim] = at;
      emitLoops(nest, count, point, none);
    });
  });
}

//===----------------------------------------------------------------------===//
// Columns
//===----------------------------------------------------------------------===//

/// Sums over loops around a block of neighbouring columns, which is a unit of work.
struct KernelEmitter::Columns {
  const Nest &nest;
  llvm::SmallVector<Loop> outer, reduced;
  llvm::SmallVector<int64_t> sizes; ///< of the outer loops, then how many blocks there are
  int64_t block;                    ///< columns of a unit
  /// A thread's units of neighbouring columns are summed together: memory is three times as fast with whole rows as
  /// with a few lines of each.
  int64_t together = 1;
  llvm::SmallVector<Value> sums; ///< one a result, of the columns of these units

  explicit Columns(const Nest &nest) : nest(nest) {
    for (const Loop &loop : llvm::ArrayRef(nest.loops).drop_back())
      (loop.reduced ? reduced : outer).push_back(loop);
    block = std::min(kColumnBlock, columns().size);
    for (const Loop &loop : outer)
      sizes.push_back(loop.size);
    sizes.push_back((columns().size + block - 1) / block);
    if (!outer.empty())
      return;
    int64_t bits = 0; // of a column's sums
    for (Value result : op().getResults())
      bits += storedType(getElementTypeOrSelf(result.getType())).getIntOrFloatBitWidth();
    together = std::clamp<int64_t>(kSumBytes / (block * bits / 8), 1, sizes.back());
  }
  const Loop &columns() const { return nest.loops.back(); }
  linalg::GenericOp op() const { return nest.op; }
};

void KernelEmitter::emitColumns(const Nest &nest) {
  words.clear();
  Columns units(nest);
  for (int64_t size : units.sizes)
    extent *= size;
  for (Value result : units.op().getResults())
    units.sums.push_back(stackBuffer(units.together * units.block, getElementTypeOrSelf(result.getType())));
  forLoop(begin, end, [&](Value unit) { emitUnits(units, unit); }, units.together);
}

void KernelEmitter::emitUnits(const Columns &units, Value unit) {
  linalg::GenericOp op = units.op();
  Location loc = op.getLoc();
  Point point(op.getNumLoops());
  llvm::SmallVector<Value> position = digits(unit, units.sizes);
  for (auto [loop, index] : llvm::zip(units.outer, position))
    point[loop.dim] = index;
  Value lower = builder.create<arith::MulIOp>(loc, position.back(), constant(units.block));
  Value upper;
  if (units.together == 1) {
    upper = blockEnd(lower, units.block, units.columns().size);
  } else {
    Value last = builder.create<arith::AddIOp>(loc, unit, constant(units.together));
    last = builder.create<arith::MinUIOp>(loc, last, end);
    upper =
        builder.create<arith::MinUIOp>(loc, builder.create<arith::MulIOp>(loc, last, constant(units.block)).getResult(),
                                       constant(units.columns().size));
  }
  Value width = builder.create<arith::SubIOp>(loc, upper, lower);
  forLoop(constant(0), width, [&](Value at) {
    for (auto [i, sum] : llvm::enumerate(units.sums))
      builder.create<memref::StoreOp>(loc, initOf(op, i), sum, at);
  });
  reduceUnits(units, 0, lower, width, point);
  for (const Loop &loop : units.reduced)
    point[loop.dim] = Value();
  forLoop(constant(0), width, [&](Value at) {
    point[units.columns().dim] = builder.create<arith::AddIOp>(loc, lower, at);
    for (auto [i, sum] : llvm::enumerate(units.sums))
      store(builder.create<memref::LoadOp>(loc, sum, at), results[returned[op.getResult(i)]],
            op.getIndexingMapsArray()[op.getNumDpsInputs() + i], point);
  });
}

void KernelEmitter::reduceUnits(const Columns &units, size_t depth, Value lower, Value width, Point &point) {
  if (depth < units.reduced.size())
    return forLoop(constant(0), constant(units.reduced[depth].size), [&](Value index) {
      point[units.reduced[depth].dim] = index;
      reduceUnits(units, depth + 1, lower, width, point);
    });
  Location loc = units.nest.op->getLoc();
  forLoop(constant(0), width, [&](Value at) {
    point[units.columns().dim] = builder.create<arith::AddIOp>(loc, lower, at);
    llvm::SmallVector<Value> before;
    for (Value sum : units.sums)
      before.push_back(builder.create<memref::LoadOp>(loc, sum, at));
    llvm::SmallVector<Value> after = emitBody(builder, units.nest, point, storage, before, mapping, words);
    for (auto [value, sum] : llvm::zip(after, units.sums))
      builder.create<memref::StoreOp>(loc, value, sum, at);
  });
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

Value KernelEmitter::addressIn(llvm::ArrayRef<int64_t> strides, const Point &point) {
  return emitAffine(builder, scatter.getLoc(), addressOf(builder.getMultiDimIdentityMap(strides.size()), strides),
                    point);
}

void KernelEmitter::clearTable(FeatureLoop eachFeature) {
  Location loc = scatter.getLoc();
  auto table = cast<RankedTensorType>(scatter.getResult().getType());
  const KernelPlace &place = results[returned[scatter.getResult()]];
  forLoop(constant(0), constant(table.getDimSize(0)), [&](Value row) {
    eachFeature(row, [&](const Point &point) {
      Value zero = builder.create<arith::ConstantOp>(loc, builder.getZeroAttr(table.getElementType()));
      builder.create<memref::StoreOp>(loc, zero, place.memory, addressIn(place.strides, point));
    });
  });
}

/// Adds one token's gradient to the row of its id, if this table has that row.
void KernelEmitter::addToken(const Point &token, FeatureLoop eachFeature) {
  Location loc = scatter.getLoc();
  auto table = cast<RankedTensorType>(scatter.getResult().getType());
  const Storage &gradient = storage[scatter.getGradient()], &ids = storage[scatter.getIds()];
  const KernelPlace &place = results[returned[scatter.getResult()]];
  Value id = builder.create<memref::LoadOp>(loc, ids.memory, addressIn(ids.strides, token));
  Value row = builder.create<arith::IndexCastOp>(loc, builder.getIndexType(), id);
  row = builder.create<arith::SubIOp>(loc, row, mapping.lookupOrDefault(scatter.getFirstRow()));
  Value here = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, row, constant(table.getDimSize(0)));
  auto choice = builder.create<scf::IfOp>(loc, here, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(choice.thenBlock()->getTerminator());
  eachFeature(row, [&](const Point &point) {
    Point source(token);
    source.append(point.begin() + 1, point.end());
    Value value = builder.create<memref::LoadOp>(loc, gradient.memory, addressIn(gradient.strides, source));
    value = convertFloat(builder, loc, value, getElementTypeOrSelf(scatter.getResult()));
    Value to = addressIn(place.strides, point);
    Value before = builder.create<memref::LoadOp>(loc, place.memory, to);
    value = builder.create<arith::AddFOp>(loc, before, value, kKernelFastMath);
    builder.create<memref::StoreOp>(loc, value, place.memory, to);
  });
}

void KernelEmitter::emitScatter() {
  auto table = cast<RankedTensorType>(scatter.getResult().getType());
  auto idsType = cast<RankedTensorType>(scatter.getIds().getType());
  bool accumulates = results[returned[scatter.getResult()]].accumulate;
  // Units are blocks of the last feature dim for each index of the others, so that no two write one element.
  llvm::SmallVector<int64_t> sizes(table.getShape().drop_front());
  if (sizes.empty())
    sizes.push_back(1);
  int64_t columns = sizes.back(), block = std::min(kColumnBlock, columns);
  sizes.back() = (columns + block - 1) / block;
  for (int64_t size : sizes)
    extent *= size;
  work = 2 * cast<RankedTensorType>(scatter.getGradient().getType()).getNumElements() +
         (accumulates ? 0 : table.getNumElements());
  parallelLoop([&](Value unit) {
    llvm::SmallVector<Value> features = digits(unit, sizes);
    Value lower = builder.create<arith::MulIOp>(scatter.getLoc(), features.back(), constant(block));
    Value upper = blockEnd(lower, block, columns);
    auto eachFeature = [&](Value row, llvm::function_ref<void(const Point &)> body) {
      forLoop(lower, upper, [&](Value at) {
        Point point{row};
        point.append(features.begin(), features.end());
        if (table.getRank() > 1)
          point.back() = at;
        else
          point.pop_back();
        body(point);
      });
    };
    if (!accumulates)
      clearTable(eachFeature);
    Point token(idsType.getRank());
    std::function<void(size_t)> eachToken = [&](size_t dim) {
      if (dim == token.size())
        return addToken(token, eachFeature);
      forLoop(constant(0), constant(idsType.getDimSize(dim)), [&](Value at) {
        token[dim] = at;
        eachToken(dim + 1);
      });
    };
    eachToken(0);
  });
}
