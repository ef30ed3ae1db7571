//===- Arithmetic.cpp - Python's operators on values ----------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Integers are 64-bit: what Python would make larger is an error. Division,
// remainder, powers and comparisons follow Python (floor division, the sign of
// the divisor, true division of integers).
//
//===----------------------------------------------------------------------===//

#include "Evaluator.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

using namespace llvm;

namespace colo::config {

static Outcome overflow() {
  return Outcome::failure("the result does not fit in an integer of 64 bits; write a float, as in 2.0 ** 100");
}

static Outcome divisionByZero() { return Outcome::failure("division by zero"); }

Value unknownResult(StringRef op, const Value &left, const Value &right) {
  return Value(Symbol{"(" + repr(left, 60) + " " + op.str() + " " + repr(right, 60) + ")"});
}

static Outcome unsupported(StringRef op, const Value &left, const Value &right) {
  return Outcome::failure("'" + op + "' is not defined for " + left.aType() + " and " + right.aType());
}

/// Integer power by squaring; nullopt on overflow.
static std::optional<int64_t> integerPower(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (; exponent; exponent >>= 1) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
      return std::nullopt;
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base))
      return std::nullopt;
  }
  return result;
}

static Outcome realPower(double left, double right) {
  if (left == 0 && right < 0)
    return Outcome::failure("0 cannot be raised to a negative power");
  if (left < 0 && right != std::floor(right))
    return Outcome::failure("a negative number cannot be raised to a fraction");
  double result = std::pow(left, right);
  if (std::isinf(result) && std::isfinite(left) && std::isfinite(right))
    return Outcome::failure("the result is too large for a float");
  return Value(result);
}

static Outcome shift(StringRef op, int64_t left, int64_t right) {
  if (right < 0)
    return Outcome::failure("a shift by a negative count");
  if (op == ">>")
    return Value(left >> std::min<int64_t>(right, 63));
  int64_t result;
  if (left == 0)
    return Value(int64_t(0));
  if (right > 62 || __builtin_mul_overflow(left, int64_t(1) << right, &result))
    return overflow();
  return Value(result);
}

static Outcome integers(StringRef op, int64_t left, int64_t right) {
  int64_t result;
  bool divides = op == "/" || op == "//" || op == "%";
  if (divides && right == 0)
    return divisionByZero();
  if (op == "/")
    return Value(double(left) / double(right));
  if (op == "//" || op == "%") {
    // The one quotient that overflows.
    if (left == INT64_MIN && right == -1)
      return op == "%" ? Outcome(Value(int64_t(0))) : overflow();
    int64_t quotient = left / right, remainder = left % right;
    if (remainder && (remainder < 0) != (right < 0))
      --quotient, remainder += right;
    return Value(op == "//" ? quotient : remainder);
  }
  if (op == "**") {
    if (right < 0)
      return realPower(left, right);
    std::optional<int64_t> power = integerPower(left, right);
    return power ? Outcome(Value(*power)) : overflow();
  }
  if (op == "<<" || op == ">>")
    return shift(op, left, right);
  if (op == "&" || op == "|" || op == "^")
    return Value(op == "&" ? left & right : op == "|" ? left | right : left ^ right);
  bool failed = op == "+"   ? __builtin_add_overflow(left, right, &result)
                : op == "-" ? __builtin_sub_overflow(left, right, &result)
                            : __builtin_mul_overflow(left, right, &result);
  return failed ? overflow() : Outcome(Value(result));
}

static Outcome reals(StringRef op, double left, double right) {
  if (op == "**")
    return realPower(left, right);
  if (op == "+" || op == "-" || op == "*")
    return Value(op == "+" ? left + right : op == "-" ? left - right : left * right);
  if (right == 0)
    return divisionByZero();
  if (op == "/")
    return Value(left / right);
  // The quotient comes from the exact remainder: 1 // 1e-3 is 999, since 1e-3 is
  // a little more than a thousandth.
  double remainder = std::fmod(left, right);
  double quotient = (left - remainder) / right;
  if (remainder != 0 && (remainder < 0) != (right < 0)) {
    remainder += right;
    quotient -= 1;
  }
  return Value(op == "//" ? std::nearbyint(quotient) : remainder);
}

static Outcome concatenate(const Sequence &left, const Sequence &right) {
  if (left.items.size() + right.items.size() > maxSequenceItems)
    return Outcome::failure("more than " + Twine(maxSequenceItems) + " values");
  Sequence result = left;
  result.items.insert(result.items.end(), right.items.begin(), right.items.end());
  return Value(std::move(result));
}

static Outcome repeat(const Value &value, int64_t times) {
  const std::string *string = value.asString();
  const Sequence *sequence = value.asSequence();
  size_t size = string ? string->size() : sequence->items.size();
  size_t limit = string ? maxStringBytes : maxSequenceItems;
  times = size ? std::max<int64_t>(times, 0) : 0;
  if (size && uint64_t(times) > limit / size)
    return Outcome::failure("the result is longer than " + Twine(limit));
  if (string) {
    std::string result;
    for (int64_t i = 0; i < times; ++i)
      result += *string;
    return Value(std::move(result));
  }
  Sequence result;
  result.tuple = sequence->tuple;
  for (int64_t i = 0; i < times; ++i)
    result.items.insert(result.items.end(), sequence->items.begin(), sequence->items.end());
  return Value(std::move(result));
}

static std::optional<Outcome> containers(StringRef op, const Value &left, const Value &right) {
  if (op == "+" && left.asString() && right.asString()) {
    if (left.asString()->size() + right.asString()->size() > maxStringBytes)
      return Outcome::failure("a string of more than " + Twine(maxStringBytes) + " bytes");
    return Outcome(Value(*left.asString() + *right.asString()));
  }
  const Sequence *a = left.asSequence(), *b = right.asSequence();
  if (op == "+" && a && b && a->tuple == b->tuple)
    return concatenate(*a, *b);
  if (op == "*" && (left.asString() || a) && right.toInteger())
    return repeat(left, *right.toInteger());
  if (op == "*" && (right.asString() || b) && left.toInteger())
    return repeat(right, *left.toInteger());
  if (op == "|" && left.asDict() && right.asDict()) {
    Dict merged = *left.asDict();
    for (const Entry &entry : right.asDict()->entries)
      merged.set(entry);
    return Outcome(Value(std::move(merged)));
  }
  return std::nullopt;
}

Outcome binary(StringRef op, const Value &left, const Value &right) {
  if (left.asSymbol() || right.asSymbol())
    return unknownResult(op, left, right);
  bool bitwise = op == "&" || op == "|" || op == "^" || op == "<<" || op == ">>";
  if (op != "@") {
    // Logic on bools is a bool.
    if (bitwise && op.size() == 1 && left.asBool() && right.asBool())
      return Value(*integers(op, *left.asBool(), *right.asBool()).value->asInt() != 0);
    if (left.toInteger() && right.toInteger())
      return integers(op, *left.toInteger(), *right.toInteger());
    if (!bitwise && left.toFloat() && right.toFloat())
      return reals(op, *left.toFloat(), *right.toFloat());
    if (std::optional<Outcome> outcome = containers(op, left, right))
      return std::move(*outcome);
  }
  if (op == "%" && left.asString())
    return Outcome::failure("formatting with '%' is not evaluated; write an f-string");
  return unsupported(op, left, right);
}

Outcome unary(StringRef op, const Value &operand) {
  if (operand.asSymbol())
    return Value(Symbol{"(" + op.str() + " " + repr(operand, 60) + ")"});
  if (op == "not")
    return Value(!operand.truth());
  std::optional<int64_t> integer = operand.toInteger();
  if (integer && op == "~")
    return Value(~*integer);
  if (integer && op == "-")
    return *integer == INT64_MIN ? overflow() : Outcome(Value(-*integer));
  if (integer)
    return Value(*integer);
  const double *real = operand.asFloat();
  if (real && op != "~")
    return Value(op == "-" ? -*real : *real);
  return Outcome::failure("'" + op + "' is not defined for " + operand.aType());
}

//===----------------------------------------------------------------------===//
// Comparison
//===----------------------------------------------------------------------===//

namespace {

/// Equality of containers visits at most `budget` pairs: a list that holds the
/// same list twice, many times over, has exponentially many.
class Equality {
public:
  bool equal(const Value &left, const Value &right);
  bool exhausted() const { return budget == 0; }

private:
  bool equal(const Sequence &left, const Sequence &right);
  bool equal(const Dict &left, const Dict &right);
  size_t budget = maxSequenceItems * 4;
};

} // namespace

bool Equality::equal(const Value &left, const Value &right) {
  if (budget == 0)
    return false;
  --budget;
  if (left.toInteger() && right.toInteger())
    return *left.toInteger() == *right.toInteger();
  if (left.toFloat() && right.toFloat())
    return *left.toFloat() == *right.toFloat();
  if (left.asString() && right.asString())
    return *left.asString() == *right.asString();
  // Inside containers: the same name is the same value.
  if (left.asSymbol() && right.asSymbol())
    return left.asSymbol()->name == right.asSymbol()->name;
  if (left.asSequence() && right.asSequence())
    return equal(*left.asSequence(), *right.asSequence());
  if (left.asDict() && right.asDict())
    return equal(*left.asDict(), *right.asDict());
  return left.isNone() && right.isNone();
}

bool Equality::equal(const Sequence &left, const Sequence &right) {
  if (left.tuple != right.tuple || left.items.size() != right.items.size())
    return false;
  for (size_t i = 0; i < left.items.size(); ++i)
    if (!equal(left.items[i].value, right.items[i].value))
      return false;
  return true;
}

bool Equality::equal(const Dict &left, const Dict &right) {
  if (left.entries.size() != right.entries.size())
    return false;
  for (const Entry &entry : left.entries) {
    const Entry *other = right.lookup(entry.key);
    if (!other || !equal(entry.item.value, other->item.value))
      return false;
  }
  return true;
}

/// -1, 0, 1, or nullopt where Python has no order. Two integers are compared as
/// such; NaN compares as unordered through `2`.
static std::optional<int> order(const Value &left, const Value &right) {
  auto sign = [](auto a, auto b) { return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2; };
  if (left.toInteger() && right.toInteger())
    return sign(*left.toInteger(), *right.toInteger());
  if (left.toFloat() && right.toFloat())
    return sign(*left.toFloat(), *right.toFloat());
  if (left.asString() && right.asString())
    return sign(StringRef(*left.asString()).compare(*right.asString()), 0);
  return std::nullopt;
}

static Outcome contains(const Value &container, const Value &element) {
  if (const Dict *dict = container.asDict())
    return Value(isHashable(element) && dict->lookup(element) != nullptr);
  if (container.asString() && element.asString())
    return Value(StringRef(*container.asString()).contains(*element.asString()));
  const Sequence *sequence = container.asSequence();
  if (!sequence)
    return Outcome::failure("'in' wants a dict, a list or a str, not " + container.aType());
  Equality equality;
  for (const Item &item : sequence->items)
    if (equality.equal(item.value, element))
      return Value(true);
  if (equality.exhausted())
    return Outcome::failure("these values are too large to compare");
  return Value(false);
}

Outcome compare(StringRef op, const Value &left, const Value &right) {
  if (left.asSymbol() || right.asSymbol())
    return unknownResult(op, left, right);
  if (op == "in" || op == "not in") {
    Outcome found = contains(right, left);
    return found.value && op == "not in" ? Outcome(Value(!found.value->truth())) : found;
  }
  bool negated = op == "!=" || op == "is not";
  if (negated || op == "==" || op == "is") {
    bool sameKind = !op.starts_with("is") || left.typeName() == right.typeName();
    Equality equality;
    bool same = sameKind && equality.equal(left, right);
    if (equality.exhausted())
      return Outcome::failure("these values are too large to compare");
    return Value(same != negated);
  }
  std::optional<int> result = order(left, right);
  if (!result)
    return unsupported(op, left, right);
  return Value(op == "<"    ? *result == -1
               : op == "<=" ? *result == -1 || *result == 0
               : op == ">"  ? *result == 1
                            : *result == 1 || *result == 0);
}

} // namespace colo::config
