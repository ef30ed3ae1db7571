//===- ExpandRing.cpp - attention whose keys are cut ------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ring attention (Liu et al., 2310.01889) on local shapes, P members. Two
// expansions agree up to rounding: `reference` gathers keys and values; `loop`
// makes P turns, which is what follows.
//
// One side stays, the other goes round: in turn k a member holds what the member
// k before it began with, got from its neighbour. Forward keys and values go
// round, and what the turns attend to is merged by log-sum-exps: with running
// maximum m, sum l and output o, a product with output x and lse e gives
//   m' = max(m, e), l' = l exp(m - m') + exp(e - m'), o' = o exp(m - m') + x exp(e - m').
// Backward either keys and values go round or query, gradient, lse and delta do,
// whichever is less. The gradient of what goes round starts at its first foreign
// user, travels behind it and takes one more hop, home; the own part's waits
// there. What the next turn needs is sent before the products of this one. A mask
// of valid keys stays or goes with its keys.
//
// Causal attention on a zigzag axis (Brandon et al., 2311.09431, as in
// 2405.07719): member i holds the halves i and 2P-1-i, here 0 and 1. Of rows of
// member i and keys of member j the mask leaves
//   i = j: rows 0 and keys 0, rows 1 and all keys, both on the diagonal;
//   i > j: rows 0 and keys 0, rows 1 and keys 0, all of them;
//   i < j: rows 1 and keys 1, rows 1 and keys 0, all of them.
// So in every turn but the first each member does rows 1 with keys 0 and one
// more half with its like; which half depends on the member and is a view with a
// run-time offset. Nothing else is computed, and no mask is needed.
//
// Turns that differ in their number only are a loop: all but the first and the
// last, and backward the second, in which no gradient arrives yet. Then
// neither code nor memory grows with P.
//
//===----------------------------------------------------------------------===//

#include "Blocks.h"
#include "colo/Dialect/Colo/TensorBuilder.h"
#include "colo/Dialect/Dist/Passes.h"

namespace colo::dist {
#define GEN_PASS_DEF_EXPANDRINGPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

/// The dims of attention's positions that are rows and keys, and those of its tensors.
static constexpr unsigned kRows = 2, kKeys = 3;
static constexpr int64_t kSequenceDim = 1, kStatisticsDim = 2;

/// Far below any log-sum-exp, that of a row without keys too: what has it changes nothing when merged.
static constexpr double kNothing = -2e30;

/// What goes round, for the plan.
static constexpr StringLiteral kKeysName = "keys and values", kKeyGradientsName = "gradients of keys and values",
                               kMaskName = "mask of keys", kRowsName = "queries and gradients",
                               kRowGradientsName = "gradients of queries";

/// The axes over which the keys of an attention are cut: its ring.
static ArrayAttr ringAxes(ArrayAttr positions) {
  return positions ? cast<DictionaryAttr>(positions[kKeys]).getAs<ArrayAttr>("axes") : ArrayAttr();
}

namespace {
/// The number of a turn, with that of the round added in a loop.
struct Turn {
  int64_t first;
  bool loops = false;
};

/// A half of what a member holds: 0 or 1, or in a turn the one that `dist.half` says. Or all of it.
struct Half {
  enum Kind { All, Fixed, Like } kind;
  int64_t number = -1;
  Turn turn = {0};
  bool rowsTravel = false;

  static Half all() { return {All}; }
  static Half of(int64_t number) { return {Fixed, number}; }
  static Half like(Turn turn, bool rowsTravel) { return {Like, -1, turn, rowsTravel}; }
};

/// One product of a turn: some rows with some keys.
struct Product {
  Half rows, keys;
  bool causal;
};

/// What is known of a row: its query and, backward, the gradient and two numbers.
struct Rows {
  Value query, gradient, lse, delta;
};

/// Output so far of some rows.
struct Merged {
  Value maximum, sum, output;
};

/// What the two gradients and the forward op share.
class RingExpansion {
public:
  RingExpansion(Operation *op, ArrayAttr positions, bool causal, const Mesh &mesh)
      : builder(op), loc(op->getLoc()), b(builder, loc), mesh(mesh), positions(positions), axes(ringAxes(positions)),
        causal(causal) {
    Axes indices;
    for (auto axis : axes.getAsRange<StringAttr>())
      indices.push_back(*mesh.find(axis.getValue()));
    members = mesh.groupSize(indices);
    blocks = mesh.blocks(indices);
    for (int64_t i = 0; i < members; ++i)
      sources.push_back((i + members - 1) % members);
    isBalanced = causal && indices.size() == 1 && mesh.isZigzag(indices.front());
  }

  SmallVector<Value> expand(AttentionOp op);
  SmallVector<Value> expand(AttentionGradOp op);
  SmallVector<Value> gather(AttentionOp op);
  SmallVector<Value> gather(AttentionGradOp op);

private:
  // Messages.
  Value stack(Value key, Value value);
  std::pair<Value, Value> unstack(Value pair);
  Value pack(const Rows &rows);
  Rows unpack(Value message, int64_t size);
  Value pass(Value message, StringRef what);
  Value passIf(bool condition, Value message, StringRef what) {
    return condition && message ? pass(message, what) : Value();
  }

  // Turns.
  SmallVector<Product> productsOf(Turn turn, bool rowsTravel);
  void runTurns(int64_t first, int64_t last, ArrayRef<Value *> carried, ArrayRef<Value *> read,
                llvm::function_ref<void(Turn)> makeTurn);
  void runForeignTurns(ArrayRef<Value *> carried, ArrayRef<Value *> read,
                       llvm::function_ref<void(Turn, bool)> makeTurn);
  Value roundOf(Turn turn);
  DictionaryAttr describe(Turn turn, bool rowsTravel = false);
  Value take(Value value, const Half &half, int64_t dim);
  Value takeMask(Value mask, const Half &half) { return mask ? take(mask, half, kSequenceDim) : mask; }
  DictionaryAttr place(unsigned dim, const Half &half, Turn turn);
  ArrayAttr positionsOf(const Product &product, Turn rowTurn, Turn keyTurn);
  Value isIn(const Half &half, int64_t number, ArrayRef<int64_t> shape);
  std::array<Value, 3> gradients(AttentionGradOp op, const Rows &rows, Value pair, Value mask, const Product &product,
                                 Turn rowTurn, Turn keyTurn);
  void merge(Merged &state, Value output, Value lse);
  void mergeInto(SmallVector<Merged> &states, const Half &rows, Value output, Value lse);
  void addTo(SmallVector<Value> &parts, const Half &half, Value value, int64_t dim);
  Value gatherDim(Value part, int64_t dim);
  Value gatherMask(Value mask) { return mask ? gatherDim(mask, kSequenceDim) : mask; }
  ArrayAttr positionsOfWholeKeys();
  SmallVector<Value> ringOfKeys(AttentionGradOp op);
  SmallVector<Value> ringOfRows(AttentionGradOp op);
  SmallVector<Value> emptyParts() { return SmallVector<Value>(isBalanced ? 2 : 1); }
  Value whole(ArrayRef<Value> parts, int64_t dim) { return joinBlocks(builder, parts, dim); }

  /// A value a row [b,a,s] beside each element of an output [b,s,a,D].
  Value perElement(Value row, Value output) {
    return b.broadcastTrailing(b.transpose(row, {0, 2, 1}), TensorBuilder::shapeOf(output));
  }
  Value plus(Value sum, Value value) { return sum ? b.add(sum, value) : value; }

  OpBuilder builder;
  Location loc;
  TensorBuilder b;
  const Mesh &mesh;
  ArrayAttr positions, axes;
  bool causal, isBalanced;
  int64_t members = 1;
  SmallVector<int64_t> sources; ///< every member receives from the one before
  SmallVector<int64_t> blocks;  ///< those that each member holds, if its part is no run
};
} // namespace

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
  entry.set("turn", builder.getI64IntegerAttr(turn.first));
  if (turn.loops)
    entry.set("loop", builder.getI64IntegerAttr(0));
  if (rowsTravel)
    entry.set("rows_travel", builder.getUnitAttr());
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
    entry.set("before", describe(turn));
  if (half.kind == Half::Like)
    entry.set("half", describe(half.turn, half.rowsTravel));
  if (half.kind == Half::Fixed) {
    auto all = cast<DenseI64ArrayAttr>(entry.get("blocks")).asArrayRef();
    SmallVector<int64_t> blocks;
    for (int64_t member = 0; member < members; ++member)
      blocks.push_back(all[2 * member + half.number]);
    entry.set("blocks", builder.getDenseI64ArrayAttr(blocks));
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
  Attribute entry = builder.getDictionaryAttr({builder.getNamedAttr("global", builder.getI64IntegerAttr(2)),
                                               builder.getNamedAttr("padded", builder.getI64IntegerAttr(2)),
                                               builder.getNamedAttr("axes", axes),
                                               builder.getNamedAttr("half", describe(half.turn, half.rowsTravel))});
  Value mine = b.iota({1}, 0, builder.getArrayAttr({entry}));
  return b.broadcast(b.reshape(b.compare(Predicate::EQ, mine, static_cast<double>(number)), {}), shape, {});
}

//===----------------------------------------------------------------------===//
// Forward
//===----------------------------------------------------------------------===//

void RingExpansion::merge(Merged &state, Value output, Value lse) {
  if (!state.output) {
    state = {lse, b.constant(lse, 1.0), output};
    return;
  }
  Value larger = builder.create<MaximumOp>(loc, lse.getType(), state.maximum, lse);
  Value kept = b.exp(b.sub(state.maximum, larger)), added = b.exp(b.sub(lse, larger));
  state.maximum = larger;
  state.sum = b.add(b.mul(state.sum, kept), added);
  state.output = b.add(b.mul(state.output, perElement(kept, output)), b.mul(output, perElement(added, output)));
}

SmallVector<Value> RingExpansion::expand(AttentionOp op) {
  Value pair = stack(op.getKey(), op.getValue()), mask = op.getMask(), query = op.getQuery();
  SmallVector<Merged> states(isBalanced ? 2 : 1);
  auto makeTurn = [&](Turn turn, bool isLast) {
    Value next = passIf(!isLast, pair, kKeysName), nextMask = passIf(!isLast, mask, kMaskName);
    for (const Product &product : productsOf(turn, /*rowsTravel=*/false)) {
      Value rows = take(query, product.rows, kSequenceDim);
      auto [key, value] = unstack(take(pair, product.keys, kSequenceDim + 1));
      ArrayRef<int64_t> shape = TensorBuilder::shapeOf(rows);
      auto block = builder.create<AttentionOp>(loc, withShape(rows.getType(), shape),
                                               withShape(op.getLse().getType(), {shape[0], shape[2], shape[1]}), rows,
                                               key, value, takeMask(mask, product.keys), op.getScaleAttr(),
                                               product.causal ? builder.getUnitAttr() : UnitAttr(), op.getDropoutAttr(),
                                               op.getIdAttr(), positionsOf(product, {0}, turn));
      mergeInto(states, product.rows, block.getResult(), block.getLse());
    }
    pair = next;
    mask = nextMask;
  };
  makeTurn({0}, members == 1);
  SmallVector<Value *> carried{&pair, &mask};
  for (Merged &state : states)
    carried.append({&state.maximum, &state.sum, &state.output});
  runTurns(1, members - 2, carried, &query, [&](Turn turn) { makeTurn(turn, false); });
  if (members > 1)
    makeTurn({members - 1}, true);
  SmallVector<Value> outputs, statistics;
  for (Merged &state : states) {
    outputs.push_back(b.div(state.output, perElement(state.sum, state.output)));
    statistics.push_back(b.add(state.maximum, b.log(state.sum)));
  }
  return {whole(outputs, kSequenceDim), whole(statistics, kStatisticsDim)};
}

/// Merges what a turn attends to into the state of the rows that it is of.
void RingExpansion::mergeInto(SmallVector<Merged> &states, const Half &rows, Value output, Value lse) {
  for (auto [i, state] : llvm::enumerate(states)) {
    int64_t number = static_cast<int64_t>(i);
    if (rows.kind == Half::All || rows.number == number)
      merge(state, output, lse);
    else if (rows.kind == Half::Like)
      merge(state, output, b.selectOr(isIn(rows, number, TensorBuilder::shapeOf(lse)), lse, kNothing));
  }
}

//===----------------------------------------------------------------------===//
// Backward
//===----------------------------------------------------------------------===//

/// Gradients of query, key and value of one product.
std::array<Value, 3> RingExpansion::gradients(AttentionGradOp op, const Rows &rows, Value pair, Value mask,
                                              const Product &product, Turn rowTurn, Turn keyTurn) {
  auto [key, value] = unstack(take(pair, product.keys, kSequenceDim + 1));
  auto typeOf = [](Value x) { return withShape(x.getType(), TensorBuilder::shapeOf(x)); };
  auto block = builder.create<AttentionGradOp>(
      loc, TypeRange{typeOf(rows.query), typeOf(key), typeOf(value)}, rows.query, key, value, rows.lse, rows.gradient,
      rows.delta, takeMask(mask, product.keys), op.getScaleAttr(), product.causal ? builder.getUnitAttr() : UnitAttr(),
      op.getDropoutAttr(), op.getIdAttr(), positionsOf(product, rowTurn, keyTurn));
  return {block.getDquery(), block.getDkey(), block.getDvalue()};
}

/// Adds a half's gradient to the halves that it is of.
void RingExpansion::addTo(SmallVector<Value> &parts, const Half &half, Value value, int64_t dim) {
  int64_t size = TensorBuilder::shapeOf(value)[dim] / static_cast<int64_t>(parts.size());
  for (auto [i, part] : llvm::enumerate(parts)) {
    int64_t number = static_cast<int64_t>(i);
    if (half.kind == Half::All)
      part = plus(part, sliceDim(builder, value, dim, number * size, size));
    else if (half.number == number)
      part = plus(part, value);
    else if (half.kind == Half::Like)
      part = plus(part, b.selectOr(isIn(half, number, TensorBuilder::shapeOf(value)), value, 0.0));
  }
}

SmallVector<Value> RingExpansion::ringOfKeys(AttentionGradOp op) {
  Value pair = stack(op.getKey(), op.getValue()), mask = op.getMask(), foreign;
  Rows all{op.getQuery(), op.getGradient(), op.getLse(), op.getDelta()};
  SmallVector<Value> dquery = emptyParts();
  auto makeTurn = [&](Turn turn, bool isLast) {
    Value next = passIf(!isLast, pair, kKeysName), arrived = passIf(turn.first > 1, foreign, kKeyGradientsName);
    Value nextMask = passIf(!isLast, mask, kMaskName);
    SmallVector<Value> dkey = emptyParts(), dvalue = emptyParts();
    for (const Product &product : productsOf(turn, /*rowsTravel=*/false)) {
      Rows rows{take(all.query, product.rows, kSequenceDim), take(all.gradient, product.rows, kSequenceDim),
                take(all.lse, product.rows, kStatisticsDim), take(all.delta, product.rows, kStatisticsDim)};
      auto [dq, dk, dv] = gradients(op, rows, pair, mask, product, {0}, turn);
      addTo(dquery, product.rows, dq, kSequenceDim);
      addTo(dkey, product.keys, dk, kSequenceDim);
      addTo(dvalue, product.keys, dv, kSequenceDim);
    }
    pair = next;
    mask = nextMask;
    return plus(arrived, stack(whole(dkey, kSequenceDim), whole(dvalue, kSequenceDim)));
  };
  Value own = makeTurn({0}, members == 1);
  SmallVector<Value *> carried{&pair, &mask, &foreign};
  for (Value &part : dquery)
    carried.push_back(&part);
  runForeignTurns(carried, {&all.query, &all.gradient, &all.lse, &all.delta},
                  [&](Turn turn, bool isLast) { foreign = makeTurn(turn, isLast); });
  auto [dkey, dvalue] = unstack(b.add(own, pass(foreign, kKeyGradientsName)));
  return {whole(dquery, kSequenceDim), dkey, dvalue};
}

SmallVector<Value> RingExpansion::ringOfRows(AttentionGradOp op) {
  int64_t size = TensorBuilder::shapeOf(op.getQuery()).back();
  Value pair = stack(op.getKey(), op.getValue()), mask = op.getMask(), foreign;
  Value message = pack({op.getQuery(), op.getGradient(), op.getLse(), op.getDelta()});
  SmallVector<Value> dkey = emptyParts(), dvalue = emptyParts();
  auto makeTurn = [&](Turn turn, bool isLast) {
    Value next = passIf(!isLast, message, kRowsName);
    Value arrived = passIf(turn.first > 1, foreign, kRowGradientsName);
    SmallVector<Value> dquery = emptyParts();
    for (const Product &product : productsOf(turn, /*rowsTravel=*/true)) {
      Rows rows = unpack(take(message, product.rows, kSequenceDim), size);
      auto [dq, dk, dv] = gradients(op, rows, pair, mask, product, turn, {0});
      addTo(dquery, product.rows, dq, kSequenceDim);
      addTo(dkey, product.keys, dk, kSequenceDim);
      addTo(dvalue, product.keys, dv, kSequenceDim);
    }
    message = next;
    return plus(arrived, whole(dquery, kSequenceDim));
  };
  Value own = makeTurn({0}, members == 1);
  SmallVector<Value *> carried{&message, &foreign};
  for (SmallVector<Value> *parts : {&dkey, &dvalue})
    for (Value &part : *parts)
      carried.push_back(&part);
  runForeignTurns(carried, {&pair, &mask}, [&](Turn turn, bool isLast) { foreign = makeTurn(turn, isLast); });
  return {b.add(own, pass(foreign, kRowGradientsName)), whole(dkey, kSequenceDim), whole(dvalue, kSequenceDim)};
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

/// Elements of one hop and its gradient's: 4 of key heads, or 3 of query heads and two numbers a row and head.
SmallVector<Value> RingExpansion::expand(AttentionGradOp op) {
  ArrayRef<int64_t> query = TensorBuilder::shapeOf(op.getQuery()), key = TensorBuilder::shapeOf(op.getKey());
  bool rowsTravel = (3 * query[3] + 2) * query[2] < 4 * key[3] * key[2];
  return rowsTravel ? ringOfRows(op) : ringOfKeys(op);
}

//===----------------------------------------------------------------------===//
// Reference
//===----------------------------------------------------------------------===//

/// All members' parts of `dim`, in order.
Value RingExpansion::gatherDim(Value part, int64_t dim) {
  SmallVector<int64_t> shape(TensorBuilder::shapeOf(part));
  shape[dim] *= members;
  Value all = builder.create<AllGatherOp>(loc, withShape(part.getType(), shape), part, dim, mesh.symbol, axes);
  return blocks.empty() ? all : orderBlocks(builder, all, dim, inverseOrder(blocks));
}

/// The positions in which the keys are whole.
ArrayAttr RingExpansion::positionsOfWholeKeys() {
  SmallVector<Attribute> dims(positions.getValue());
  NamedAttrList entry(cast<DictionaryAttr>(dims[kKeys]));
  entry.erase("blocks");
  entry.set("axes", builder.getArrayAttr({}));
  dims[kKeys] = entry.getDictionary(builder.getContext());
  return builder.getArrayAttr(dims);
}

SmallVector<Value> RingExpansion::gather(AttentionOp op) {
  auto [key, value] = unstack(gatherDim(stack(op.getKey(), op.getValue()), kSequenceDim + 1));
  auto all = builder.create<AttentionOp>(loc, op.getResult().getType(), op.getLse().getType(), op.getQuery(), key,
                                         value, gatherMask(op.getMask()), op.getScaleAttr(), op.getCausalAttr(),
                                         op.getDropoutAttr(), op.getIdAttr(), positionsOfWholeKeys());
  return {all.getResult(), all.getLse()};
}

SmallVector<Value> RingExpansion::gather(AttentionGradOp op) {
  auto [key, value] = unstack(gatherDim(stack(op.getKey(), op.getValue()), kSequenceDim + 1));
  auto all = builder.create<AttentionGradOp>(loc, TypeRange{op.getDquery().getType(), key.getType(), value.getType()},
                                             op.getQuery(), key, value, op.getLse(), op.getGradient(), op.getDelta(),
                                             gatherMask(op.getMask()), op.getScaleAttr(), op.getCausalAttr(),
                                             op.getDropoutAttr(), op.getIdAttr(), positionsOfWholeKeys());
  Value gradients = stack(all.getDkey(), all.getDvalue());
  if (!blocks.empty())
    gradients = orderBlocks(builder, gradients, kSequenceDim + 1, blocks);
  SmallVector<int64_t> shape(TensorBuilder::shapeOf(gradients));
  shape[kSequenceDim + 1] /= members;
  Value own = builder.create<ReduceScatterOp>(loc, withShape(gradients.getType(), shape), gradients, ReduceKind::Sum,
                                              kSequenceDim + 1, mesh.symbol, axes);
  auto [dkey, dvalue] = unstack(own);
  return {all.getDquery(), dkey, dvalue};
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct ExpandRingPass : public dist::impl::ExpandRingPassBase<ExpandRingPass> {
  using ExpandRingPassBase::ExpandRingPassBase;

  void runOnOperation() override {
    std::optional<Mesh> mesh = findMesh(getOperation());
    if (!mesh)
      return;
    if (algorithm != "loop" && algorithm != "reference") {
      getOperation().emitError("unknown algorithm '") << algorithm << "'; there are loop, reference";
      return signalPassFailure();
    }
    SmallVector<Operation *> rings;
    getOperation().walk([&](Operation *op) {
      if (!isa<AttentionOp, AttentionGradOp>(op))
        return;
      if (ArrayAttr axes = ringAxes(op->getAttrOfType<ArrayAttr>("positions")); axes && !axes.empty())
        rings.push_back(op);
    });
    for (Operation *op : rings)
      if (failed(expand(op, *mesh)))
        return signalPassFailure();
  }

  LogicalResult expand(Operation *op, const Mesh &mesh) {
    auto expandOp = [&](auto attention) {
      RingExpansion ring(op, attention.getPositionsAttr(), attention.getCausal(), mesh);
      op->replaceAllUsesWith(algorithm == "loop" ? ring.expand(attention) : ring.gather(attention));
      op->erase();
      return success();
    };
    if (auto forward = dyn_cast<AttentionOp>(op))
      return expandOp(forward);
    auto backward = cast<AttentionGradOp>(op);
    if (!backward.getDelta())
      return op->emitOpError("needs delta where keys are cut");
    return expandOp(backward);
  }
};
} // namespace
