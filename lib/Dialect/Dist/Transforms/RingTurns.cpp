//===- RingTurns.cpp - turns of a ring and their messages -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RingExpansion.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

RingExpansion::RingExpansion(Operation *op, ArrayAttr positions, bool causal, bool isWhole, const Mesh &mesh)
    : builder(op), loc(op->getLoc()), b(builder, loc), mesh(mesh), positions(positions), axes(ringAxes(positions)),
      causal(causal), isWhole(isWhole) {
  Axes indices;
  for (auto axis : axes.getAsRange<StringAttr>())
    indices.push_back(*mesh.find(axis.getValue()));
  members = mesh.groupSize(indices);
  blocks = mesh.blocks(indices);
  for (int64_t i = 0; i < members; ++i)
    sources.push_back((i + members - 1) % members);
  isBalanced = !isWhole && causal && indices.size() == 1 && mesh.isZigzag(indices.front());
}

//===----------------------------------------------------------------------===//
// Messages
//===----------------------------------------------------------------------===//

/// Key and value, or their gradients, [b,t,c,D] each, travel as [2,b,t,c,D].
Value RingExpansion::stack(Value key, Value value) {
  SmallVector<int64_t> one{1};
  llvm::append_range(one, TensorBuilder::shapeOf(key));
  return joinBlocks(builder, {b.reshape(key, one), b.reshape(value, one)}, 0);
}

std::pair<Value, Value> RingExpansion::unstack(Value pair) {
  ArrayRef<int64_t> shape = TensorBuilder::shapeOf(pair).drop_front();
  auto part = [&](int64_t index) { return b.reshape(sliceDim(builder, pair, 0, index, 1), shape); };
  Value key = part(0), value = part(1);
  return {key, value};
}

/// A row and head is D numbers of the query, D of the gradient, lse and delta: [b,s,a,2D+2].
Value RingExpansion::pack(const Rows &rows) {
  SmallVector<int64_t> one(TensorBuilder::shapeOf(rows.query));
  one.back() = 1;
  auto column = [&](Value x) { return b.reshape(b.transpose(x, {0, 2, 1}), one); };
  Value columns = joinBlocks(builder, {column(rows.lse), column(rows.delta)}, 3);
  return joinBlocks(builder, {rows.query, rows.gradient, columns}, 3);
}

Rows RingExpansion::unpack(Value message, int64_t size) {
  SmallVector<int64_t> row(TensorBuilder::shapeOf(message).drop_back());
  auto column = [&](int64_t at) {
    return b.transpose(b.reshape(sliceDim(builder, message, 3, at, 1), row), {0, 2, 1});
  };
  Rows rows;
  rows.query = sliceDim(builder, message, 3, 0, size);
  rows.gradient = sliceDim(builder, message, 3, size, size);
  rows.lse = column(2 * size);
  rows.delta = column(2 * size + 1);
  return rows;
}

/// To the next member. The plan says what goes round.
Value RingExpansion::pass(Value message, StringRef what) {
  auto named = dyn_cast<NameLoc>(loc);
  std::string name = named ? named.getName().str() + " " : "";
  Location label =
      NameLoc::get(builder.getStringAttr(name + "(" + what.str() + ")"), named ? named.getChildLoc() : loc);
  return builder.create<PermuteOp>(label, message.getType(), message, sources, mesh.symbol, axes);
}

//===----------------------------------------------------------------------===//
// Turns
//===----------------------------------------------------------------------===//

SmallVector<Product> RingExpansion::productsOf(Turn turn, bool rowsTravel) {
  if (!isBalanced)
    return {{Half::all(), Half::all(), causal}};
  if (turn.first == 0)
    return {{Half::of(0), Half::of(0), true}, {Half::of(1), Half::all(), true}};
  Half like = Half::like(turn, rowsTravel);
  return {{Half::of(1), Half::of(0), false}, {like, like, false}};
}

/// Makes the turns from `first` to `last`, in a loop if there are several. What `carried` and `read` point at is, in a
/// turn, the body's name for it, and afterwards what the last turn made of it; null values stay out of the loop.
void RingExpansion::runTurns(int64_t first, int64_t last, ArrayRef<Value *> carried, ArrayRef<Value *> read,
                             llvm::function_ref<void(Turn)> makeTurn) {
  if (first >= last) {
    if (first == last)
      makeTurn({first});
    return;
  }
  auto present = [](ArrayRef<Value *> values) {
    return llvm::to_vector(llvm::make_filter_range(values, [](Value *value) { return *value != Value(); }));
  };
  SmallVector<Value *> moved = present(carried), kept = present(read);
  auto valuesOf = [](ArrayRef<Value *> pointers) {
    return llvm::map_to_vector(pointers, [](Value *value) { return *value; });
  };
  SmallVector<Value> around = valuesOf(kept);
  auto loop = builder.create<LoopOp>(loc, last - first + 1, valuesOf(moved), around, TypeRange(), ArrayRef<int64_t>());
  auto rename = [](ArrayRef<Value *> pointers, ValueRange values) {
    for (auto [pointer, value] : llvm::zip(pointers, values))
      *pointer = value;
  };
  rename(moved, loop.carriedArguments());
  rename(kept, loop.invariantArguments());
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(&loop.block());
    makeTurn({first, /*loops=*/true});
    builder.create<YieldOp>(loc, valuesOf(moved));
  }
  rename(moved, loop.getResults());
  rename(kept, around);
}

Value RingExpansion::roundOf(Turn turn) {
  return turn.loops ? cast<LoopOp>(builder.getInsertionBlock()->getParentOp()).round() : Value();
}

/// The number of a turn as positions name it.
DictionaryAttr RingExpansion::describe(Turn turn, bool rowsTravel) {
  NamedAttrList entry;
  entry.set(position::kTurn, builder.getI64IntegerAttr(turn.first));
  if (turn.loops)
    entry.set(position::kLoop, builder.getI64IntegerAttr(0));
  if (rowsTravel)
    entry.set(position::kRowsTravel, builder.getUnitAttr());
  return entry.getDictionary(builder.getContext());
}

Value RingExpansion::take(Value value, const Half &half, int64_t dim) {
  if (half.kind == Half::All)
    return value;
  int64_t size = TensorBuilder::shapeOf(value)[dim] / 2;
  if (half.kind == Half::Fixed)
    return sliceDim(builder, value, dim, half.number * size, size);
  SmallVector<int64_t> shape(TensorBuilder::shapeOf(value));
  shape[dim] = size;
  Value number = builder.create<HalfOp>(loc, builder.getIndexType(), roundOf(half.turn), half.turn.first,
                                        half.rowsTravel, mesh.symbol, axes);
  return builder.create<PartOp>(loc, withShape(value.getType(), shape), value, number, dim, 0);
}

/// Positions of a half of the member `turn` before.
DictionaryAttr RingExpansion::place(unsigned dim, const Half &half, Turn turn) {
  NamedAttrList entry(cast<DictionaryAttr>(positions[dim]));
  if (turn.first || turn.loops)
    entry.set(position::kBefore, describe(turn));
  if (half.kind == Half::Like)
    entry.set(position::kHalf, describe(half.turn, half.rowsTravel));
  if (half.kind == Half::Fixed) {
    auto all = cast<DenseI64ArrayAttr>(entry.get(position::kBlocks)).asArrayRef();
    SmallVector<int64_t> blocks;
    for (int64_t member = 0; member < members; ++member)
      blocks.push_back(all[2 * member + half.number]);
    entry.set(position::kBlocks, builder.getDenseI64ArrayAttr(blocks));
  }
  return entry.getDictionary(builder.getContext());
}

ArrayAttr RingExpansion::positionsOf(const Product &product, Turn rowTurn, Turn keyTurn) {
  SmallVector<Attribute> dims(positions.getValue());
  dims[kRows] = place(kRows, product.rows, rowTurn);
  dims[kKeys] = place(kKeys, product.keys, keyTurn);
  return builder.getArrayAttr(dims);
}

/// Whether this member's half is `number`, for each element of `shape`: a half without blocks is its own position.
Value RingExpansion::isIn(const Half &half, int64_t number, ArrayRef<int64_t> shape) {
  Attribute entry =
      builder.getDictionaryAttr({builder.getNamedAttr(position::kGlobal, builder.getI64IntegerAttr(2)),
                                 builder.getNamedAttr(position::kPadded, builder.getI64IntegerAttr(2)),
                                 builder.getNamedAttr(position::kAxes, axes),
                                 builder.getNamedAttr(position::kHalf, describe(half.turn, half.rowsTravel))});
  Value mine = b.iota({1}, 0, builder.getArrayAttr({entry}));
  return b.broadcast(b.reshape(b.compare(Predicate::EQ, mine, static_cast<double>(number)), {}), shape, {});
}

/// The turns after the first: in the second no gradient arrives, after the last nothing goes on.
void RingExpansion::runForeignTurns(ArrayRef<Value *> carried, ArrayRef<Value *> read,
                                    llvm::function_ref<void(Turn, bool)> makeTurn) {
  if (members > 2)
    makeTurn({1}, false);
  runTurns(2, members - 2, carried, read, [&](Turn turn) { makeTurn(turn, false); });
  if (members > 1)
    makeTurn({members - 1}, true);
}
