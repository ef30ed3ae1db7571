//===- GpuTiles.cpp - products of tiles in shared memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuMmaTiles.h"

using namespace mlir;
using namespace colo;

/// The 16-byte loads that a thread has in flight at once: all, or some in turns. What is tested takes more registers,
/// and groups that are loaded by elements the most.
struct LoadsInFlight {
  int64_t most, ofTurn;
};
static constexpr LoadsInFlight kGroupLoads{8, 4}, kElementLoads{1, 1};

static int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }
static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Elements from one row of a tile to the next. Sums read as many groups as all threads have.
static int64_t rowStride(int64_t size, int64_t width, int64_t otherThreads) {
  int64_t all = width * otherThreads;
  return ceilDiv(size, all) * all + width;
}

Type TileEmitter::computedType(Type stored) {
  return stored.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(stored.getContext())) : stored;
}

TileEmitter::TileEmitter(OpBuilder &builder, GpuFunction &gpu, Location loc, Type stored, int64_t size, TileShape shape)
    : builder(builder), gpu(gpu), loc(loc), stored(stored), computed(computedType(stored)), size(size),
      width(kAccessBytes / bytesOf(stored)), groups(ceilDiv(size, width)),
      stride(rowStride(size, width, shape.otherThreads)), shape(shape) {
  fillThread = gpu.thread();
  Value others = constant(shape.otherThreads);
  ownThread = builder.create<arith::DivUIOp>(loc, gpu.thread(), others);
  otherThread = builder.create<arith::RemUIOp>(loc, gpu.thread(), others);
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

/// From much work a byte of shared memory that is read to little.
static constexpr TileShape kShapes[] = {{16, 8, 4, 4}, {16, 8, 2, 4}, {16, 8, 2, 2}, {8, 8, 2, 2},
                                        {16, 8, 1, 2}, {8, 8, 1, 1},  {4, 8, 1, 1}};

static TileShape chooseShape(const TileNeed &need, llvm::function_ref<bool(const TileShape &)> allows) {
  int64_t width = kAccessBytes / bytesOf(need.stored), computed = bytesOf(TileEmitter::computedType(need.stored));
  auto fits = [&](const TileShape &shape) {
    int64_t row = rowStride(need.size, width, shape.otherThreads) * bytesOf(need.stored);
    int64_t others = shape.oneBuffer ? shape.other() : 2 * shape.other();
    return (need.ownTiles * shape.own() + others) * row + shape.own() * (shape.other() * computed + kAccessBytes) <=
           kSharedBytes - need.reserved;
  };
  // A tile of which half lies behind the end is no use.
  auto isTooLong = [](int64_t rows, int64_t per, int64_t length) { return per > 1 && rows / 2 >= length; };
  auto suits = [&](const TileShape &shape) {
    return fits(shape) && allows(shape) && !isTooLong(shape.own(), shape.ownPer, need.ownLength) &&
           !isTooLong(shape.other(), shape.otherPer, need.otherLength);
  };
  // In one place a tile may have to be read twice, unless there are two products only, one after the other.
  for (bool oneBuffer : {false, true})
    for (TileShape shape : kShapes)
      for (bool either : {oneBuffer, need.ownTiles == 1}) {
        shape.oneBuffer = either;
        if (suits(shape))
          return shape;
      }
  TileShape least = kShapes[std::size(kShapes) - 1];
  least.oneBuffer = true;
  return least;
}

std::unique_ptr<TileEmitter> TileEmitter::create(OpBuilder &builder, GpuFunction &gpu, Location loc,
                                                 const TileNeed &need,
                                                 llvm::function_ref<bool(const TileShape &)> allows) {
  if (std::optional<TileShape> shape = MmaTiles::choose(need))
    return std::make_unique<MmaTiles>(builder, gpu, loc, need.stored, need.size, *shape);
  return std::make_unique<TileEmitter>(builder, gpu, loc, need.stored, need.size, chooseShape(need, allows));
}

Tile TileEmitter::rowsTile(int64_t rows) { return {gpu.shared(stored, rows * stride), stride}; }

Tile TileEmitter::scoresTile() {
  int64_t stride = shape.other() + kAccessBytes / bytesOf(computed);
  return {gpu.shared(computed, shape.own() * stride), stride};
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

Value TileEmitter::times(Value a, int64_t b) {
  return b == 1 ? a : builder.create<arith::MulIOp>(loc, a, constant(b)).getResult();
}

Value TileEmitter::number(double value) {
  return builder.create<arith::ConstantOp>(loc, builder.getFloatAttr(computed, value));
}

Value TileEmitter::load(Value memory, Value address) {
  Value value = builder.create<memref::LoadOp>(loc, memory, address);
  return value.getType() == computed ? value : builder.create<arith::ExtFOp>(loc, computed, value).getResult();
}

void TileEmitter::store(Value value, Value memory, Value address) {
  Type type = cast<MemRefType>(memory.getType()).getElementType();
  if (type != value.getType())
    value = builder.create<arith::TruncFOp>(loc, type, value);
  builder.create<memref::StoreOp>(loc, value, memory, address);
}

llvm::SmallVector<Value> TileEmitter::loop(Value count, llvm::ArrayRef<Value> carried, Step step) {
  auto made = builder.create<scf::ForOp>(loc, constant(0), count, constant(1), carried);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(made.getBody());
  llvm::SmallVector<Value> before(made.getRegionIterArgs().begin(), made.getRegionIterArgs().end());
  llvm::SmallVector<Value> after = step(made.getInductionVar(), before);
  if (!carried.empty())
    builder.create<scf::YieldOp>(loc, after);
  return llvm::SmallVector<Value>(made.getResults());
}

llvm::SmallVector<Value> TileEmitter::indices(Value first, Value thread, int64_t per) {
  llvm::SmallVector<Value> all;
  Value start = sum(first, times(thread, per));
  for (int64_t i = 0; i < per; ++i)
    all.push_back(i == 0 ? start : sum(start, constant(i)));
  return all;
}

llvm::SmallVector<Value> TileEmitter::ownIndices(Value first) { return indices(first, ownThread, shape.ownPer); }
llvm::SmallVector<Value> TileEmitter::otherIndices(Value first) { return indices(first, otherThread, shape.otherPer); }

Value TileEmitter::overOthers(Value value, llvm::function_ref<Value(Value, Value)> combine) {
  auto integer = [&](int64_t number) -> Value { return builder.create<arith::ConstantIntOp>(loc, number, 32); };
  for (int64_t distance = shape.otherThreads / 2; distance > 0; distance /= 2) {
    auto other = builder.create<gpu::ShuffleOp>(loc, value, integer(distance), integer(kWarp), gpu::ShuffleMode::XOR);
    value = combine(value, other.getShuffleResult());
  }
  return value;
}

//===----------------------------------------------------------------------===//
// From memory to shared memory
//===----------------------------------------------------------------------===//

std::pair<Value, Value> TileEmitter::placeOf(Value number) {
  // The thread's group is the same each time where threads are whole rows.
  Value perRow = constant(groups), thread = fillThread;
  if (shape.threads() % groups == 0) {
    Value row = builder.create<arith::DivUIOp>(loc, thread, perRow);
    return {sum(row, times(number, shape.threads() / groups)), builder.create<arith::RemUIOp>(loc, thread, perRow)};
  }
  Value at = sum(thread, times(number, shape.threads()));
  return {builder.create<arith::DivUIOp>(loc, at, perRow), builder.create<arith::RemUIOp>(loc, at, perRow)};
}

llvm::SmallVector<Value> TileEmitter::read(const TileSource &source, Value base, Value first, Value row, Value group,
                                           bool isWhole) {
  llvm::ArrayRef<int64_t> strides = source.storage->strides;
  Value at = sum(first, row), isThere, zero;
  if (!isWhole || size != groups * width)
    zero = builder.create<arith::ConstantOp>(loc, builder.getZeroAttr(stored));
  if (!isWhole) {
    isThere = gpu.isLess(at, source.length);
    at = select(isThere, at, constant(0));
  }
  bool endsInGroup = size % width != 0;
  if (size != groups * width && !endsInGroup) {
    Value inRow = gpu.isLess(group, size / width);
    group = select(inRow, group, constant(0));
    isThere = isThere ? builder.create<arith::AndIOp>(loc, isThere, inRow).getResult() : inRow;
  }
  Value address = sum(base, times(at, strides[1])), start = times(group, width);
  llvm::SmallVector<Value> values;
  for (int64_t e = 0; e < width; ++e) {
    Value d = e == 0 ? start : sum(start, constant(e)), isInside = isThere;
    if (endsInGroup) {
      Value inRow = gpu.isLess(d, size);
      d = select(inRow, d, constant(0));
      isInside = isInside ? builder.create<arith::AndIOp>(loc, isInside, inRow).getResult() : inRow;
    }
    Value value = builder.create<memref::LoadOp>(loc, source.storage->memory, sum(address, times(d, strides[3])));
    values.push_back(isInside ? select(isInside, value, zero) : value);
  }
  return values;
}

Value TileEmitter::placeOfRow(Value row, bool isOwn) {
  int64_t per = isOwn ? shape.ownPer : shape.otherPer, rowThreads = isOwn ? shape.ownThreads : shape.otherThreads;
  if (per == 1)
    return row;
  Value within = builder.create<arith::RemUIOp>(loc, row, constant(per));
  return sum(builder.create<arith::DivUIOp>(loc, row, constant(per)), times(within, rowThreads));
}

void TileEmitter::fill(const Tile &tile, const TileSource &source, Value first, bool isOwn) {
  int64_t rows = isOwn ? shape.own() : shape.other();
  int64_t total = rows * groups, count = ceilDiv(total, shape.threads());
  LoadsInFlight loads = size % width != 0 ? kElementLoads : kGroupLoads;
  int64_t atOnce = count <= loads.most ? count : loads.ofTurn, turns = ceilDiv(count, atOnce);
  bool isEven = turns * atOnce * shape.threads() == total, isWhole = source.length % rows == 0 && isEven;
  llvm::ArrayRef<int64_t> strides = source.storage->strides;
  Value base = sum(times(source.batch, strides[0]), times(source.head, strides[2]));
  auto fillTurn = [&](Value turn) {
    llvm::SmallVector<std::pair<Value, Value>> places;
    llvm::SmallVector<llvm::SmallVector<Value>> values;
    for (int64_t i = 0; i < atOnce; ++i) {
      Value number = turn ? sum(times(turn, atOnce), constant(i)) : constant(i);
      places.push_back(placeOf(number));
      values.push_back(read(source, base, first, places.back().first, places.back().second, isWhole));
    }
    for (auto [place, elements] : llvm::zip(places, values)) {
      Value row = place.first;
      gpu.where(isEven ? Value() : gpu.isLess(row, rows), [&, group = place.second, &elements = elements] {
        Value address = sum(times(placeOfRow(row, isOwn), tile.stride), times(group, width));
        for (int64_t e = 0; e < width; ++e)
          builder.create<memref::StoreOp>(loc, elements[e], tile.memory, e == 0 ? address : sum(address, constant(e)));
      });
    }
  };
  if (turns == 1)
    return fillTurn(Value());
  loop(constant(turns), {}, [&](Value turn, llvm::ArrayRef<Value>) {
    fillTurn(turn);
    return llvm::SmallVector<Value>();
  });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

llvm::SmallVector<Value> TileEmitter::scores(const Tile &own, const Tile &other) {
  llvm::SmallVector<Value> zeros(shape.ownPer * shape.otherPer, number(0));
  Value ownRow = times(ownThread, own.stride), otherRow = times(otherThread, other.stride);
  return loop(constant(groups), zeros, [&](Value group, llvm::ArrayRef<Value> before) {
    llvm::SmallVector<Value> sums(before);
    Value start = times(group, width);
    auto elements = [&](const Tile &tile, Value row, int64_t rowThreads, int64_t per) {
      llvm::SmallVector<Value> all;
      Value first = sum(row, start);
      for (int64_t i = 0; i < per; ++i)
        for (int64_t e = 0; e < width; ++e)
          all.push_back(load(tile.memory, sum(first, constant(i * rowThreads * tile.stride + e))));
      return all;
    };
    llvm::SmallVector<Value> a = elements(own, ownRow, shape.ownThreads, shape.ownPer);
    llvm::SmallVector<Value> b = elements(other, otherRow, shape.otherThreads, shape.otherPer);
    for (int64_t e = 0; e < width; ++e)
      for (int64_t r = 0; r < shape.ownPer; ++r)
        for (int64_t c = 0; c < shape.otherPer; ++c) {
          Value &score = sums[r * shape.otherPer + c];
          score = add(score, multiply(a[r * width + e], b[c * width + e]));
        }
    return sums;
  });
}

llvm::SmallVector<Value> TileEmitter::putScores(const Tile &tile, llvm::ArrayRef<Value> values) {
  Value start = sum(times(ownThread, tile.stride), times(otherThread, shape.otherPer));
  for (int64_t r = 0; r < shape.ownPer; ++r)
    for (int64_t c = 0; c < shape.otherPer; ++c)
      store(values[r * shape.otherPer + c], tile.memory, sum(start, constant(r * shape.ownThreads * tile.stride + c)));
  return {};
}

llvm::SmallVector<Value> TileEmitter::zeroSums() {
  return llvm::SmallVector<Value>(shape.ownPer * sumGroups() * sumWidth(), number(0));
}

llvm::SmallVector<Value> TileEmitter::addProduct(const Tile &scores, llvm::ArrayRef<Value>, const Tile &other,
                                                 llvm::ArrayRef<Value> sums) {
  Value scoreRow = times(ownThread, scores.stride), column = times(otherThread, width);
  int64_t perThread = sumGroups();
  return loop(constant(shape.otherThreads), sums, [&](Value turn, llvm::ArrayRef<Value> before) {
    llvm::SmallVector<Value> after(before), weights;
    Value firstScore = sum(scoreRow, times(turn, shape.otherPer));
    for (int64_t r = 0; r < shape.ownPer; ++r)
      for (int64_t c = 0; c < shape.otherPer; ++c)
        weights.push_back(load(scores.memory, sum(firstScore, constant(r * shape.ownThreads * scores.stride + c))));
    Value first = sum(times(turn, other.stride), column);
    for (int64_t c = 0; c < shape.otherPer; ++c)
      for (int64_t g = 0; g < perThread; ++g)
        for (int64_t e = 0; e < width; ++e) {
          int64_t offset = c * shape.otherThreads * other.stride + g * shape.otherThreads * width + e;
          Value element = load(other.memory, sum(first, constant(offset)));
          for (int64_t r = 0; r < shape.ownPer; ++r) {
            Value &total = after[(r * perThread + g) * width + e];
            total = add(total, multiply(weights[r * shape.otherPer + c], element));
          }
        }
    return after;
  });
}

llvm::SmallVector<Value> TileEmitter::getSums(const Storage &place, Value batch, Value head, Value first,
                                              int64_t length) {
  llvm::ArrayRef<int64_t> strides = place.strides;
  Value base = sum(times(batch, strides[0]), times(head, strides[2]));
  auto within = [&](Value d, int64_t last) -> Value { return builder.create<arith::MinUIOp>(loc, d, constant(last)); };
  llvm::SmallVector<Value> sums;
  for (Value row : ownIndices(first)) {
    Value isThere = length % shape.own() ? gpu.isLess(row, length) : Value();
    Value address = sum(base, times(isThere ? select(isThere, row, constant(0)) : row, strides[1]));
    for (int64_t g = 0; g < sumGroups(); ++g) {
      Value start = sumStart(g);
      // What lies behind a row is read from its end, and never written.
      bool mayEnd = (g + 1) * sumSpan() > size, isWhole = size % sumWidth() == 0;
      if (mayEnd && isWhole)
        start = within(start, size - sumWidth());
      for (int64_t e = 0; e < sumWidth(); ++e) {
        Value d = e == 0 ? start : sum(start, constant(e));
        if (mayEnd && !isWhole)
          d = within(d, size - 1);
        sums.push_back(load(place.memory, sum(address, times(d, strides[3]))));
      }
    }
  }
  return sums;
}

Value TileEmitter::sumStart(int64_t group) {
  return times(sum(otherThread, constant(group * shape.otherThreads)), width);
}

void TileEmitter::putSums(llvm::ArrayRef<Value> sums, const KernelPlace &place, Value batch, Value head, Value first,
                          int64_t length) {
  llvm::ArrayRef<int64_t> strides = place.strides;
  int64_t perThread = sumGroups(), neighbours = sumWidth();
  Value base = sum(times(batch, strides[0]), times(head, strides[2]));
  for (auto [r, row] : llvm::enumerate(ownIndices(first))) {
    Value address = sum(base, times(row, strides[1]));
    auto putElement = [&](Value d, Value value) {
      Value at = sum(address, times(d, strides[3]));
      if (place.accumulate)
        value = add(load(place.memory, at), value);
      store(value, place.memory, at);
    };
    gpu.where(length % shape.own() ? gpu.isLess(row, length) : Value(), [&, r = r] {
      for (int64_t g = 0; g < perThread; ++g) {
        Value start = sumStart(g);
        bool mayEnd = (g + 1) * sumSpan() > size;
        gpu.where(mayEnd ? gpu.isLess(start, size) : Value(), [&] {
          for (int64_t e = 0; e < neighbours; ++e) {
            Value d = e == 0 ? start : sum(start, constant(e));
            gpu.where(mayEnd && size % neighbours ? gpu.isLess(d, size) : Value(),
                      [&] { putElement(d, sums[(r * perThread + g) * neighbours + e]); });
          }
        });
      }
    });
  }
}
