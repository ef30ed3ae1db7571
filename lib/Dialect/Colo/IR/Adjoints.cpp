//===- Adjoints.cpp - gradients of the colo ops -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DifferentiableOpInterface of every op that has it. An adjoint prefers the
// op's results to its operands where both serve: results are what the next op
// reads, so they are kept anyway. Gradients have the type of their value.
// Auxiliary results (log-sum-exp, statistics, weights) carry no gradient.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/TensorBuilder.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

using namespace mlir;
using namespace colo;

using Grads = llvm::SmallVectorImpl<Value>;

//===----------------------------------------------------------------------===//
// Elementwise, one operand: the adjoint is a factor on the gradient
//===----------------------------------------------------------------------===//

void NegOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange, ArrayRef<Value> d, Grads &grads) {
  grads[0] = TensorBuilder(builder, getLoc()).neg(d[0]);
}

void AbsOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  Value negative = b.selectOr(b.compare(Predicate::LT, x[0], 0.0), b.neg(d[0]), 0.0);
  grads[0] = b.select(b.compare(Predicate::GT, x[0], 0.0), d[0], negative);
}

void ExpOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  grads[0] = TensorBuilder(builder, getLoc()).mul(d[0], y[0]);
}

void LogOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  grads[0] = TensorBuilder(builder, getLoc()).div(d[0], x[0]);
}

void SqrtOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  grads[0] = b.div(b.scale(d[0], 0.5), y[0]);
}

void RsqrtOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  Value cube = b.mul(b.mul(y[0], y[0]), y[0]);
  grads[0] = b.mul(b.scale(d[0], -0.5), cube);
}

void CosOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  grads[0] = b.neg(b.mul(d[0], builder.create<SinOp>(getLoc(), x[0].getType(), x[0])));
}

void SinOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  grads[0] = b.mul(d[0], builder.create<CosOp>(getLoc(), x[0].getType(), x[0]));
}

void TanhOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  grads[0] = b.mul(d[0], b.sub(b.constant(y[0], 1.0), b.mul(y[0], y[0])));
}

void SigmoidOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  grads[0] = b.mul(d[0], b.mul(y[0], b.sub(b.constant(y[0], 1.0), y[0])));
}

void ErfOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  Value density = b.exp(b.neg(b.mul(x[0], x[0])));
  grads[0] = b.mul(b.scale(d[0], 2.0 / std::sqrt(M_PI)), density);
}

void ReluOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  grads[0] = b.selectOr(b.compare(Predicate::GT, y[0], 0.0), d[0], 0.0);
}

void SiluOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  grads[0] = builder.create<SiluGradOp>(getLoc(), d[0].getType(), x[0], d[0]);
}

void GeluOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  grads[0] = builder.create<GeluGradOp>(getLoc(), d[0].getType(), x[0], d[0], getTanhAttr());
}

void StopGradientOp::buildAdjoint(OpBuilder &, ValueRange, ValueRange, ArrayRef<Value>, Grads &) {}

void PowerOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  double exponent = getExponent().convertToDouble();
  if (exponent == 0.0)
    return;
  Value scaled = b.scale(d[0], exponent);
  if (exponent == 1.0)
    grads[0] = scaled;
  else
    grads[0] = b.mul(scaled, exponent == 2.0 ? Value(x[0]) : b.power(x[0], exponent - 1.0));
}

//===----------------------------------------------------------------------===//
// Elementwise, several operands
//===----------------------------------------------------------------------===//

void AddOp::buildAdjoint(OpBuilder &, ValueRange, ValueRange, ArrayRef<Value> d, Grads &grads) {
  grads[0] = grads[1] = d[0];
}

void SubOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange, ArrayRef<Value> d, Grads &grads) {
  grads[0] = d[0];
  grads[1] = TensorBuilder(builder, getLoc()).neg(d[0]);
}

void MulOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  grads[0] = b.mul(d[0], x[1]);
  grads[1] = b.mul(d[0], x[0]);
}

void DivOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  grads[0] = b.div(d[0], x[1]);
  grads[1] = b.neg(b.mul(grads[0], y[0]));
}

void MaximumOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  Value first = b.compare(Predicate::GE, x[0], x[1]);
  grads[0] = b.selectOr(first, d[0], 0.0);
  grads[1] = b.select(first, b.constant(d[0], 0.0), d[0]);
}

void SelectOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  grads[1] = b.selectOr(x[0], d[0], 0.0);
  grads[2] = b.select(x[0], b.constant(d[0], 0.0), d[0]);
}

void ConvertOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  Type element = getElementTypeOrSelf(x[0]);
  if (isa<FloatType>(element))
    grads[0] = TensorBuilder(builder, getLoc()).convert(d[0], element);
}

void DropoutOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange, ArrayRef<Value> d, Grads &grads) {
  grads[0] = TensorBuilder(builder, getLoc())
                 .dropout(d[0], getRate().convertToDouble(), static_cast<int64_t>(getId()), getPositionsAttr());
}

//===----------------------------------------------------------------------===//
// Shape, reduction, product
//===----------------------------------------------------------------------===//

void BroadcastOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  SmallVector<int64_t> repeated;
  for (int64_t dim = 0; dim < TensorBuilder::typeOf(d[0]).getRank(); ++dim)
    if (!llvm::is_contained(getDims(), dim))
      repeated.push_back(dim);
  TensorBuilder b(builder, getLoc());
  grads[0] = b.convertLike(b.reduce(ReduceKind::Sum, d[0], repeated), x[0]);
}

void ReduceOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  ArrayRef<int64_t> shape = TensorBuilder::shapeOf(x[0]);
  SmallVector<int64_t> kept;
  for (int64_t dim = 0; dim < static_cast<int64_t>(shape.size()); ++dim)
    if (!llvm::is_contained(getDims(), dim))
      kept.push_back(dim);
  if (getKind() == ReduceKind::Sum) {
    grads[0] = b.convertLike(b.broadcast(d[0], shape, kept), x[0]);
    return;
  }
  // Elements that tie for the maximum share the gradient evenly.
  Value largest = b.compare(Predicate::EQ, b.widen(x[0]), b.broadcast(y[0], shape, kept));
  Value ties = b.reduce(ReduceKind::Sum, b.convert(largest, getElementTypeOrSelf(d[0])), getDims());
  Value share = b.selectOr(largest, b.broadcast(b.div(d[0], ties), shape, kept), 0.0);
  grads[0] = b.convertLike(share, x[0]);
}

void TransposeOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange, ArrayRef<Value> d, Grads &grads) {
  SmallVector<int64_t> inverse(getPermutation().size());
  for (auto [to, from] : llvm::enumerate(getPermutation()))
    inverse[from] = to;
  grads[0] = TensorBuilder(builder, getLoc()).transpose(d[0], inverse);
}

void ReshapeOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  grads[0] = TensorBuilder(builder, getLoc()).reshape(d[0], TensorBuilder::shapeOf(x[0]));
}

void SliceOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  Type type = withShape(x[0].getType(), TensorBuilder::shapeOf(x[0]));
  grads[0] = builder.create<PadOp>(getLoc(), type, d[0], getOffsets(), getStrides());
}

void PadOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  Type type = withShape(x[0].getType(), TensorBuilder::shapeOf(x[0]));
  grads[0] = builder.create<SliceOp>(getLoc(), type, d[0], getOffsets(), getStrides());
}

void ConcatOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  int64_t rank = TensorBuilder::typeOf(d[0]).getRank();
  SmallVector<int64_t> offsets(rank, 0), strides(rank, 1);
  for (auto [i, operand] : llvm::enumerate(x)) {
    Type type = withShape(operand.getType(), TensorBuilder::shapeOf(operand));
    grads[i] = builder.create<SliceOp>(getLoc(), type, d[0], offsets, strides);
    offsets[getDim()] += TensorBuilder::shapeOf(operand)[getDim()];
  }
}

/// The gradient of the operand `target` of a product with `other`. The operand that owns the first free letter of the
/// result goes first, so that the product's rows are the result's rows.
static Value einsumGradient(TensorBuilder b, StringRef result, Value d, StringRef otherLetters, Value other,
                            StringRef target) {
  for (char letter : target) {
    if (result.contains(letter) && otherLetters.contains(letter))
      continue;
    if (otherLetters.contains(letter))
      return b.einsum(otherLetters, other, result, d, target);
    break;
  }
  return b.einsum(result, d, otherLetters, other, target);
}

void EinsumOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  EinsumSpec spec = parseEinsumSpec(getSpec());
  grads[0] = einsumGradient(b, spec.result, d[0], spec.rhs, x[1], spec.lhs);
  grads[1] = einsumGradient(b, spec.result, d[0], spec.lhs, x[0], spec.rhs);
  if (getInto())
    grads[2] = d[0];
}

//===----------------------------------------------------------------------===//
// High-level ops
//===----------------------------------------------------------------------===//

void SoftmaxOp::buildAdjoint(OpBuilder &builder, ValueRange, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  grads[0] = builder.create<SoftmaxGradOp>(getLoc(), d[0].getType(), y[0], d[0], getLogarithmAttr());
}

void LayerNormOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  if (d[0])
    grads[0] = builder.create<LayerNormGradOp>(getLoc(), d[0].getType(), x[0], y[1], y[2], d[0]);
}

void AttentionOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  if (!d[0])
    return;
  auto typeOf = [](Value v) { return withShape(v.getType(), TensorBuilder::shapeOf(v)); };
  TensorBuilder b(builder, getLoc());
  Value delta = b.transpose(b.reduceLast(ReduceKind::Sum, b.mul(d[0], y[0])), {0, 2, 1});
  auto op = builder.create<AttentionGradOp>(getLoc(), TypeRange{typeOf(x[0]), typeOf(x[1]), typeOf(x[2])}, x[0], x[1],
                                            x[2], y[1], d[0], delta, getMask() ? x[3] : Value(), getScaleAttr(),
                                            getCausalAttr(), getDropoutAttr(), getIdAttr(), getPositionsAttr());
  for (unsigned i = 0; i < 3; ++i)
    grads[i] = op->getResult(i);
}

void EmbeddingOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  Type type = withShape(x[0].getType(), TensorBuilder::shapeOf(x[0]));
  grads[0] = builder.create<EmbeddingGradOp>(getLoc(), type, d[0], x[1], getPositionsAttr());
}

void CrossEntropyOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange y, ArrayRef<Value> d, Grads &grads) {
  if (!d[0])
    return;
  Type type = withShape(x[0].getType(), TensorBuilder::shapeOf(x[0]));
  grads[0] = builder.create<CrossEntropyGradOp>(getLoc(), type, x[0], x[1], y[2], d[0], getClassesAttr(),
                                                getIgnoreIndexAttr(), getLabelSmoothingAttr());
}

void WeightedMeanOp::buildAdjoint(OpBuilder &builder, ValueRange x, ValueRange, ArrayRef<Value> d, Grads &grads) {
  TensorBuilder b(builder, getLoc());
  Value inverse = builder.create<InverseCountOp>(getLoc(), d[0].getType(), getTermAttr(), getScaledAttr());
  Value share = b.broadcast(b.mul(d[0], inverse), TensorBuilder::shapeOf(x[0]), {});
  grads[0] = b.mul(x[1], share);
}
