//===- EmitElementwise.cpp - operators between tensors ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"
#include <cmath>

using namespace llvm;

namespace colo::model {

void Emitter::failOnSplit(const Twine &what) {
  fail(what + " depends on how the batch is split over micro-batches and replicas");
}

mlir::RankedTensorType Emitter::typeOf(ArrayRef<Size> dims, mlir::Type elementType) {
  // 2^48 bytes of f64.
  constexpr int64_t maxElements = int64_t(1) << 45;
  SmallVector<int64_t> shape;
  int64_t count = 1;
  if (dims.size() > 8)
    fail("a tensor has at most 8 dims, this would have " + Twine(dims.size()));
  for (const Size &dim : dims) {
    if (dim.value < 1)
      importer.fail(at, "every size must be at least 1, but this would be " + describeShape(dims),
                    importer.whereSet(dim));
    if (MulOverflow(count, dim.value, count) || count > maxElements)
      importer.fail(at,
                    "a tensor " + describeShape(dims) + " is too large: it may have at most " + Twine(maxElements) +
                        " elements",
                    importer.whereEachSet(dims));
    shape.push_back(dim.value);
  }
  return mlir::RankedTensorType::get(shape, elementType);
}

Tensor Emitter::constant(double value, mlir::Type elementType, ArrayRef<Size> dims) {
  auto type = typeOf(dims, elementType);
  return {importer.builder().create<ConstantOp>(loc, type, APFloat(value)), Dims(dims)};
}

Tensor Emitter::iota(int64_t dim, mlir::Type elementType, ArrayRef<Size> dims) {
  auto type = typeOf(dims, elementType);
  return {importer.builder().create<IotaOp>(loc, type, dim, mlir::ArrayAttr()), Dims(dims)};
}

Tensor Emitter::convert(const Tensor &x, mlir::Type elementType) {
  if (x.elementType() == elementType)
    return x;
  return {importer.builder().create<ConvertOp>(loc, typeOf(x.dims, elementType), x.value), x.dims};
}

Dims Emitter::commonShape(ArrayRef<Size> lhs, ArrayRef<Size> rhs, StringRef what) {
  size_t rank = std::max(lhs.size(), rhs.size());
  Dims result(rank);
  for (size_t i = 0; i < rank; ++i) {
    const Size *left = i < lhs.size() ? &lhs[lhs.size() - 1 - i] : nullptr;
    const Size *right = i < rhs.size() ? &rhs[rhs.size() - 1 - i] : nullptr;
    if (!left || !right || (left->value == 1 && !left->batch) || (right->value == 1 && !right->batch)) {
      bool takeLeft = !right || (left && right->value == 1 && !right->batch);
      result[rank - 1 - i] = takeLeft ? *left : *right;
      continue;
    }
    if (left->value != right->value)
      fail("'" + what + "' cannot combine " + describeShape(lhs) + " with " + describeShape(rhs) + ": " +
           left->describe() + " against " + right->describe() + "; aligned from the right, sizes must be equal or 1");
    if (left->batch != right->batch)
      failOnSplit("'" + what + "' meets batch rows with " + (left->batch ? right : left)->describe() +
                  ", which has no batch rows: the result");
    result[rank - 1 - i] = left->text.empty() ? *right : *left;
  }
  return result;
}

Tensor Emitter::broadcastTo(const Tensor &x, ArrayRef<Size> dims) {
  size_t offset = dims.size() - x.rank();
  SmallVector<bool> dropped;
  SmallVector<int64_t> mapping;
  bool isSame = offset == 0;
  for (size_t i = 0; i < x.rank(); ++i) {
    bool repeats = x.dims[i].value == 1 && dims[offset + i].value != 1;
    dropped.push_back(repeats);
    isSame &= !repeats;
    if (!repeats)
      mapping.push_back(offset + i);
  }
  if (isSame)
    return {x.value, Dims(dims), x.isShare};
  Tensor core = dropUnitDims(x, dropped);
  auto type = typeOf(dims, x.elementType());
  return {importer.builder().create<BroadcastOp>(loc, type, core.value, mapping), Dims(dims)};
}

/// A number in the element type and shape of `other`; ids stay ids if the
/// number is an integer.
Tensor Emitter::numberLike(const Value &number, const Tensor &other) {
  if (auto *flag = number.get<bool>())
    return constant(*flag, importer.floatType(), other.dims);
  double value = importer.real(number, at, "this number");
  bool staysInteger = number.is<Size>() && other.elementType().isInteger(32);
  if (staysInteger && value != static_cast<int32_t>(value))
    fail(number.describe() + " does not fit in int32");
  return constant(value, staysInteger ? other.elementType() : importer.floatType(), other.dims);
}

std::pair<Tensor, Tensor> Emitter::aligned(const Value &lhs, const Value &rhs, StringRef what) {
  auto check = [&](const Value &value) {
    if (!value.isTensorLike() && !value.isNumber() && !value.is<bool>())
      fail("'" + what + "' cannot combine " + lhs.describe() + " and " + rhs.describe());
  };
  check(lhs);
  check(rhs);
  if (!lhs.isTensorLike()) {
    Tensor right = importer.tensor(rhs, at);
    return {numberLike(lhs, right), right};
  }
  Tensor left = importer.tensor(lhs, at);
  if (!rhs.isTensorLike())
    return {left, numberLike(rhs, left)};
  Tensor right = importer.tensor(rhs, at);
  Dims dims = commonShape(left.dims, right.dims, what);
  return {broadcastTo(left, dims), broadcastTo(right, dims)};
}

Tensor Emitter::compare(Operator op, const Value &lhs, const Value &rhs) {
  auto [left, right] = aligned(lhs, rhs, spelling(op));
  if (left.elementType() != right.elementType()) {
    left = toFloat(left);
    right = toFloat(right);
  }
  Predicate predicate = op == Operator::Less           ? Predicate::LT
                        : op == Operator::Greater      ? Predicate::GT
                        : op == Operator::LessEqual    ? Predicate::LE
                        : op == Operator::GreaterEqual ? Predicate::GE
                        : op == Operator::Equal        ? Predicate::EQ
                                                       : Predicate::NE;
  auto type = typeOf(left.dims, importer.builder().getI1Type());
  return {importer.builder().create<CompareOp>(loc, type, predicate, left.value, right.value), left.dims};
}

/// A mean over the batch is a sum over micro-batches and replicas of shares:
/// only linear operations keep it one.
Value Emitter::binaryOnShares(Operator op, const Value &lhs, const Value &rhs) {
  auto isShare = [](const Value &value) { return value.is<Tensor>() && value.get<Tensor>()->isShare; };
  bool isSum = op == Operator::Add || op == Operator::Sub;
  if (isSum && isShare(lhs) && isShare(rhs)) {
    Tensor left = importer.tensor(lhs, at), right = importer.tensor(rhs, at);
    Tensor result = op == Operator::Add ? elementwise<AddOp>(left, right) : elementwise<SubOp>(left, right);
    result.isShare = true;
    return result;
  }
  bool scales = (op == Operator::Mul && (lhs.isNumber() || rhs.isNumber())) ||
                (op == Operator::Div && isShare(lhs) && rhs.isNumber());
  if (!scales)
    failOnSplit("a mean over the batch may only be added to another one, scaled by a number and returned; '" +
                spelling(op) + "' here");
  Tensor share = importer.tensor(isShare(lhs) ? lhs : rhs, at);
  double factor = importer.real(isShare(lhs) ? rhs : lhs, at, "the factor");
  if (op == Operator::Div && factor == 0)
    fail("division by zero");
  Tensor result =
      elementwise<MulOp>(share, constant(op == Operator::Div ? 1 / factor : factor, share.elementType(), share.dims));
  result.isShare = true;
  return result;
}

Tensor Emitter::power(const Tensor &base, double exponent) {
  if (exponent == 1)
    return base;
  return unary<PowerOp>(base, APFloat(exponent));
}

Value Emitter::binary(Operator op, const Value &lhs, const Value &rhs) {
  for (const Value *side : {&lhs, &rhs})
    if (side->is<Tensor>() && side->get<Tensor>()->isShare)
      return binaryOnShares(op, lhs, rhs);
  if (isComparison(op))
    return compare(op, lhs, rhs);
  if (op == Operator::MatMul) {
    if (!lhs.isTensorLike() || !rhs.isTensorLike())
      fail("'@' multiplies two tensors, not " + lhs.describe() + " and " + rhs.describe());
    Tensor left = importer.tensor(lhs, at);
    return matmul(left, importer.tensor(rhs, at));
  }
  if (op == Operator::Pow) {
    if (rhs.isNumber())
      return power(importer.tensor(lhs, at), importer.real(rhs, at, "the exponent"));
    double base = lhs.isNumber() ? importer.real(lhs, at, "the base") : 0;
    if (base <= 0)
      fail("'**' needs a number as exponent, or a positive number as base");
    Tensor exponent = toFloat(importer.tensor(rhs, at));
    return unary<ExpOp>(elementwise<MulOp>(exponent, constant(std::log(base), importer.floatType(), exponent.dims)));
  }
  auto [left, right] = aligned(lhs, rhs, spelling(op));
  if (!isa<mlir::FloatType>(left.elementType()) && !isa<mlir::FloatType>(right.elementType()))
    fail("'" + spelling(op) + "' works on float32; ids and masks can be compared, looked up or combined with float32");
  left = toFloat(left);
  right = toFloat(right);
  switch (op) {
  case Operator::Add:
    return elementwise<AddOp>(left, right);
  case Operator::Sub:
    return elementwise<SubOp>(left, right);
  case Operator::Mul:
    return elementwise<MulOp>(left, right);
  case Operator::Div:
    return elementwise<DivOp>(left, right);
  default:
    fail("'" + spelling(op) + "' does not work on tensors");
  }
}

Tensor Emitter::negate(const Tensor &x) {
  Tensor result = unary<NegOp>(x);
  result.isShare = x.isShare;
  return result;
}

Tensor Emitter::maximum(const Tensor &lhs, const Tensor &rhs) {
  auto [left, right] = aligned(Value(lhs), Value(rhs), "maximum");
  return elementwise<MaximumOp>(toFloat(left), toFloat(right));
}

Tensor Emitter::select(const Tensor &mask, const Value &lhs, const Value &rhs) {
  if (!mask.elementType().isInteger(1))
    fail("the condition of where() must come from a comparison, not " + mask.describe());
  auto isIds = [](const Value &value) {
    return value.is<Tensor>() && value.get<Tensor>()->elementType().isInteger(32);
  };
  auto fitsIds = [&](const Value &value) { return isIds(value) || value.is<Size>(); };
  bool givesIds = (isIds(lhs) || isIds(rhs)) && fitsIds(lhs) && fitsIds(rhs);
  auto side = [&](const Value &value, const Value &other) {
    if (!value.isTensorLike())
      return numberLike(value, givesIds ? importer.tensor(other, at) : mask);
    Tensor tensor = importer.tensor(value, at);
    return givesIds ? tensor : toFloat(tensor);
  };
  Tensor left = side(lhs, rhs), right = side(rhs, lhs);
  Dims dims = commonShape(mask.dims, commonShape(left.dims, right.dims, "where"), "where");
  left = broadcastTo(left, dims);
  right = broadcastTo(right, dims);
  Tensor condition = broadcastTo(mask, dims);
  Tensor result{
      importer.builder().create<SelectOp>(loc, left.value.getType(), condition.value, left.value, right.value), dims};
  if (givesIds)
    result.input = importer.chooseIds({lhs, rhs});
  return result;
}

} // namespace colo::model
