//===- Elementwise.cpp - elementwise ops by their formulas -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One lambda an op. Derivatives of gelu and silu are written out.
//
//===----------------------------------------------------------------------===//

#include "ColoInterpreter.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"
#include <cmath>
#include <functional>

using namespace mlir;
using namespace colo;
using namespace colo::test;

static double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

static double gelu(double x, bool tanhForm) {
  if (tanhForm)
    return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
  return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
}

static double geluSlope(double x, bool tanhForm) {
  if (tanhForm) {
    double c = std::sqrt(2.0 / M_PI), t = std::tanh(c * (x + 0.044715 * x * x * x));
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * c * (1.0 + 3.0 * 0.044715 * x * x);
  }
  double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * M_PI);
  return 0.5 * (1.0 + std::erf(x / std::sqrt(2.0))) + x * density;
}

static bool compare(Predicate predicate, double a, double b) {
  switch (predicate) {
  case Predicate::EQ:
    return a == b;
  case Predicate::NE:
    return a != b;
  case Predicate::LT:
    return a < b;
  case Predicate::LE:
    return a <= b;
  case Predicate::GT:
    return a > b;
  case Predicate::GE:
    return a >= b;
  }
  return false;
}

using Unary = std::function<double(double)>;
using Binary = std::function<double(double, double)>;

static Unary unaryOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, Unary>(op)
      .Case([](NegOp) { return [](double x) { return -x; }; })
      .Case([](AbsOp) { return [](double x) { return std::fabs(x); }; })
      .Case([](ExpOp) { return [](double x) { return std::exp(x); }; })
      .Case([](LogOp) { return [](double x) { return std::log(x); }; })
      .Case([](SqrtOp) { return [](double x) { return std::sqrt(x); }; })
      .Case([](RsqrtOp) { return [](double x) { return 1.0 / std::sqrt(x); }; })
      .Case([](CosOp) { return [](double x) { return std::cos(x); }; })
      .Case([](SinOp) { return [](double x) { return std::sin(x); }; })
      .Case([](TanhOp) { return [](double x) { return std::tanh(x); }; })
      .Case([](SigmoidOp) { return sigmoid; })
      .Case([](ErfOp) { return [](double x) { return std::erf(x); }; })
      .Case([](ReluOp) { return [](double x) { return x > 0.0 ? x : 0.0; }; })
      .Case([](SiluOp) { return [](double x) { return x * sigmoid(x); }; })
      .Case([](GeluOp gelu) { return [t = gelu.getTanh()](double x) { return ::gelu(x, t); }; })
      .Case([](PowerOp power) {
        return [e = power.getExponent().convertToDouble()](double x) { return std::pow(x, e); };
      })
      .Case([](StopGradientOp) { return [](double x) { return x; }; })
      .Case([](ConvertOp convert) -> Unary {
        Type to = getElementTypeOrSelf(convert.getResult());
        if (to.isInteger(1))
          return [](double x) { return x != 0.0; };
        return to.isInteger() ? Unary([](double x) { return std::trunc(x); }) : Unary([](double x) { return x; });
      })
      .Default(Unary());
}

static Binary binaryOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, Binary>(op)
      .Case([](AddOp) { return [](double a, double b) { return a + b; }; })
      .Case([](SubOp) { return [](double a, double b) { return a - b; }; })
      .Case([](MulOp) { return [](double a, double b) { return a * b; }; })
      .Case([](DivOp) { return [](double a, double b) { return a / b; }; })
      .Case([](MaximumOp) { return [](double a, double b) { return std::isnan(b) || b > a ? b : a; }; })
      .Case([](AndOp) { return [](double a, double b) { return a != 0.0 && b != 0.0 ? 1.0 : 0.0; }; })
      .Case([](GeluGradOp grad) { return [t = grad.getTanh()](double x, double d) { return d * geluSlope(x, t); }; })
      .Case(
          [](SiluGradOp) { return [](double x, double d) { return d * sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))); }; })
      .Case([](CompareOp op) {
        return [p = op.getPredicate()](double a, double b) { return compare(p, a, b) ? 1.0 : 0.0; };
      })
      .Default(Binary());
}

bool test::evaluateElementwise(Operation *op, ArrayRef<Tensor> operands, std::vector<Tensor> &results) {
  if (op->getNumResults() != 1 || operands.empty())
    return false;
  Tensor result(operands[0].shape);
  if (isa<SelectOp>(op)) {
    for (int64_t i = 0; i < result.size(); ++i)
      result[i] = operands[0][i] != 0.0 ? operands[1][i] : operands[2][i];
  } else if (Unary unary = unaryOf(op)) {
    for (int64_t i = 0; i < result.size(); ++i)
      result[i] = unary(operands[0][i]);
  } else if (Binary binary = binaryOf(op)) {
    for (int64_t i = 0; i < result.size(); ++i)
      result[i] = binary(operands[0][i], operands[1][i]);
  } else {
    return false;
  }
  results.push_back(std::move(result));
  return true;
}
