//===- ScalarBodies.cpp - one element of each elementwise op -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each op's computation of one element in arith and math ops, without fastmath
// flags: whoever lowers kernels decides on those. Floating-point ops take f32
// and f64 (16-bit floats have been widened); add, sub, mul, neg, abs and maximum take integers too. A comparison
// with NaN is false, but for `ne`.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace colo;

namespace {

/// Shorthand for floating-point expressions over values of one type.
class Scalars {
public:
  Scalars(OpBuilder &builder, Location loc, Type type) : builder(builder), loc(loc), type(type) {}

  Value constant(double value) const {
    return builder.create<arith::ConstantOp>(loc, builder.getFloatAttr(type, value));
  }
  Value add(Value a, Value b) const { return builder.create<arith::AddFOp>(loc, a, b); }
  Value sub(Value a, Value b) const { return builder.create<arith::SubFOp>(loc, a, b); }
  Value mul(Value a, Value b) const { return builder.create<arith::MulFOp>(loc, a, b); }
  Value div(Value a, Value b) const { return builder.create<arith::DivFOp>(loc, a, b); }
  Value neg(Value a) const { return builder.create<arith::NegFOp>(loc, a); }
  Value add(Value a, double b) const { return add(a, constant(b)); }
  Value mul(Value a, double b) const { return mul(a, constant(b)); }
  Value exp(Value a) const { return builder.create<math::ExpOp>(loc, a); }
  Value tanh(Value a) const { return builder.create<math::TanhOp>(loc, a); }
  Value erf(Value a) const { return builder.create<math::ErfOp>(loc, a); }

  /// exp(-x) may be infinite; its reciprocal is then the right 0.
  Value sigmoid(Value x) const { return div(constant(1.0), add(exp(neg(x)), 1.0)); }

private:
  OpBuilder &builder;
  Location loc;
  Type type;
};

constexpr double kSqrt2 = 1.41421356237309504880;
constexpr double kSqrt2OverPi = 0.79788456080286535588;
constexpr double kInverseSqrt2Pi = 0.39894228040143267794;
/// Cubic coefficient of gelu's tanh form (1606.08415, section 2).
constexpr double kGeluCubic = 0.044715;

} // namespace

//===----------------------------------------------------------------------===//
// One operand
//===----------------------------------------------------------------------===//

static bool isFloat(Value value) { return isa<FloatType>(value.getType()); }

Value NegOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  Value x = elements[0];
  if (isFloat(x))
    return builder.create<arith::NegFOp>(getLoc(), x);
  Value zero = builder.create<arith::ConstantOp>(getLoc(), builder.getIntegerAttr(x.getType(), 0));
  return builder.create<arith::SubIOp>(getLoc(), zero, x);
}

Value AbsOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  if (isFloat(elements[0]))
    return builder.create<math::AbsFOp>(getLoc(), elements[0]);
  return builder.create<math::AbsIOp>(getLoc(), elements[0]);
}

Value ExpOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<math::ExpOp>(getLoc(), elements[0]);
}

Value LogOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<math::LogOp>(getLoc(), elements[0]);
}

Value SqrtOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<math::SqrtOp>(getLoc(), elements[0]);
}

Value RsqrtOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<math::RsqrtOp>(getLoc(), elements[0]);
}

Value CosOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<math::CosOp>(getLoc(), elements[0]);
}

Value SinOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<math::SinOp>(getLoc(), elements[0]);
}

Value TanhOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<math::TanhOp>(getLoc(), elements[0]);
}

Value SigmoidOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return Scalars(builder, getLoc(), elements[0].getType()).sigmoid(elements[0]);
}

Value ErfOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<math::ErfOp>(getLoc(), elements[0]);
}

Value ReluOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  Scalars s(builder, getLoc(), elements[0].getType());
  return builder.create<arith::MaximumFOp>(getLoc(), elements[0], s.constant(0.0));
}

Value SiluOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  Scalars s(builder, getLoc(), elements[0].getType());
  return s.mul(elements[0], s.sigmoid(elements[0]));
}

Value StopGradientOp::buildScalar(OpBuilder &builder, ValueRange elements) { return elements[0]; }

/// The argument of gelu's tanh: sqrt(2/pi) (x + c x^3).
static Value geluInner(const Scalars &s, Value x) {
  Value square = s.mul(x, x);
  return s.mul(s.mul(x, kSqrt2OverPi), s.add(s.mul(square, kGeluCubic), 1.0));
}

Value GeluOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  Value x = elements[0];
  Scalars s(builder, getLoc(), x.getType());
  Value t = getTanh() ? s.tanh(geluInner(s, x)) : s.erf(s.mul(x, 1.0 / kSqrt2));
  return s.mul(s.mul(x, 0.5), s.add(t, 1.0));
}

/// x^n for n >= 1 by repeated squaring.
static Value integerPower(const Scalars &s, Value x, int64_t n) {
  Value result;
  for (Value square = x; n > 0; n >>= 1) {
    if (n & 1)
      result = result ? s.mul(result, square) : square;
    if (n > 1)
      square = s.mul(square, square);
  }
  return result;
}

Value PowerOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  Value x = elements[0];
  Scalars s(builder, getLoc(), x.getType());
  double exponent = getExponent().convertToDouble(), magnitude = exponent < 0 ? -exponent : exponent;
  // Powers whose products stay as exact as pow's result is.
  constexpr double maxMultiplied = 8;
  if (exponent == 0)
    return s.constant(1.0);
  Value result;
  if (magnitude <= maxMultiplied && magnitude == static_cast<int64_t>(magnitude))
    result = integerPower(s, x, static_cast<int64_t>(magnitude));
  else if (magnitude == 0.5)
    result = builder.create<math::SqrtOp>(getLoc(), x);
  else
    return builder.create<math::PowFOp>(getLoc(), x, s.constant(exponent));
  return exponent < 0 ? s.div(s.constant(1.0), result) : result;
}

Value ConvertOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  Value x = elements[0];
  Type from = x.getType(), to = arithmeticType(getElementTypeOrSelf(getResult()));
  Location loc = getLoc();
  if (from == to)
    return x;
  if (from.isInteger(1))
    return isa<FloatType>(to) ? builder.create<arith::UIToFPOp>(loc, to, x).getResult()
                              : builder.create<arith::ExtUIOp>(loc, to, x).getResult();
  bool fromFloat = isa<FloatType>(from), toFloat = isa<FloatType>(to);
  if (to.isInteger(1)) {
    Value zero = builder.create<arith::ConstantOp>(loc, builder.getZeroAttr(from));
    return fromFloat ? builder.create<arith::CmpFOp>(loc, arith::CmpFPredicate::UNE, x, zero).getResult()
                     : builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ne, x, zero).getResult();
  }
  bool widens = from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth();
  if (fromFloat && toFloat)
    return widens ? builder.create<arith::ExtFOp>(loc, to, x).getResult()
                  : builder.create<arith::TruncFOp>(loc, to, x).getResult();
  if (fromFloat)
    return builder.create<arith::FPToSIOp>(loc, to, x);
  if (toFloat)
    return builder.create<arith::SIToFPOp>(loc, to, x);
  return widens ? builder.create<arith::ExtSIOp>(loc, to, x).getResult()
                : builder.create<arith::TruncIOp>(loc, to, x).getResult();
}

//===----------------------------------------------------------------------===//
// Two and three operands
//===----------------------------------------------------------------------===//

template <typename FloatOp, typename IntOp>
static Value buildArithmetic(OpBuilder &builder, Location loc, ValueRange elements) {
  if (isFloat(elements[0]))
    return builder.create<FloatOp>(loc, elements[0], elements[1]);
  return builder.create<IntOp>(loc, elements[0], elements[1]);
}

Value AddOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return buildArithmetic<arith::AddFOp, arith::AddIOp>(builder, getLoc(), elements);
}

Value SubOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return buildArithmetic<arith::SubFOp, arith::SubIOp>(builder, getLoc(), elements);
}

Value MulOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return buildArithmetic<arith::MulFOp, arith::MulIOp>(builder, getLoc(), elements);
}

Value DivOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return buildArithmetic<arith::DivFOp, arith::DivSIOp>(builder, getLoc(), elements);
}

Value MaximumOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return buildArithmetic<arith::MaximumFOp, arith::MaxSIOp>(builder, getLoc(), elements);
}

Value AndOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<arith::AndIOp>(getLoc(), elements[0], elements[1]);
}

Value GeluGradOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  Value x = elements[0], gradient = elements[1];
  Scalars s(builder, getLoc(), x.getType());
  Value square = s.mul(x, x), derivative;
  if (getTanh()) {
    // 0.5 (1 + t) + 0.5 x (1 - t^2) u' with t = tanh(u), u' = sqrt(2/pi) (1 + 3 c x^2).
    Value t = s.tanh(geluInner(s, x));
    Value slope = s.mul(s.add(s.mul(square, 3.0 * kGeluCubic), 1.0), kSqrt2OverPi);
    Value left = s.add(t, 1.0), right = s.mul(x, s.mul(s.sub(s.constant(1.0), s.mul(t, t)), slope));
    derivative = s.mul(s.add(left, right), 0.5);
  } else {
    // Phi(x) + x phi(x).
    Value cdf = s.mul(s.add(s.erf(s.mul(x, 1.0 / kSqrt2)), 1.0), 0.5);
    Value density = s.mul(s.exp(s.mul(square, -0.5)), kInverseSqrt2Pi);
    derivative = s.add(cdf, s.mul(x, density));
  }
  return s.mul(gradient, derivative);
}

Value SiluGradOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  Value x = elements[0], gradient = elements[1];
  Scalars s(builder, getLoc(), x.getType());
  Value sigmoid = s.sigmoid(x);
  Value inner = s.add(s.mul(x, s.sub(s.constant(1.0), sigmoid)), 1.0);
  return s.mul(gradient, s.mul(sigmoid, inner));
}

static arith::CmpFPredicate floatPredicate(Predicate predicate) {
  switch (predicate) {
  case Predicate::EQ:
    return arith::CmpFPredicate::OEQ;
  case Predicate::NE:
    return arith::CmpFPredicate::UNE;
  case Predicate::LT:
    return arith::CmpFPredicate::OLT;
  case Predicate::LE:
    return arith::CmpFPredicate::OLE;
  case Predicate::GT:
    return arith::CmpFPredicate::OGT;
  case Predicate::GE:
    return arith::CmpFPredicate::OGE;
  }
  llvm_unreachable("all predicates are listed");
}

static arith::CmpIPredicate integerPredicate(Predicate predicate) {
  switch (predicate) {
  case Predicate::EQ:
    return arith::CmpIPredicate::eq;
  case Predicate::NE:
    return arith::CmpIPredicate::ne;
  case Predicate::LT:
    return arith::CmpIPredicate::slt;
  case Predicate::LE:
    return arith::CmpIPredicate::sle;
  case Predicate::GT:
    return arith::CmpIPredicate::sgt;
  case Predicate::GE:
    return arith::CmpIPredicate::sge;
  }
  llvm_unreachable("all predicates are listed");
}

Value CompareOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  if (isFloat(elements[0]))
    return builder.create<arith::CmpFOp>(getLoc(), floatPredicate(getPredicate()), elements[0], elements[1]);
  return builder.create<arith::CmpIOp>(getLoc(), integerPredicate(getPredicate()), elements[0], elements[1]);
}

Value SelectOp::buildScalar(OpBuilder &builder, ValueRange elements) {
  return builder.create<arith::SelectOp>(getLoc(), elements[0], elements[1], elements[2]);
}
