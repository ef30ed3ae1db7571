//===- Builtins.cpp - the functions a config may call ---------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Functions of values that have no effect: int, float, str, len, min and their
// like, and those of the module `math`. A table by name; whatever is not in it
// is never called.
//
//===----------------------------------------------------------------------===//

#include "Evaluator.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <numeric>

using namespace llvm;

namespace colo::config {
namespace {

using Arguments = ArrayRef<Item>;

struct Builtin {
  StringLiteral name;
  unsigned minArguments, maxArguments;
  Outcome (*call)(StringRef function, Arguments arguments);
};

} // namespace

static Outcome wrongType(StringRef function, const Value &value) {
  if (value.asSymbol())
    return Value(Symbol{function.str() + "(" + repr(value, 60) + ")"});
  return Outcome::failure(function + "() of " + value.aType() + " is not defined");
}

/// A float as an integer, if it is one of 64 bits.
static Outcome integral(double value) {
  if (!(value >= -0x1p63 && value < 0x1p63))
    return Outcome::failure(reprFloat(value) + " does not fit in 64 bits");
  return Value(int64_t(value));
}

static std::string withoutUnderscores(StringRef text) {
  std::string digits = text.trim().str();
  llvm::erase(digits, '_');
  return digits;
}

static Outcome callInt(StringRef function, Arguments arguments) {
  if (arguments.empty())
    return Value(int64_t(0));
  const Value &value = arguments[0].value;
  if (std::optional<int64_t> integer = value.toInteger())
    return Value(*integer);
  if (const double *real = value.asFloat())
    return integral(std::trunc(*real));
  if (const std::string *string = value.asString()) {
    int64_t result;
    if (StringRef(withoutUnderscores(*string)).ltrim('+').getAsInteger(10, result))
      return Outcome::failure("int() cannot read " + repr(value, 60));
    return Value(result);
  }
  return wrongType(function, value);
}

static Outcome callFloat(StringRef function, Arguments arguments) {
  if (arguments.empty())
    return Value(0.0);
  const Value &value = arguments[0].value;
  if (std::optional<double> real = value.toFloat())
    return Value(*real);
  if (const std::string *string = value.asString()) {
    std::string lower = StringRef(withoutUnderscores(*string)).ltrim('+').lower();
    if (lower == "inf" || lower == "infinity" || lower == "-inf" || lower == "-infinity")
      return Value(lower[0] == '-' ? -HUGE_VAL : HUGE_VAL);
    double result;
    if (!to_float(lower, result))
      return Outcome::failure("float() cannot read " + repr(value, 60));
    return Value(result);
  }
  return wrongType(function, value);
}

static Outcome callBool(StringRef function, Arguments arguments) {
  if (!arguments.empty() && arguments[0].value.asSymbol())
    return wrongType(function, arguments[0].value);
  return Value(!arguments.empty() && arguments[0].value.truth());
}

static Outcome callStr(StringRef function, Arguments arguments) {
  return Value(arguments.empty() ? std::string() : str(arguments[0].value, maxStringBytes));
}

static Outcome callLen(StringRef function, Arguments arguments) {
  const Value &value = arguments[0].value;
  if (const std::string *string = value.asString())
    return Value(int64_t(string->size()));
  if (const Sequence *sequence = value.asSequence())
    return Value(int64_t(sequence->items.size()));
  if (const Dict *dict = value.asDict())
    return Value(int64_t(dict->entries.size()));
  return wrongType(function, value);
}

static Outcome callSequence(StringRef function, Arguments arguments) {
  Sequence result;
  result.tuple = function == "tuple";
  if (arguments.empty())
    return Value(std::move(result));
  const Value &value = arguments[0].value;
  if (const Sequence *sequence = value.asSequence())
    result.items = sequence->items;
  else if (const Dict *dict = value.asDict())
    for (const Entry &entry : dict->entries)
      result.items.push_back({entry.key, entry.keyRange});
  else
    return wrongType(function, value);
  return Value(std::move(result));
}

static Outcome callDict(StringRef function, Arguments arguments) {
  if (const Dict *dict = arguments[0].value.asDict())
    return Value(*dict);
  return wrongType(function, arguments[0].value);
}

static Outcome callRange(StringRef function, Arguments arguments) {
  int64_t bounds[3] = {0, 0, 1};
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::optional<int64_t> bound = arguments[i].value.toInteger();
    if (!bound)
      return wrongType(function, arguments[i].value);
    bounds[arguments.size() == 1 ? 1 : i] = *bound;
  }
  auto [first, last, step] = bounds;
  if (step == 0)
    return Outcome::failure("range() with a step of 0");
  Sequence result;
  for (int64_t at = first; step > 0 ? at < last : at > last;) {
    if (result.items.size() == maxSequenceItems)
      return Outcome::failure("range() of more than " + Twine(maxSequenceItems) + " values");
    result.items.push_back({Value(at), SMRange()});
    if (__builtin_add_overflow(at, step, &at))
      break;
  }
  return Value(std::move(result));
}

static Outcome callSum(StringRef function, Arguments arguments) {
  const Sequence *sequence = arguments[0].value.asSequence();
  if (!sequence)
    return wrongType(function, arguments[0].value);
  Outcome total = arguments.size() == 2 ? arguments[1].value : Value(int64_t(0));
  for (const Item &item : sequence->items) {
    if (item.value.isPoison())
      return Value::poison();
    if (!item.value.toFloat())
      return wrongType(function, item.value);
    total = binary("+", *total.value, item.value);
    if (!total.value)
      return total;
  }
  return total;
}

/// The first of the largest (max) or smallest (min) arguments, or of the elements
/// of the only one.
static Outcome callExtreme(StringRef function, Arguments arguments) {
  if (arguments.size() == 1) {
    const Sequence *sequence = arguments[0].value.asSequence();
    if (!sequence)
      return wrongType(function, arguments[0].value);
    arguments = sequence->items;
  }
  if (arguments.empty())
    return Outcome::failure(function + "() of nothing");
  const Value *best = &arguments[0].value;
  for (const Item &item : arguments) {
    if (item.value.isPoison())
      return Value::poison();
    Outcome better = compare(function == "max" ? ">" : "<", item.value, *best);
    if (!better.value || better.value->asSymbol())
      return better;
    if (better.value->truth())
      best = &item.value;
  }
  return *best;
}

static Outcome callAbs(StringRef function, Arguments arguments) {
  const Value &value = arguments[0].value;
  if (std::optional<int64_t> integer = value.toInteger())
    return *integer < 0 ? unary("-", value) : Outcome(Value(*integer));
  if (const double *real = value.asFloat())
    return Value(std::fabs(*real));
  return wrongType(function, value);
}

static Outcome callRound(StringRef function, Arguments arguments) {
  const Value &value = arguments[0].value;
  std::optional<int64_t> digits = arguments.size() == 2 ? arguments[1].value.toInteger() : 0;
  if (!digits || *digits < 0 || *digits > 300)
    return Outcome::failure("the second argument of round() is a number of digits from 0 to 300");
  if (std::optional<int64_t> integer = value.toInteger())
    return Value(*integer);
  const double *real = value.asFloat();
  if (!real)
    return wrongType(function, value);
  // To even on a tie, as Python does and as the default rounding mode is.
  if (arguments.size() == 1)
    return integral(std::nearbyint(*real));
  std::string text;
  raw_string_ostream(text) << format("%.*f", int(*digits), *real);
  return Value(strtod(text.c_str(), nullptr));
}

static Outcome callPow(StringRef function, Arguments arguments) {
  return binary("**", arguments[0].value, arguments[1].value);
}

static Outcome callIsqrt(StringRef function, Arguments arguments) {
  std::optional<int64_t> value = arguments[0].value.toInteger();
  if (!value)
    return wrongType(function, arguments[0].value);
  if (*value < 0)
    return Outcome::failure("math.isqrt() of a negative number");
  int64_t root = int64_t(std::sqrt(double(*value)));
  // The float root is off by one at most.
  while (root > 0 && root > *value / root)
    --root;
  while ((root + 1) <= *value / (root + 1))
    ++root;
  return Value(root);
}

static Outcome callGcd(StringRef function, Arguments arguments) {
  uint64_t result = 0;
  for (const Item &item : arguments) {
    std::optional<int64_t> value = item.value.toInteger();
    if (!value)
      return wrongType(function, item.value);
    result = std::gcd(result, *value < 0 ? -uint64_t(*value) : uint64_t(*value));
  }
  if (result > uint64_t(INT64_MAX))
    return Outcome::failure("the result does not fit in 64 bits");
  return Value(int64_t(result));
}

/// A function of one float; what is not finite for a finite argument is outside
/// its domain or range.
template <double (*real)(double)> static Outcome callReal(StringRef function, Arguments arguments) {
  std::optional<double> argument = arguments[0].value.toFloat();
  if (!argument)
    return wrongType(function, arguments[0].value);
  double result = real(*argument);
  if (!std::isfinite(result) && std::isfinite(*argument))
    return Outcome::failure(function + "() is not defined at " + reprFloat(*argument));
  return Value(result);
}

template <double (*rounding)(double)> static Outcome callRounding(StringRef function, Arguments arguments) {
  if (std::optional<int64_t> integer = arguments[0].value.toInteger())
    return Value(*integer);
  const double *real = arguments[0].value.asFloat();
  return real ? integral(rounding(*real)) : wrongType(function, arguments[0].value);
}

static Outcome callLog(StringRef function, Arguments arguments) {
  Outcome numerator = callReal<std::log>(function, arguments.take_front());
  if (arguments.size() == 1 || !numerator.value)
    return numerator;
  Outcome denominator = callReal<std::log>(function, arguments.drop_front());
  return denominator.value ? binary("/", *numerator.value, *denominator.value) : denominator;
}

static Outcome callMathPow(StringRef function, Arguments arguments) {
  std::optional<double> base = arguments[0].value.toFloat(), exponent = arguments[1].value.toFloat();
  if (!base || !exponent)
    return wrongType(function, arguments[base ? 1 : 0].value);
  return binary("**", Value(*base), Value(*exponent));
}

static const Builtin builtins[] = {
    {"abs", 1, 1, callAbs},
    {"bool", 0, 1, callBool},
    {"dict", 1, 1, callDict},
    {"float", 0, 1, callFloat},
    {"int", 0, 1, callInt},
    {"len", 1, 1, callLen},
    {"list", 0, 1, callSequence},
    {"max", 1, ~0u, callExtreme},
    {"min", 1, ~0u, callExtreme},
    {"pow", 2, 2, callPow},
    {"range", 1, 3, callRange},
    {"round", 1, 2, callRound},
    {"str", 0, 1, callStr},
    {"sum", 1, 2, callSum},
    {"tuple", 0, 1, callSequence},
    {"math.ceil", 1, 1, callRounding<std::ceil>},
    {"math.cos", 1, 1, callReal<std::cos>},
    {"math.exp", 1, 1, callReal<std::exp>},
    {"math.fabs", 1, 1, callReal<std::fabs>},
    {"math.floor", 1, 1, callRounding<std::floor>},
    {"math.gcd", 0, ~0u, callGcd},
    {"math.isqrt", 1, 1, callIsqrt},
    {"math.log", 1, 2, callLog},
    {"math.log10", 1, 1, callReal<std::log10>},
    {"math.log2", 1, 1, callReal<std::log2>},
    {"math.pow", 2, 2, callMathPow},
    {"math.sin", 1, 1, callReal<std::sin>},
    {"math.sqrt", 1, 1, callReal<std::sqrt>},
    {"math.trunc", 1, 1, callRounding<std::trunc>},
};

static const Builtin *findBuiltin(StringRef name) {
  const Builtin *it = find_if(builtins, [&](const Builtin &builtin) { return builtin.name == name; });
  return it == std::end(builtins) ? nullptr : it;
}

std::vector<StringRef> builtinNames() {
  std::vector<StringRef> names;
  for (const Builtin &builtin : builtins)
    if (!builtin.name.contains('.'))
      names.push_back(builtin.name);
  return names;
}

bool isBuiltin(StringRef name) { return !name.contains('.') && findBuiltin(name); }

std::optional<Value> builtinConstant(StringRef name) {
  if (name == "math.pi")
    return Value(3.141592653589793);
  if (name == "math.e")
    return Value(2.718281828459045);
  if (name == "math.inf")
    return Value(HUGE_VAL);
  return std::nullopt;
}

std::optional<Outcome> callBuiltin(StringRef name, ArrayRef<Item> arguments) {
  const Builtin *builtin = findBuiltin(name);
  if (!builtin)
    return std::nullopt;
  if (arguments.size() < builtin->minArguments || arguments.size() > builtin->maxArguments)
    return Outcome::failure(name + "() takes " + Twine(builtin->minArguments) +
                            (builtin->maxArguments == builtin->minArguments ? ""
                             : builtin->maxArguments == ~0u                 ? " or more"
                                                            : (" to " + Twine(builtin->maxArguments)).str()) +
                            (builtin->maxArguments == 1 ? " argument" : " arguments") + ", not " +
                            Twine(arguments.size()));
  return builtin->call(name, arguments);
}

} // namespace colo::config
