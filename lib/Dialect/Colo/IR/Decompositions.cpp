//===- Decompositions.cpp - high-level ops as primitive ones -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DecomposeOpInterface of the ops that are decomposed before partitioning;
// attention is in DecomposeAttention.cpp. What holds:
//  * no exponential of a positive number: maxima are subtracted first;
//  * means before squares: variances are those of centred values;
//  * columns at positions >= classes are padding: they enter no maximum and no
//    sum, and their gradient is 0;
//  * 16-bit floats are widened first and narrowed last: all between is f32;
//  * an ignored target selects 0: nothing of its row is multiplied by 0.
// Each composition makes as few passes over its largest operand as these allow.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/TensorBuilder.h"

using namespace mlir;
using namespace colo;

/// Below any logit or score, and far from overflow in f32.
static constexpr double kLowest = -1e30;

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

SmallVector<Value> SoftmaxOp::decompose(OpBuilder &builder) {
  TensorBuilder b(builder, getLoc());
  Value x = b.widen(getInput());
  ArrayRef<int64_t> shape = TensorBuilder::shapeOf(x);
  Value centred = b.sub(x, b.broadcastTrailing(b.reduceLast(ReduceKind::Max, x), shape));
  Value exponentials = b.exp(centred);
  Value sum = b.reduceLast(ReduceKind::Sum, exponentials);
  if (getLogarithm())
    return {b.convertLike(b.sub(centred, b.broadcastTrailing(b.log(sum), shape)), getResult())};
  return {b.convertLike(b.div(exponentials, b.broadcastTrailing(sum, shape)), getResult())};
}

SmallVector<Value> SoftmaxGradOp::decompose(OpBuilder &builder) {
  TensorBuilder b(builder, getLoc());
  Value y = b.widen(getOutput()), d = b.widen(getGradient());
  ArrayRef<int64_t> shape = TensorBuilder::shapeOf(y);
  if (getLogarithm()) {
    Value sum = b.broadcastTrailing(b.reduceLast(ReduceKind::Sum, d), shape);
    return {b.convertLike(b.sub(d, b.mul(b.exp(y), sum)), getResult())};
  }
  Value mean = b.broadcastTrailing(b.reduceLast(ReduceKind::Sum, b.mul(d, y)), shape);
  return {b.convertLike(b.mul(y, b.sub(d, mean)), getResult())};
}

//===----------------------------------------------------------------------===//
// Layer norm
//===----------------------------------------------------------------------===//

SmallVector<Value> LayerNormOp::decompose(OpBuilder &builder) {
  TensorBuilder b(builder, getLoc());
  Value x = b.widen(getInput());
  ArrayRef<int64_t> shape = TensorBuilder::shapeOf(x);
  double inverse = 1.0 / static_cast<double>(shape.back());
  Value mean = b.scale(b.reduceLast(ReduceKind::Sum, x), inverse);
  Value centred = b.sub(x, b.broadcastTrailing(mean, shape));
  Value variance = b.scale(b.reduceLast(ReduceKind::Sum, b.mul(centred, centred)), inverse);
  Value rstd = b.rsqrt(b.add(variance, b.constant(variance, getEps().convertToDouble())));
  return {b.convertLike(b.mul(centred, b.broadcastTrailing(rstd, shape)), getResult()), mean, rstd};
}

SmallVector<Value> LayerNormGradOp::decompose(OpBuilder &builder) {
  TensorBuilder b(builder, getLoc());
  Value x = b.widen(getInput()), d = b.widen(getGradient());
  ArrayRef<int64_t> shape = TensorBuilder::shapeOf(x);
  double inverse = 1.0 / static_cast<double>(shape.back());
  Value rstd = b.broadcastTrailing(getRstd(), shape);
  Value normal = b.mul(b.sub(x, b.broadcastTrailing(getMean(), shape)), rstd);
  Value meanOfGradient = b.scale(b.reduceLast(ReduceKind::Sum, d), inverse);
  Value correlation = b.scale(b.reduceLast(ReduceKind::Sum, b.mul(d, normal)), inverse);
  Value projected = b.sub(b.sub(d, b.broadcastTrailing(meanOfGradient, shape)),
                          b.mul(normal, b.broadcastTrailing(correlation, shape)));
  return {b.convertLike(b.mul(projected, rstd), getResult())};
}

//===----------------------------------------------------------------------===//
// Classification
//===----------------------------------------------------------------------===//

namespace {
/// What the three classification ops share: masks over logits [b, …, V] and targets [b, …].
struct Classes {
  Classes(OpBuilder &builder, Location loc, Value logits, Value targets, int64_t classes, int64_t ignoreIndex)
      : b(builder, loc), logits(b.widen(logits)), targets(targets), shape(TensorBuilder::shapeOf(logits)),
        classes(classes), ignoreIndex(ignoreIndex) {}

  Value column() {
    if (!columnCache)
      columnCache = b.iota(shape, static_cast<int64_t>(shape.size()) - 1);
    return columnCache;
  }
  Value isClass() {
    if (!isClassCache)
      isClassCache = b.compare(Predicate::LT, column(), static_cast<double>(classes));
    return isClassCache;
  }
  /// A target that is computed may lie past the classes: no column of padding is one.
  Value isTarget() {
    Value isEqual = b.compare(Predicate::EQ, column(), b.broadcastTrailing(targets, shape));
    return classes < shape.back() ? b.both(isEqual, isClass()) : isEqual;
  }
  Value isCounted() {
    if (!isCountedCache)
      isCountedCache = b.compare(Predicate::NE, targets, static_cast<double>(ignoreIndex));
    return isCountedCache;
  }
  Value weights() { return b.convert(isCounted(), getElementTypeOrSelf(logits)); }
  /// The largest logit of each row, and the logits with padding far below them.
  std::pair<Value, Value> maximum() {
    Value masked = b.selectOr(isClass(), logits, kLowest);
    return {b.reduceLast(ReduceKind::Max, masked), masked};
  }
  /// The distribution that the targets stand for.
  Value expected(double smoothing) {
    double share = smoothing / static_cast<double>(classes);
    return b.select(isTarget(), b.constant(logits, 1.0 - smoothing + share), b.constant(logits, share));
  }

  TensorBuilder b;
  Value logits, targets;
  ArrayRef<int64_t> shape;
  int64_t classes, ignoreIndex;

private:
  Value columnCache, isClassCache, isCountedCache;
};
} // namespace

SmallVector<Value> CrossEntropyOp::decompose(OpBuilder &builder) {
  Classes c(builder, getLoc(), getLogits(), getTargets(), getClasses(), static_cast<int64_t>(getIgnoreIndex()));
  TensorBuilder &b = c.b;
  double smoothing = getLabelSmoothing().convertToDouble();
  auto [maximum, masked] = c.maximum();
  Value exponentials = b.exp(b.sub(masked, b.broadcastTrailing(maximum, c.shape)));
  Value lse = b.add(maximum, b.log(b.reduceLast(ReduceKind::Sum, exponentials)));
  // lse - (1-e) z_t - e/V sum z: the expected logit under the smoothed target, in one sum.
  Value terms = smoothing == 0.0 ? b.selectOr(c.isTarget(), c.logits, 0.0)
                                 : b.selectOr(c.isClass(), b.mul(c.logits, c.expected(smoothing)), 0.0);
  Value loss = b.sub(lse, b.reduceLast(ReduceKind::Sum, terms));
  return {b.selectOr(c.isCounted(), loss, 0.0), c.weights(), lse};
}

SmallVector<Value> CrossEntropyGradOp::decompose(OpBuilder &builder) {
  Classes c(builder, getLoc(), getLogits(), getTargets(), getClasses(), static_cast<int64_t>(getIgnoreIndex()));
  TensorBuilder &b = c.b;
  Value d = b.broadcastTrailing(getGradient(), c.shape);
  Value counts = b.both(c.isClass(), b.broadcastTrailing(c.isCounted(), c.shape));
  Value softmax = b.exp(b.sub(c.logits, b.broadcastTrailing(getLse(), c.shape)));
  Value difference = b.sub(softmax, c.expected(getLabelSmoothing().convertToDouble()));
  return {b.convertLike(b.selectOr(counts, b.mul(difference, d), 0.0), getResult())};
}

SmallVector<Value> CorrectOp::decompose(OpBuilder &builder) {
  Classes c(builder, getLoc(), getLogits(), getTargets(), getClasses(), static_cast<int64_t>(getIgnoreIndex()));
  TensorBuilder &b = c.b;
  Value maximum = c.maximum().first;
  Value ofTarget = b.reduceLast(ReduceKind::Sum, b.selectOr(c.isTarget(), c.logits, 0.0));
  Value hit = b.both(b.compare(Predicate::GE, ofTarget, maximum), c.isCounted());
  return {b.convert(hit, getElementTypeOrSelf(c.logits)), c.weights()};
}

SmallVector<Value> WeightedMeanOp::decompose(OpBuilder &builder) {
  TensorBuilder b(builder, getLoc());
  Value products = b.mul(getValues(), getWeights());
  SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, TensorBuilder::typeOf(products).getRank()));
  Value inverse =
      builder.create<InverseCountOp>(getLoc(), withShape(products.getType(), {}), getTermAttr(), UnitAttr());
  return {b.mul(b.reduce(ReduceKind::Sum, products, all), inverse)};
}
