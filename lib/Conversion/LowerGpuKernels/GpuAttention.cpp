//===- GpuAttention.cpp - attention without scores in memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuAttention.h"

using namespace mlir;
using namespace colo;

using Values = llvm::SmallVector<Value>;

/// Below any score, and far from overflow in f32; lse of a row without keys.
static constexpr double kLowest = -1e30;

/// A thread's registers, without or with what random numbers, 8-byte sums, more sums or heads larger than the header
/// says take: three blocks of 128 threads have room, or two.
static constexpr int64_t kNarrowRegisters = 168, kWideRegisters = 255;

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

void AttentionEmitter::findBlock() {
  auto split = [&](Value number, int64_t size) -> std::pair<Value, Value> {
    Value by = gpu.constant(size);
    return {builder.create<arith::DivUIOp>(loc, number, by), builder.create<arith::RemUIOp>(loc, number, by)};
  };
  auto [rest, tile] = split(gpu.block(), ownTileCount());
  auto [sample, head] = split(rest, ownHeads());
  // Of causal attention the last rows have most to do: first come, first served.
  if (op.getCausal() && ownIsRows)
    tile = builder.create<arith::SubIOp>(loc, gpu.constant(ownTileCount() - 1), tile);
  batch = sample;
  firstOwn = tiles.times(tile, tiles.getShape().own());
  if (ownIsRows) {
    queryHead = head;
    keyHead = builder.create<arith::DivUIOp>(loc, head, gpu.constant(query[2] / key[2]));
  } else {
    keyHead = head;
  }
}

void AttentionEmitter::readOwn() {
  const TileShape &shape = tiles.getShape();
  Value tensors[] = {ownIsRows ? op.getQuery() : op.getKey(), ownIsRows ? op.getGradient() : op.getValue()};
  for (unsigned i = 0; i < (isForward ? 1 : 2); ++i) {
    own[i] = tiles.rowsTile(shape.own());
    tiles.fill(own[i], source(tensors[i], ownIsRows), firstOwn, /*isOwn=*/true);
  }
  other[0] = tiles.rowsTile(shape.other());
  other[1] = shape.oneBuffer ? other[0] : tiles.rowsTile(shape.other());
  weights = tiles.scoresTile();
  if (isScarce() && tiles.sharesScores()) {
    Value zero = builder.create<arith::ConstantIntOp>(loc, 0, 32);
    zeroPlace = gpu.shared(zero.getType(), 1);
    gpu.where(gpu.isZero(gpu.thread()),
              [&] { builder.create<memref::StoreOp>(loc, zero, zeroPlace, gpu.constant(0)); });
    gpu.barrier();
  }
  Values indices = tiles.ownIndices(firstOwn);
  ownPositions = positions(ownIsRows ? Row : Key, indices);
  if (!ownIsRows)
    ownValid = validKeys(indices);
  else if (!isForward) {
    ownLse = statistics(op.getLse(), indices);
    ownDelta = statistics(op.getDelta(), indices);
  }
}

void AttentionEmitter::knowAgain() {
  if (!op.getRandom().empty())
    seed = mapping.lookup(op.getRandom()[0]);
  if (!zeroPlace)
    return;
  Value zero = builder.create<memref::LoadOp>(loc, zeroPlace, gpu.constant(0));
  if (seed)
    seed = builder.create<arith::AddIOp>(loc, seed, builder.create<arith::ExtUIOp>(loc, seed.getType(), zero));
  Value none = builder.create<arith::IndexCastUIOp>(loc, builder.getIndexType(), zero);
  // Threads are a power of two, so a remainder costs little and shows how many there are.
  tiles.fillThread = builder.create<arith::RemUIOp>(loc, tiles.sum(gpu.thread(), none), gpu.constant(threads()));
}

void AttentionEmitter::readOther(Value number) {
  const TileShape &shape = tiles.getShape();
  knowAgain();
  firstOther = tiles.times(number, shape.other());
  Value tensors[] = {ownIsRows ? op.getKey() : op.getQuery(), ownIsRows ? op.getValue() : op.getGradient()};
  for (unsigned i = 0; i < (shape.oneBuffer ? 1 : 2); ++i)
    tiles.fill(other[i], source(tensors[i], !ownIsRows), firstOther, /*isOwn=*/false);
  inPlace = 0;
  otherIndex = tiles.otherIndices(firstOther);
  otherPositions = positions(ownIsRows ? Key : Row, otherIndex);
  if (ownIsRows) {
    otherValid = validKeys(otherIndex);
  } else {
    otherLse = statistics(op.getLse(), otherIndex);
    otherDelta = statistics(op.getDelta(), otherIndex);
  }
  gpu.barrier();
}

void AttentionEmitter::bring(unsigned which) {
  bool isThere = !tiles.getShape().oneBuffer || inPlace == which;
  if (!isThere || tiles.sharesScores())
    gpu.barrier();
  if (isThere)
    return;
  knowAgain();
  Value tensors[] = {ownIsRows ? op.getKey() : op.getQuery(), ownIsRows ? op.getValue() : op.getGradient()};
  tiles.fill(other[which], source(tensors[which], !ownIsRows), firstOther, /*isOwn=*/false);
  inPlace = which;
  gpu.barrier();
}

Values AttentionEmitter::scaledScores() {
  Values scores = tiles.scores(own[0], other[0]);
  Value scale = tiles.number(op.getScale().convertToDouble());
  for (Value &score : scores)
    score = tiles.multiply(score, scale);
  return scores;
}

/// Carried: maximum and sum of each own row (the sum of this thread's part of the keys), then the output's sums.
Values AttentionEmitter::forwardTile(llvm::ArrayRef<Value> before) {
  const TileShape &shape = tiles.getShape();
  Values scores = scaledScores(), counts = allowed(), after(before);
  llvm::MutableArrayRef<Value> maxima = llvm::MutableArrayRef(after).take_front(shape.ownPer);
  llvm::MutableArrayRef<Value> sums = llvm::MutableArrayRef(after).slice(shape.ownPer, shape.ownPer);
  llvm::MutableArrayRef<Value> outputs = llvm::MutableArrayRef(after).drop_front(2 * shape.ownPer);
  size_t perRow = outputs.size() / shape.ownPer;
  auto larger = [&](Value a, Value b) -> Value {
    return builder.create<arith::MaximumFOp>(loc, a, b, kKernelFastMath);
  };
  for (int64_t r = 0; r < shape.ownPer; ++r) {
    llvm::MutableArrayRef<Value> row = llvm::MutableArrayRef(scores).slice(r * shape.otherPer, shape.otherPer);
    llvm::ArrayRef<Value> counting = llvm::ArrayRef(counts).slice(r * shape.otherPer, shape.otherPer);
    Value maximum = maxima[r], most;
    Values keeps = keptKeys(r);
    for (auto [score, isCounted] : llvm::zip(row, counting)) {
      if (isCounted)
        score = tiles.select(isCounted, score, tiles.number(kLowest));
      most = most ? larger(most, score) : score;
    }
    maxima[r] = larger(maximum, tiles.overOthers(most, larger));
    Value shrink = exp(tiles.subtract(maximum, maxima[r]));
    sums[r] = tiles.multiply(sums[r], shrink);
    for (int64_t c = 0; c < shape.otherPer; ++c) {
      Value p = exp(tiles.subtract(row[c], maxima[r]));
      if (counting[c])
        p = tiles.select(counting[c], p, tiles.number(0));
      sums[r] = tiles.add(sums[r], p);
      row[c] = dropOut(p, keeps, c);
    }
    for (Value &output : outputs.slice(r * perRow, perRow))
      output = tiles.multiply(output, shrink);
  }
  Values factor = tiles.putScores(weights, scores);
  bring(1);
  llvm::copy(tiles.addProduct(weights, factor, other[1], outputs), outputs.begin());
  return after;
}

/// Carried: the sums of dq, or those of dk and then of dv.
Values AttentionEmitter::gradientTile(llvm::ArrayRef<Value> before) {
  const TileShape &shape = tiles.getShape();
  Values scores = scaledScores(), counts = allowed();
  if (shape.oneBuffer)
    bring(1);
  Values slopes = tiles.scores(own[1], other[1]), probabilities(scores.size());
  Value scale = tiles.number(op.getScale().convertToDouble());
  for (int64_t row = 0; row < (ownIsRows ? shape.ownPer : shape.otherPer); ++row) {
    Values keeps = keptKeys(row);
    for (int64_t at = 0; at < (ownIsRows ? shape.otherPer : shape.ownPer); ++at) {
      size_t i = ownIsRows ? row * shape.otherPer + at : at * shape.otherPer + row;
      Value p = exp(tiles.subtract(scores[i], ownIsRows ? ownLse[row] : otherLse[row]));
      if (counts[i])
        p = tiles.select(counts[i], p, tiles.number(0));
      Value slope = tiles.subtract(dropOut(slopes[i], keeps, at), ownIsRows ? ownDelta[row] : otherDelta[row]);
      slopes[i] = tiles.multiply(tiles.multiply(p, slope), scale);
      probabilities[i] = dropOut(p, keeps, at);
    }
  }
  size_t half = tiles.zeroSums().size();
  Values after;
  llvm::ArrayRef<Value> ofValue = before.drop_front(half);
  Values dvalue;
  if (!ownIsRows) {
    Values factor = tiles.putScores(weights, probabilities);
    bring(1);
    dvalue = tiles.addProduct(weights, factor, other[1], ofValue);
    if (tiles.sharesScores())
      gpu.barrier();
  }
  Values factor = tiles.putScores(weights, slopes);
  bring(0);
  after = tiles.addProduct(weights, factor, other[0], before.take_front(half));
  llvm::append_range(after, dvalue);
  return after;
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

Values AttentionEmitter::startOf(unsigned result) {
  if (op.getInto().empty())
    return tiles.zeroSums();
  const Storage &place = storage.find(op.getInto()[result])->second;
  return tiles.getSums(place, batch, ownIsRows ? queryHead : keyHead, firstOwn, ownLength);
}

Values AttentionEmitter::start() {
  Values carried;
  if (isForward && op.getInto().empty()) {
    carried.append(tiles.getShape().ownPer, tiles.number(kLowest));
    carried.append(tiles.getShape().ownPer, tiles.number(0));
  } else if (isForward) {
    // Sums are those of a thread's part of the keys: one thread of a row has what was there.
    carried = statistics(op.getInto()[1], tiles.ownIndices(firstOwn));
    Value one = tiles.select(gpu.isZero(tiles.otherThread), tiles.number(1), tiles.number(0));
    carried.append(tiles.getShape().ownPer, one);
  }
  for (unsigned i = 0; i < (ownIsRows ? 1 : 2); ++i)
    llvm::append_range(carried, startOf(i));
  return carried;
}

Values AttentionEmitter::turn(Value number, llvm::ArrayRef<Value> carried) {
  auto go = [&]() {
    readOther(number);
    Values after = isForward ? forwardTile(carried) : gradientTile(carried);
    // Before the next tile takes the place of this one.
    gpu.barrier();
    return after;
  };
  Value counts = mayCount(tiles.times(number, tiles.getShape().other()));
  if (!counts)
    return go();
  auto choice = builder.create<scf::IfOp>(loc, TypeRange(ValueRange(carried)), counts, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(choice.thenBlock());
  Values after = go();
  builder.create<scf::YieldOp>(loc, after);
  builder.setInsertionPointToStart(choice.elseBlock());
  builder.create<scf::YieldOp>(loc, carried);
  return Values(choice.getResults());
}

void AttentionEmitter::finishForward(llvm::ArrayRef<Value> carried) {
  const TileShape &shape = tiles.getShape();
  Values outputs(carried.drop_front(2 * shape.ownPer));
  size_t perRow = outputs.size() / shape.ownPer;
  const KernelPlace &place = results[1];
  Value base = tiles.sum(tiles.times(batch, place.strides[0]), tiles.times(queryHead, place.strides[1]));
  Value isFirst = gpu.isZero(tiles.otherThread);
  for (auto [r, row] : llvm::enumerate(tiles.ownIndices(firstOwn))) {
    Value sum = tiles.overOthers(carried[shape.ownPer + r], [&](Value a, Value b) { return tiles.add(a, b); });
    Value one = tiles.number(1);
    // A row without keys gives 0.
    if (op.getCausal() || op.getMask()) {
      Value some = builder.create<arith::CmpFOp>(loc, arith::CmpFPredicate::UNE, sum, tiles.number(0));
      sum = tiles.select(some, sum, one);
    }
    Value inverse = builder.create<arith::DivFOp>(loc, one, sum, kKernelFastMath);
    for (Value &output : llvm::MutableArrayRef(outputs).slice(r * perRow, perRow))
      output = tiles.multiply(output, inverse);
    Value isThere = ownLength % shape.own() ? both(isFirst, gpu.isLess(row, ownLength)) : isFirst;
    gpu.where(isThere, [&, r = r, row = row] {
      Value log =
          builder.create<math::LogOp>(loc, sum, arith::FastMathFlagsAttr::get(builder.getContext(), kKernelFastMath));
      Value at = tiles.sum(base, tiles.times(row, place.strides[2])), lse = tiles.add(carried[r], log);
      if (place.accumulate)
        lse = tiles.add(tiles.load(place.memory, at), lse);
      tiles.store(lse, place.memory, at);
    });
  }
  tiles.putSums(outputs, results[0], batch, queryHead, firstOwn, ownLength);
}

void AttentionEmitter::emit() {
  findBlock();
  readOwn();
  int64_t heads = ownIsRows ? 1 : query[2] / key[2], turns = otherTileCount();
  Value count = gpu.constant(heads * turns);
  if (zeroPlace)
    count = tiles.sum(
        count, builder.create<arith::IndexCastUIOp>(loc, builder.getIndexType(),
                                                    builder.create<memref::LoadOp>(loc, zeroPlace, gpu.constant(0))));
  Values sums = tiles.loop(count, start(), [&](Value number, llvm::ArrayRef<Value> carried) {
    if (!ownIsRows) {
      Value head = builder.create<arith::DivUIOp>(loc, number, gpu.constant(turns));
      queryHead = tiles.sum(tiles.times(keyHead, heads), head);
      number = builder.create<arith::RemUIOp>(loc, number, gpu.constant(turns));
    }
    return turn(number, carried);
  });
  if (isForward)
    return finishForward(sums);
  size_t half = sums.size() / results.size();
  for (auto [i, place] : llvm::enumerate(results))
    tiles.putSums(llvm::ArrayRef(sums).slice(i * half, half), place, batch, ownIsRows ? queryHead : keyHead, firstOwn,
                  ownLength);
}

void GpuKernelEmitter::emitAttention() {
  // In the op's order.
  llvm::SmallVector<KernelPlace> places;
  for (Value result : attention.getResults())
    places.push_back(results[returned[result]]);
  AttentionEmitter emitter(builder, *gpu, attention, storage, places, mapping);
  emitter.emit();
  threads = emitter.threads();
  blocks = emitter.blocks();
  gpu->useRegisters(emitter.isWide() ? kWideRegisters : kNarrowRegisters, threads);
}
