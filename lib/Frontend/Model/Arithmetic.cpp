//===- Arithmetic.cpp - operators on values and tensors ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Static arithmetic is Python's (floor division, the sign of %, true division),
// in 64 bits with overflow as an error.
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"
#include "Importer.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace llvm;

namespace colo::model {
namespace {

/// "3 * hidden": how a size computed from others is shown.
std::string sizeText(Operator op, const Size &lhs, const Size &rhs) {
  if (lhs.text.empty() && rhs.text.empty())
    return "";
  bool isSum = op == Operator::Add || op == Operator::Sub;
  auto part = [&](const Size &size) {
    if (size.text.empty())
      return std::to_string(size.value);
    return !isSum && size.text.find(' ') != std::string::npos ? "(" + size.text + ")" : size.text;
  };
  // A minus sign alone, not "0 - x".
  if (op == Operator::Sub && lhs.text.empty() && lhs.value == 0)
    return "-" + part(rhs);
  return part(lhs) + " " + spelling(op).str() + " " + part(rhs);
}

/// False on overflow.
bool power(int64_t base, int64_t exponent, int64_t &result) {
  result = 1;
  // Beyond 64 factors only 0, 1 and -1 stay in range.
  if (exponent > 64 && (base > 1 || base < -1))
    return false;
  if (exponent > 64)
    exponent = 64 + exponent % 2;
  for (int64_t i = 0; i < exponent; ++i)
    if (MulOverflow(result, base, result))
      return false;
  return true;
}

template <typename T> bool compare(Operator op, const T &lhs, const T &rhs) {
  switch (op) {
  case Operator::Less:
    return lhs < rhs;
  case Operator::Greater:
    return rhs < lhs;
  case Operator::LessEqual:
    return !(rhs < lhs);
  case Operator::GreaterEqual:
    return !(lhs < rhs);
  case Operator::NotEqual:
    return !(lhs == rhs);
  default:
    return lhs == rhs;
  }
}

bool isEquality(Operator op) { return op == Operator::Equal || op == Operator::NotEqual; }

} // namespace

Value Importer::binary(Operator op, const Value &lhs, const Value &rhs, SMLoc loc) {
  if (op == Operator::Is || op == Operator::IsNot) {
    if (!lhs.isNone() && !rhs.isNone())
      fail(loc, "'is' compares with None only; use '=='");
    return (lhs.isNone() && rhs.isNone()) == (op == Operator::Is);
  }
  if (lhs.isTensorLike() || rhs.isTensorLike())
    return Emitter(*this, loc).binary(op, lhs, rhs);
  if (isComparison(op))
    return compareStatic(op, lhs, rhs, loc);
  return staticArithmetic(op, lhs, rhs, loc);
}

Value Importer::compareStatic(Operator op, const Value &lhs, const Value &rhs, SMLoc loc) {
  auto *left = lhs.get<Size>(), *right = rhs.get<Size>();
  if (left && right) {
    if (left->batch || right->batch)
      fail(loc,
           "this comparison depends on how the batch is split: 'batch' is the rows of one micro-batch of one replica");
    return compare(op, left->value, right->value);
  }
  if (lhs.isNumber() && rhs.isNumber())
    return compare(op, lhs.number(), rhs.number());
  if (lhs.is<std::string>() && rhs.is<std::string>())
    return compare(op, *lhs.get<std::string>(), *rhs.get<std::string>());
  if (isEquality(op) && lhs.is<bool>() && rhs.is<bool>())
    return compare(op, *lhs.get<bool>(), *rhs.get<bool>());
  if (isEquality(op) && lhs.data.index() != rhs.data.index())
    return op == Operator::NotEqual;
  fail(loc, "'" + spelling(op) + "' cannot compare " + lhs.describe() + " with " + rhs.describe());
}

Value Importer::staticArithmetic(Operator op, const Value &lhs, const Value &rhs, SMLoc loc) {
  if (op == Operator::Add && lhs.list() && rhs.list()) {
    auto list = std::make_shared<ListValue>(*lhs.list());
    list->owner = nullptr;
    list->elements.insert(list->elements.end(), rhs.list()->elements.begin(), rhs.list()->elements.end());
    return list;
  }
  if (op == Operator::Add && lhs.is<std::string>() && rhs.is<std::string>())
    return *lhs.get<std::string>() + *rhs.get<std::string>();
  if (!lhs.isNumber() || !rhs.isNumber())
    fail(loc, "'" + spelling(op) + "' cannot combine " + lhs.describe() + " and " + rhs.describe());
  if (op == Operator::MatMul)
    fail(loc, "'@' multiplies tensors, not numbers");
  bool isDivision = op == Operator::Div || op == Operator::FloorDiv || op == Operator::Mod;
  if (isDivision && rhs.number() == 0)
    fail(loc, "division by zero: " + lhs.describe() + " " + spelling(op) + " " + rhs.describe(), whereSet(rhs));
  auto *left = lhs.get<Size>(), *right = rhs.get<Size>();
  if (left && right && op != Operator::Div && !(op == Operator::Pow && right->value < 0))
    return integerArithmetic(op, *left, *right, loc);
  double a = real(lhs, loc, "the left side"), b = real(rhs, loc, "the right side"), result = 0;
  switch (op) {
  case Operator::Add:
    result = a + b;
    break;
  case Operator::Sub:
    result = a - b;
    break;
  case Operator::Mul:
    result = a * b;
    break;
  case Operator::Div:
    result = a / b;
    break;
  case Operator::FloorDiv:
    result = std::floor(a / b);
    break;
  case Operator::Mod:
    result = a - std::floor(a / b) * b;
    break;
  default:
    result = std::pow(a, b);
    break;
  }
  if (!std::isfinite(result))
    fail(loc, "the result of " + lhs.describe() + " " + spelling(op) + " " + rhs.describe() + " is not finite");
  return result;
}

Value Importer::integerArithmetic(Operator op, const Size &lhs, const Size &rhs, SMLoc loc) {
  int64_t a = lhs.value, b = rhs.value, result = 0;
  bool overflows = false;
  switch (op) {
  case Operator::Add:
    overflows = AddOverflow(a, b, result);
    break;
  case Operator::Sub:
    overflows = SubOverflow(a, b, result);
    break;
  case Operator::Mul:
    overflows = MulOverflow(a, b, result);
    break;
  case Operator::Pow:
    overflows = !power(a, b, result);
    break;
  default:
    if (a == INT64_MIN && b == -1) {
      overflows = op == Operator::FloorDiv;
      break;
    }
    int64_t quotient = a / b - (a % b != 0 && (a % b < 0) != (b < 0));
    result = op == Operator::FloorDiv ? quotient : a - quotient * b;
    break;
  }
  if (overflows)
    fail(loc, lhs.describe() + " " + spelling(op) + " " + rhs.describe() + " does not fit in 64 bits",
         whereEachSet({lhs, rhs}));
  return Size{result, sizeText(op, lhs, rhs), lhs.batch || rhs.batch};
}

} // namespace colo::model
