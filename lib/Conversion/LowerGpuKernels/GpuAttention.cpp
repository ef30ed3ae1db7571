//===- GpuAttention.cpp - attention without scores in memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// FlashAttention-2 (Dao, 2307.08691, algorithms 1 and 2), one head of one sample
// and one tile of *own* rows a block, which goes through the tiles of the others:
//
//   forward      own: queries  others: keys     m, l, o of a row, rescaled as its maximum m grows
//   dquery       own: queries  others: keys     dq += ds k
//   dkey_dvalue  own: keys     others: queries  dv += p' do, dk += ds q, over all heads that read the key head
//
// With `into` registers start with what was made of other keys or rows: m with its log-sum-exp, l with 1 and o with its
// output, which is already divided by its sum; gradients with their sums. So the output needs no state but log-sum-exp,
// which the backward reads in any case.
//
// With s = scale q k, p = exp(s - lse), p' = p after dropout, dp' = do v, dp the same
// after dropout, ds = scale p (dp - delta). Each sum belongs to one block and has
// one order, so scores are made three times, but nothing is added up between
// blocks. Dropout draws the numbers of the whole [b,a,s,t] wherever it is made.
//
//===----------------------------------------------------------------------===//

#include "GpuMmaTiles.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace colo;

/// Below any score, and far from overflow in f32; lse of a row without keys.
static constexpr double kLowest = -1e30;

/// A thread's registers, without or with what random numbers, 8-byte sums, more sums than these, or on tensor cores
/// larger heads take: three blocks of 128 threads have room, or two.
static constexpr int64_t kNarrowRegisters = 168, kWideRegisters = 255, kMostNarrowSums = 100, kMostNarrowSize = 80;
/// Registers of a thread's scores beside which there are some for two calls of Philox a row.
static constexpr int64_t kMostScoreRegisters = 8;

namespace {
using Values = llvm::SmallVector<Value>;

enum Dim : unsigned { Batch, Head, Row, Key };

class AttentionEmitter {
public:
  AttentionEmitter(OpBuilder &builder, GpuFunction &gpu, rt::AttentionOp op, const StorageMap &storage,
                   llvm::ArrayRef<KernelPlace> results, const IRMapping &mapping)
      : builder(builder), gpu(gpu), op(op), loc(op.getLoc()), storage(storage), results(results), mapping(mapping),
        query(shapeOf(op.getQuery())), key(shapeOf(op.getKey())), isForward(op.getPart() == rt::AttentionPart::Forward),
        ownIsRows(op.getPart() != rt::AttentionPart::DKeyDValue), ownLength(ownIsRows ? query[1] : key[1]),
        otherLength(ownIsRows ? key[1] : query[1]),
        body(TileEmitter::create(builder, gpu, loc, need(), [&](const TileShape &shape) { return canDraw(shape); })),
        tiles(*body) {}

  void emit();
  int64_t threads() const { return tiles.getShape().threads(); }
  /// Whether a thread takes more than kNarrowRegisters.
  bool isWide() {
    if (getElementTypeOrSelf(op.getQuery()).isF64() || !op.getRandom().empty())
      return true;
    int64_t sums = (ownIsRows ? 1 : 2) * static_cast<int64_t>(tiles.zeroSums().size());
    const TileShape &shape = tiles.getShape();
    bool isUneven = query[3] * getElementTypeOrSelf(op.getQuery()).getIntOrFloatBitWidth() % (8 * kAccessBytes) != 0;
    bool isPartial = isUneven || ownLength % shape.own() || otherLength % shape.other();
    return tiles.sharesScores() ? sums > kMostNarrowSums || isPartial
                                : query[3] > kMostNarrowSize || MmaTiles::isPartial(need(), tiles.getShape());
  }
  int64_t blocks() const { return query[0] * ownHeads() * ownTileCount(); }

private:
  static llvm::ArrayRef<int64_t> shapeOf(Value tensor) { return cast<RankedTensorType>(tensor.getType()).getShape(); }
  /// Whether rows of scores start at multiples of four, so that four keys take one call of Philox; else they take two.
  bool isAligned() { return op.getRun() % 4 == 0 && op.getSizes()[Key] % 4 == 0; }
  /// Keys of this rank that follow each other wherever four, two or one begin.
  int64_t neighbours() {
    int64_t run = op.getRun();
    return run == key[1] || run % 4 == 0 ? 4 : run % 2 == 0 ? 2 : 1;
  }
  /// Whether a thread's keys follow each other, so that their random numbers are drawn together, and registers are left
  /// to draw them with.
  bool canDraw(const TileShape &shape) {
    Type computed = TileEmitter::computedType(getElementTypeOrSelf(op.getQuery()));
    int64_t registers = shape.ownPer * shape.otherPer * computed.getIntOrFloatBitWidth() / 32;
    return op.getRandom().empty() || ((ownIsRows ? shape.otherPer : shape.ownPer) <= neighbours() &&
                                      (isAligned() || registers <= kMostScoreRegisters));
  }
  TileNeed need() {
    int64_t ownTiles = isForward ? 1 : 2;
    return {getElementTypeOrSelf(op.getQuery()),
            query[3],
            ownLength,
            otherLength,
            ownTiles,
            ownIsRows ? 1 : 2,
            ownTiles,
            !op.getRandom().empty()};
  }
  int64_t ownHeads() const { return ownIsRows ? query[2] : key[2]; }
  int64_t ownTileCount() const { return llvm::divideCeil(ownLength, tiles.getShape().own()); }
  int64_t otherTileCount() const { return llvm::divideCeil(otherLength, tiles.getShape().other()); }

  void findBlock();
  void readOwn();
  Values start();
  Values turn(Value number, llvm::ArrayRef<Value> carried);
  Values forwardTile(llvm::ArrayRef<Value> before);
  Values gradientTile(llvm::ArrayRef<Value> before);
  void finishForward(llvm::ArrayRef<Value> carried);
  /// What one of the results is made into, or what there is before anything is added up.
  Values startOf(unsigned result);

  TileSource source(Value tensor, bool isRows) {
    return {&storage.find(tensor)->second, batch, isRows ? queryHead : keyHead, isRows ? query[1] : key[1]};
  }
  /// Makes sure that a tile of the others is in its place, where two share one; else only waits.
  void bring(unsigned which);
  Values scaledScores();
  Value exp(Value x) {
    return builder.create<math::ExpOp>(loc, x, arith::FastMathFlagsAttr::get(builder.getContext(), kKernelFastMath));
  }
  Value both(Value a, Value b) { return a && b ? builder.create<arith::AndIOp>(loc, a, b).getResult() : a ? a : b; }

  /// A position in a sequence, in the registers of a thread.
  Value narrow(Value position) { return builder.create<arith::TruncIOp>(loc, builder.getI32Type(), position); }
  /// The position of an index of a dim, i64.
  Value position(Dim dim, Value index);
  Values positions(Dim dim, llvm::ArrayRef<Value> indices);
  /// Whether positions of rows and keys matter.
  bool usesPositions() { return op.getCausal() || !op.getRandom().empty(); }
  /// Numbers of a row and head, one an index.
  Values statistics(Value tensor, llvm::ArrayRef<Value> rows);
  /// Of each key whether it may be read; empty where there is no mask.
  Values validKeys(llvm::ArrayRef<Value> keys);
  void readOther(Value number);
  /// For each of the thread's scores whether it counts; null where all do.
  Values allowed();
  /// For each of the thread's keys whether dropout keeps it in a row, own or other; empty without dropout.
  Values keptKeys(size_t row);
  Values words(Value row, llvm::ArrayRef<Value> keys);
  Values wordsOfNeighbours(Value row, llvm::ArrayRef<Value> keys);
  Value dropOut(Value x, llvm::ArrayRef<Value> keeps, size_t i);
  /// Whether any score of the tile of the others can count.
  Value mayCount(Value firstOther);

  OpBuilder &builder;
  GpuFunction &gpu;
  rt::AttentionOp op;
  Location loc;
  const StorageMap &storage;
  llvm::ArrayRef<KernelPlace> results;
  const IRMapping &mapping;
  llvm::ArrayRef<int64_t> query, key;
  bool isForward, ownIsRows;
  int64_t ownLength, otherLength;
  std::unique_ptr<TileEmitter> body;
  TileEmitter &tiles;

  Tile own[2], other[2], weights;
  unsigned inPlace = 0; ///< of two tiles of others in one place, the one that is there
  Value batch, queryHead, keyHead, firstOwn, firstOther;
  // One an own row, one an other row of the tile at hand.
  Values ownPositions, otherPositions, ownLse, ownDelta, otherLse, otherDelta, ownValid, otherValid, otherIndex;
};
} // namespace

//===----------------------------------------------------------------------===//
// What a score is
//===----------------------------------------------------------------------===//

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
  Value seed = mapping.lookup(op.getRandom()[0]), instance = mapping.lookupOrDefault(op.getRandom()[1]);
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
  Values indices = tiles.ownIndices(firstOwn);
  ownPositions = positions(ownIsRows ? Row : Key, indices);
  if (!ownIsRows)
    ownValid = validKeys(indices);
  else if (!isForward) {
    ownLse = statistics(op.getLse(), indices);
    ownDelta = statistics(op.getDelta(), indices);
  }
}

void AttentionEmitter::readOther(Value number) {
  const TileShape &shape = tiles.getShape();
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
  Values sums = tiles.loop(gpu.constant(heads * turns), start(), [&](Value number, llvm::ArrayRef<Value> carried) {
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
