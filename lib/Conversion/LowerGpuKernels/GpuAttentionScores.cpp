//===- GpuAttentionScores.cpp - which scores of attention count, and dropout -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuAttention.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace colo;

using Values = llvm::SmallVector<Value>;

Value AttentionEmitter::position(Dim dim, Value index) {
  Block &block = op.getPositions().front();
  Value result = block.getTerminator()->getOperand(dim);
  llvm::SetVector<Operation *> needed;
  llvm::SmallVector<Value> open{result};
  while (!open.empty()) {
    Operation *maker = open.pop_back_val().getDefiningOp();
    if (maker && maker->getBlock() == &block && needed.insert(maker))
      llvm::append_range(open, maker->getOperands());
  }
  IRMapping known = mapping;
  known.map(block.getArgument(dim), index);
  for (Operation &inner : block)
    if (needed.contains(&inner))
      builder.clone(inner, known);
  return known.lookupOrDefault(result);
}

Values AttentionEmitter::positions(Dim dim, llvm::ArrayRef<Value> indices) {
  Values all;
  if (usesPositions())
    for (Value index : indices)
      all.push_back(position(dim, index));
  return all;
}

Values AttentionEmitter::statistics(Value tensor, llvm::ArrayRef<Value> rows) {
  const Storage &place = storage.find(tensor)->second;
  Value base = tiles.sum(tiles.times(batch, place.strides[0]), tiles.times(queryHead, place.strides[1]));
  bool isWhole = query[1] % (ownIsRows ? tiles.getShape().own() : tiles.getShape().other()) == 0;
  Values all;
  for (Value row : rows) {
    if (!isWhole)
      row = tiles.select(gpu.isLess(row, query[1]), row, gpu.constant(0));
    all.push_back(tiles.load(place.memory, tiles.sum(base, tiles.times(row, place.strides[2]))));
  }
  return all;
}

Values AttentionEmitter::validKeys(llvm::ArrayRef<Value> keys) {
  Values all;
  if (!op.getMask())
    return all;
  const Storage &place = storage.find(op.getMask())->second;
  Value base = tiles.times(batch, place.strides[0]), zero = builder.create<arith::ConstantIntOp>(loc, 0, 8);
  bool isWhole = key[1] % (ownIsRows ? tiles.getShape().other() : tiles.getShape().own()) == 0;
  for (Value index : keys) {
    if (!isWhole)
      index = tiles.select(gpu.isLess(index, key[1]), index, gpu.constant(0));
    Value address = tiles.sum(base, tiles.times(index, place.strides[1]));
    Value byte = builder.create<memref::LoadOp>(loc, place.memory, address);
    all.push_back(builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ne, byte, zero));
  }
  return all;
}

Values AttentionEmitter::allowed() {
  const TileShape &shape = tiles.getShape();
  Values all, ofOther(shape.otherPer);
  for (int64_t c = 0; c < shape.otherPer; ++c) {
    if (otherLength % shape.other())
      ofOther[c] = gpu.isLess(otherIndex[c], otherLength);
    if (!otherValid.empty())
      ofOther[c] = both(ofOther[c], otherValid[c]);
  }
  for (int64_t r = 0; r < shape.ownPer; ++r)
    for (int64_t c = 0; c < shape.otherPer; ++c) {
      Value counts = both(ofOther[c], ownValid.empty() ? Value() : ownValid[r]);
      if (op.getCausal()) {
        Value row = ownIsRows ? ownPositions[r] : otherPositions[c];
        Value at = ownIsRows ? otherPositions[c] : ownPositions[r];
        counts = both(counts, builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::sle, narrow(at), narrow(row)));
      }
      all.push_back(counts);
    }
  return all;
}

Values AttentionEmitter::words(Value row, llvm::ArrayRef<Value> keys) {
  size_t run = std::min(ownIsRows ? tiles.otherRun() : tiles.ownRun(), neighbours());
  Values all;
  for (; !keys.empty(); keys = keys.drop_front(run))
    llvm::append_range(all, wordsOfNeighbours(row, keys.take_front(run)));
  return all;
}

/// The words of keys that follow each other: of one block of Philox where rows start at multiples of four.
Values AttentionEmitter::wordsOfNeighbours(Value row, llvm::ArrayRef<Value> keys) {
  Value instance = mapping.lookupOrDefault(op.getRandom()[1]);
  Value step = mapping.lookup(op.getRandom()[2]);
  auto element = [&](Value at) -> Value { return builder.create<arith::AddIOp>(loc, row, at); };
  auto integer = [&](int64_t value) -> Value { return builder.create<arith::ConstantIntOp>(loc, value, 64); };
  if (keys.size() == 1)
    return {emitRandomWord(builder, loc, seed, element(keys.front()), instance, step)};
  if (!isAligned())
    return emitRandomWords(builder, loc, seed, element(keys.front()), instance, step,
                           static_cast<int64_t>(keys.size()));
  Value first = element(keys.front()), block = builder.create<arith::ShRUIOp>(loc, first, integer(2));
  Values four = emitPhilox(builder, loc, seed, block, instance, step);
  if (keys.size() == 4)
    return four;
  Value within = builder.create<arith::AndIOp>(loc, first, integer(2));
  Value isFirst = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, within, integer(0));
  return {tiles.select(isFirst, four[0], four[2]), tiles.select(isFirst, four[1], four[3])};
}

Values AttentionEmitter::keptKeys(size_t row) {
  if (op.getRandom().empty())
    return {};
  auto integer = [&](int64_t value) -> Value { return builder.create<arith::ConstantIntOp>(loc, value, 64); };
  // The number of the first element of a row of [b,a,s,t].
  Value start = position(Batch, batch);
  for (auto [dim, at] : {std::pair(Head, position(Head, queryHead)),
                         std::pair(Row, ownIsRows ? ownPositions[row] : otherPositions[row])}) {
    start = builder.create<arith::MulIOp>(loc, start, integer(op.getSizes()[dim]));
    start = builder.create<arith::AddIOp>(loc, start, at);
  }
  start = builder.create<arith::MulIOp>(loc, start, integer(op.getSizes()[Key]));
  Values random = words(start, ownIsRows ? otherPositions : ownPositions);
  double threshold = std::ceil(std::ldexp(op.getDropout().convertToDouble(), 32));
  if (threshold >= std::ldexp(1.0, 32))
    return Values(random.size(), builder.create<arith::ConstantIntOp>(loc, 0, 1));
  Value bound = builder.create<arith::ConstantOp>(
      loc, builder.getI32IntegerAttr(static_cast<int32_t>(static_cast<uint32_t>(threshold))));
  Values all;
  for (Value word : random)
    all.push_back(builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::uge, word, bound));
  return all;
}

Value AttentionEmitter::dropOut(Value x, llvm::ArrayRef<Value> keeps, size_t i) {
  if (keeps.empty())
    return x;
  double rate = op.getDropout().convertToDouble();
  return tiles.select(keeps[i], tiles.multiply(x, tiles.number(rate < 1.0 ? 1.0 / (1.0 - rate) : 0.0)),
                      tiles.number(0));
}

Value AttentionEmitter::mayCount(Value firstOther) {
  if (!op.getCausal() || !op.getOrdered())
    return Value();
  auto last = [&](Value first, int64_t rows, int64_t length) {
    Value at = tiles.sum(first, gpu.constant(rows - 1));
    return length % rows ? builder.create<arith::MinUIOp>(loc, at, gpu.constant(length - 1)).getResult() : at;
  };
  const TileShape &shape = tiles.getShape();
  Value row = ownIsRows ? last(firstOwn, shape.own(), ownLength) : last(firstOther, shape.other(), otherLength);
  Value firstKey = position(Key, ownIsRows ? firstOther : firstOwn);
  return builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::sle, firstKey, position(Row, row));
}
