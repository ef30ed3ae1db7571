//===- DecomposeAttention.cpp - attention as products and a softmax -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DecomposeOpInterface of attention and its gradient, on local shapes: q
// [b,s,a,D], k and v [b,t,c,D]. Query head i reads key head i / (a/c), so with
// fewer key heads the query heads are seen as [c, a/c]; nothing is repeated.
// Scores are [b,a,s,t] wherever dropout or positions matter. A row without keys
// gives 0: its exponentials are selected away and its sum is replaced by 1. Its
// lse is so low that it counts for nothing beside another block of keys.
//
// Scores, statistics and sums over keys are f32 where operands have 16 bits; what
// a product reads is narrowed. Results have the types that the op says.
//
// The backward pass computes p = exp(score - lse) again, and takes sum(p * dp) over
// the keys from delta = sum(gradient * output) where it is given (Dao,
// 2307.08691, section 3.1).
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/TensorBuilder.h"

using namespace mlir;
using namespace colo;

/// Below any score, and far from overflow in f32.
static constexpr double kLowest = -1e30;

namespace {
class AttentionShapes {
public:
  template <typename OpT>
  AttentionShapes(TensorBuilder b, OpT op)
      : b(b), rows(TensorBuilder::shapeOf(op.getQuery())), keys(TensorBuilder::shapeOf(op.getKey())),
        positions(op.getPositionsAttr()), valid(op.getMask()), causal(op.getCausal()), grouped(rows[2] != keys[2]) {}

  /// Letters of a tensor with query heads in the place of the `a`.
  std::string letters(StringRef plain) const {
    std::string text;
    for (char c : plain)
      text += c == 'a' && grouped ? std::string("cr") : std::string(1, c == 'a' ? 'c' : c);
    return text;
  }
  /// Sees dim `at`, the query heads, as key heads times their queries; `join` is the way back.
  Value split(Value x, int64_t at) {
    if (!grouped)
      return x;
    SmallVector<int64_t> shape(TensorBuilder::shapeOf(x));
    shape[at] = keys[2];
    shape.insert(shape.begin() + at + 1, rows[2] / keys[2]);
    return b.reshape(x, shape);
  }
  Value join(Value x, int64_t at) {
    if (!grouped)
      return x;
    SmallVector<int64_t> shape(TensorBuilder::shapeOf(x));
    shape[at] *= shape[at + 1];
    shape.erase(shape.begin() + at + 1);
    return b.reshape(x, shape);
  }

  /// query or gradient [b,s,a,D] times key or value [b,t,c,D], as [b,a,s,t], wide.
  Value scores(Value x, Value y) {
    Type element = arithmeticType(getElementTypeOrSelf(x));
    return join(b.einsum(letters("bsad"), split(x, 2), "btcd", y, letters("bast"), element), 1);
  }
  /// Scores [b,a,s,t] times key or value, as [b,s,a,D] of the given elements.
  Value rowsFrom(Value p, Value y, Type element) {
    p = split(b.convertLike(p, y), 1);
    return join(b.einsum(letters("bast"), p, "btcd", y, letters("bsad"), element), 2);
  }
  /// Scores [b,a,s,t], transposed, times query or gradient, as [b,t,c,D] of the given elements.
  Value keysFrom(Value p, Value x, Type element) {
    p = split(b.convertLike(p, x), 1);
    return b.einsum(letters("bast"), p, letters("bsad"), split(x, 2), "btcd", element);
  }

  SmallVector<int64_t> scoreShape() const { return {rows[0], rows[2], rows[1], keys[1]}; }

  /// Where the row may read the key; null if everywhere.
  Value mask() {
    Value validKeys = valid ? b.broadcast(valid, scoreShape(), {0, 3}) : Value();
    if (!causal)
      return validKeys;
    return valid ? b.both(causalMask(), validKeys) : causalMask();
  }
  /// A value a row [b,a,s] beside each score.
  Value perRow(Value x) { return b.broadcast(x, scoreShape(), {0, 1, 2}); }

private:
  /// Where the key's position is not after the row's.
  Value causalMask() {
    SmallVector<int64_t> square = {rows[1], keys[1]};
    ArrayAttr local;
    if (positions)
      local = ArrayAttr::get(positions.getContext(), {positions[2], positions[3]});
    Value mask = b.compare(Predicate::LE, b.iota(square, 1, local), b.iota(square, 0, local));
    return b.broadcast(mask, scoreShape(), {2, 3});
  }

  TensorBuilder b;
  ArrayRef<int64_t> rows, keys;
  ArrayAttr positions;
  Value valid;
  bool causal, grouped;
};
} // namespace

SmallVector<Value> AttentionOp::decompose(OpBuilder &builder) {
  TensorBuilder b(builder, getLoc());
  AttentionShapes shapes(b, *this);
  Value scores = b.scale(shapes.scores(getQuery(), getKey()), getScale().convertToDouble());
  Value mask = shapes.mask();
  if (mask)
    scores = b.selectOr(mask, scores, kLowest);
  Value maximum = b.reduceLast(ReduceKind::Max, scores);
  Value exponentials = b.exp(b.sub(scores, shapes.perRow(maximum)));
  if (mask)
    exponentials = b.selectOr(mask, exponentials, 0.0);
  Value sum = b.reduceLast(ReduceKind::Sum, exponentials);
  if (mask)
    sum = b.selectOr(b.compare(Predicate::GT, sum, 0.0), sum, 1.0);
  Value lse = b.add(maximum, b.log(sum));

  double rate = getDropout().convertToDouble();
  if (rate > 0.0)
    exponentials = b.dropout(exponentials, rate, static_cast<int64_t>(getId()), getPositionsAttr());
  // Dividing [b,s,a,D] instead of [b,a,s,t].
  Value unscaled = shapes.rowsFrom(exponentials, getValue(), getElementTypeOrSelf(sum));
  Value perRow = b.broadcastTrailing(b.transpose(sum, {0, 2, 1}), TensorBuilder::shapeOf(getQuery()));
  Value output = b.div(unscaled, perRow);
  if (!getInto().empty()) {
    auto [before, lseBefore] = std::pair<Value, Value>(getInto()[0], getInto()[1]);
    Value larger = builder.create<MaximumOp>(getLoc(), lse.getType(), lseBefore, lse);
    Value kept = b.exp(b.sub(lseBefore, larger)), added = b.exp(b.sub(lse, larger)), both = b.add(kept, added);
    auto weighted = [&](Value x, Value weight) {
      Value share = b.transpose(b.div(weight, both), {0, 2, 1});
      return b.mul(b.convertLike(x, output), b.broadcastTrailing(share, TensorBuilder::shapeOf(x)));
    };
    output = b.add(weighted(before, kept), weighted(output, added));
    lse = b.add(larger, b.log(both));
  }
  return {b.convertLike(output, getResult()), lse};
}

SmallVector<Value> AttentionGradOp::decompose(OpBuilder &builder) {
  TensorBuilder b(builder, getLoc());
  AttentionShapes shapes(b, *this);
  double scale = getScale().convertToDouble(), rate = getDropout().convertToDouble();
  int64_t id = static_cast<int64_t>(getId());

  Value scores = b.scale(shapes.scores(getQuery(), getKey()), scale);
  Value probabilities = b.exp(b.sub(scores, shapes.perRow(getLse())));
  if (Value mask = shapes.mask())
    probabilities = b.selectOr(mask, probabilities, 0.0);
  Value kept = rate > 0.0 ? b.dropout(probabilities, rate, id, getPositionsAttr()) : probabilities;
  auto elementOf = [](Value result) { return getElementTypeOrSelf(result); };
  Value dvalue = shapes.keysFrom(kept, getGradient(), elementOf(getDvalue()));

  Value dkept = shapes.scores(getGradient(), getValue());
  Value dprobabilities = rate > 0.0 ? b.dropout(dkept, rate, id, getPositionsAttr()) : dkept;
  Value delta = getDelta() ? Value(getDelta()) : b.reduceLast(ReduceKind::Sum, b.mul(probabilities, dprobabilities));
  Value dscores = b.scale(b.mul(probabilities, b.sub(dprobabilities, shapes.perRow(delta))), scale);
  SmallVector<Value> gradients{shapes.rowsFrom(dscores, getKey(), elementOf(getDquery())),
                               shapes.keysFrom(dscores, getQuery(), elementOf(getDkey())), dvalue};
  Value sums[] = {getDquerySum(), getDkeySum(), getDvalueSum()};
  for (auto [gradient, sum] : llvm::zip(gradients, sums))
    if (sum)
      gradient = b.add(sum, gradient);
  return gradients;
}

/// One that was left without delta, because a rank has all keys, gets it from the output, which is made again.
void AttentionGradOp::completeForKernels(OpBuilder &builder) {
  if (getDelta())
    return;
  TensorBuilder b(builder, getLoc());
  auto again = builder.create<AttentionOp>(getLoc(), getGradient().getType(), getLse().getType(), getQuery(), getKey(),
                                           getValue(), getMask(), getScaleAttr(), getCausalAttr(), getDropoutAttr(),
                                           getIdAttr(), getPositionsAttr());
  Value sum = b.reduceLast(ReduceKind::Sum, b.mul(getGradient(), again.getResult()));
  getDeltaMutable().assign(b.transpose(sum, {0, 2, 1}));
}

LogicalResult AttentionGradOp::verifyForKernels() {
  return getDelta() ? success() : emitError("needs delta where it is left whole");
}
