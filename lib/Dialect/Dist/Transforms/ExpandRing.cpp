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
// Attention of which a target has kernels that write no scores (whole heads) merges
// itself: a turn gives it output and log-sum-exp so far, or the gradients so far,
// and it writes the new ones in their place. A turn is one product then, of all
// rows and keys, of which the kernels leave out what the mask leaves nothing of.
//
// Turns that differ in their number only are a loop: all but the first and the
// last, and backward the second, in which no gradient arrives yet. Then
// neither code nor memory grows with P.
//
//===----------------------------------------------------------------------===//

#include "RingExpansion.h"
#include "colo/Dialect/Colo/WholeHeads.h"
#include "colo/Dialect/Dist/Passes.h"

namespace colo::dist {
#define GEN_PASS_DEF_EXPANDRINGPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

/// Far below any log-sum-exp, that of a row without keys too: what has it changes nothing when merged.
static constexpr double kNothing = -2e30;

/// What goes round, for the plan.
static constexpr StringLiteral kKeysName = "keys and values", kKeyGradientsName = "gradients of keys and values",
                               kMaskName = "mask of keys", kRowsName = "queries and gradients",
                               kRowGradientsName = "gradients of queries";

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
      SmallVector<Value> into;
      if (isWhole && states.front().output)
        into = {states.front().output, states.front().maximum};
      auto block = builder.create<AttentionOp>(
          loc, wideType(rows), withShape(op.getLse().getType(), {shape[0], shape[2], shape[1]}), rows, key, value,
          takeMask(mask, product.keys), into, op.getScaleAttr(), product.causal ? builder.getUnitAttr() : UnitAttr(),
          op.getDropoutAttr(), op.getIdAttr(), positionsOf(product, {0}, turn));
      if (isWhole)
        states.front() = {block.getLse(), Value(), block.getResult()};
      else
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
    Value output = state.sum ? b.div(state.output, perElement(state.sum, state.output)) : state.output;
    outputs.push_back(b.convertLike(output, op.getResult()));
    statistics.push_back(state.sum ? b.add(state.maximum, b.log(state.sum)) : state.maximum);
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

/// Adds the gradients of query, key and value of one product.
void RingExpansion::addGradients(AttentionGradOp op, const Rows &rows, Value pair, Value mask, const Product &product,
                                 Turn rowTurn, Turn keyTurn, GradientSums &sums) {
  auto [key, value] = unstack(take(pair, product.keys, kSequenceDim + 1));
  auto before = [&](ArrayRef<Value> parts) { return isWhole ? parts.front() : Value(); };
  auto block = builder.create<AttentionGradOp>(
      loc, TypeRange{wideType(rows.query), wideType(key), wideType(value)}, rows.query, key, value, rows.lse,
      rows.gradient, rows.delta, takeMask(mask, product.keys), before(sums.query), before(sums.key), before(sums.value),
      op.getScaleAttr(), product.causal ? builder.getUnitAttr() : UnitAttr(), op.getDropoutAttr(), op.getIdAttr(),
      positionsOf(product, rowTurn, keyTurn));
  if (isWhole) {
    sums = {{block.getDquery()}, {block.getDkey()}, {block.getDvalue()}};
    return;
  }
  addTo(sums.query, product.rows, block.getDquery(), kSequenceDim);
  addTo(sums.key, product.keys, block.getDkey(), kSequenceDim);
  addTo(sums.value, product.keys, block.getDvalue(), kSequenceDim);
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
  GradientSums sums{emptyParts(), {}, {}};
  auto makeTurn = [&](Turn turn, bool isLast) {
    Value next = passIf(!isLast, pair, kKeysName), arrived = passIf(turn.first > 1, foreign, kKeyGradientsName);
    Value nextMask = passIf(!isLast, mask, kMaskName);
    sums.key = sums.value = emptyParts();
    if (isWhole && arrived)
      std::tie(sums.key.front(), sums.value.front()) = unstack(arrived);
    for (const Product &product : productsOf(turn, /*rowsTravel=*/false)) {
      Rows rows{take(all.query, product.rows, kSequenceDim), take(all.gradient, product.rows, kSequenceDim),
                take(all.lse, product.rows, kStatisticsDim), take(all.delta, product.rows, kStatisticsDim)};
      addGradients(op, rows, pair, mask, product, {0}, turn, sums);
    }
    pair = next;
    mask = nextMask;
    Value dkey = whole(sums.key, kSequenceDim), dvalue = whole(sums.value, kSequenceDim);
    if (isWhole && arrived)
      return Value(builder.create<UpdatedOp>(loc, arrived.getType(), arrived, ValueRange{dkey, dvalue}));
    return plus(arrived, stack(dkey, dvalue));
  };
  Value own = makeTurn({0}, members == 1);
  SmallVector<Value *> carried{&pair, &mask, &foreign};
  for (Value &part : sums.query)
    carried.push_back(&part);
  runForeignTurns(carried, {&all.query, &all.gradient, &all.lse, &all.delta},
                  [&](Turn turn, bool isLast) { foreign = makeTurn(turn, isLast); });
  auto [dkey, dvalue] = unstack(b.add(own, pass(foreign, kKeyGradientsName)));
  return narrowed(op, {whole(sums.query, kSequenceDim), dkey, dvalue});
}

SmallVector<Value> RingExpansion::ringOfRows(AttentionGradOp op) {
  int64_t size = TensorBuilder::shapeOf(op.getQuery()).back();
  Value pair = stack(op.getKey(), op.getValue()), mask = op.getMask(), foreign;
  Value message = pack({op.getQuery(), op.getGradient(), op.getLse(), op.getDelta()});
  GradientSums sums{{}, emptyParts(), emptyParts()};
  auto makeTurn = [&](Turn turn, bool isLast) {
    Value next = passIf(!isLast, message, kRowsName);
    Value arrived = passIf(turn.first > 1, foreign, kRowGradientsName);
    sums.query = emptyParts();
    if (isWhole)
      sums.query.front() = arrived;
    for (const Product &product : productsOf(turn, /*rowsTravel=*/true)) {
      Rows rows = unpack(take(message, product.rows, kSequenceDim), size);
      addGradients(op, rows, pair, mask, product, turn, {0}, sums);
    }
    message = next;
    Value dquery = whole(sums.query, kSequenceDim);
    return isWhole ? dquery : plus(arrived, dquery);
  };
  Value own = makeTurn({0}, members == 1);
  SmallVector<Value *> carried{&message, &foreign};
  for (SmallVector<Value> *parts : {&sums.key, &sums.value})
    for (Value &part : *parts)
      carried.push_back(&part);
  runForeignTurns(carried, {&pair, &mask}, [&](Turn turn, bool isLast) { foreign = makeTurn(turn, isLast); });
  return narrowed(op, {b.add(own, pass(foreign, kRowGradientsName)), whole(sums.key, kSequenceDim),
                       whole(sums.value, kSequenceDim)});
}

/// Sums of turns as the results of the op.
SmallVector<Value> RingExpansion::narrowed(AttentionGradOp op, ArrayRef<Value> sums) {
  SmallVector<Value> results;
  for (auto [sum, result] : llvm::zip(sums, op->getResults()))
    results.push_back(b.convertLike(sum, result));
  return results;
}

/// Elements of one hop and its gradient's: 4 of key heads, or 3 of query heads and two numbers a row and head. With
/// 16-bit floats the numbers would make all of the rows' message f32, which is never less than the keys'.
SmallVector<Value> RingExpansion::expand(AttentionGradOp op) {
  ArrayRef<int64_t> query = TensorBuilder::shapeOf(op.getQuery()), key = TensorBuilder::shapeOf(op.getKey());
  bool isWide = wideType(op.getQuery()) == op.getQuery().getType();
  bool rowsTravel = isWide && (3 * query[3] + 2) * query[2] < 4 * key[3] * key[2];
  return rowsTravel ? ringOfRows(op) : ringOfKeys(op);
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
      bool isWhole = holdsHeads(wholeHeadSize, attention.getQuery());
      RingExpansion ring(op, attention.getPositionsAttr(), attention.getCausal(), isWhole, mesh);
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
