//===- Format.cpp - format specifications of f-strings --------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The part of Python's mini-language that names of runs use:
// [[fill]align][0][width][.precision][type] with type d, e, f, g, s, x or %.
//
//===----------------------------------------------------------------------===//

#include "llvm/Support/Format.h"
#include "Evaluator.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace colo::config {
namespace {

struct Spec {
  char fill = ' ', align = 0, type = 0;
  unsigned width = 0;
  std::optional<unsigned> precision;
};

} // namespace

static std::optional<Spec> parseSpec(StringRef text) {
  Spec spec;
  StringRef aligns = "<>^";
  if (text.size() > 1 && aligns.contains(text[1])) {
    spec.fill = text[0];
    spec.align = text[1];
    text = text.drop_front(2);
  } else if (!text.empty() && aligns.contains(text[0])) {
    spec.align = text[0];
    text = text.drop_front();
  }
  if (text.consume_front("0") && !spec.align) {
    spec.fill = '0';
    spec.align = '=';
  }
  if (!text.empty() && isDigit(text[0]) && text.consumeInteger(10, spec.width))
    return std::nullopt;
  if (text.consume_front(".")) {
    unsigned precision;
    if (text.consumeInteger(10, precision))
      return std::nullopt;
    spec.precision = precision;
  }
  if (!text.empty()) {
    spec.type = text[0];
    text = text.drop_front();
  }
  bool small = spec.width <= 1000 && spec.precision.value_or(0) <= 300;
  bool known = !spec.type || StringRef("defgsx%").contains(spec.type);
  return text.empty() && small && known ? std::optional(spec) : std::nullopt;
}

/// The value without its padding; nullopt if the type does not fit it.
static std::optional<std::string> formatBody(const Value &value, const Spec &spec) {
  std::string text;
  raw_string_ostream os(text);
  std::optional<int64_t> integer = value.toInteger();
  if (spec.type == 'd' || spec.type == 'x') {
    if (!integer || spec.precision)
      return std::nullopt;
    if (spec.type == 'd')
      return itostr(*integer);
    uint64_t magnitude = *integer < 0 ? -uint64_t(*integer) : uint64_t(*integer);
    return (*integer < 0 ? "-" : "") + utohexstr(magnitude, /*LowerCase=*/true);
  }
  std::optional<double> real = value.toFloat();
  bool asReal = spec.type ? spec.type != 's' : value.asFloat() && spec.precision;
  if (!asReal) {
    if (spec.type == 's' && !value.asString())
      return std::nullopt;
    text = str(value, maxStringBytes);
    return spec.precision ? text.substr(0, *spec.precision) : text;
  }
  if (!real)
    return std::nullopt;
  int precision = spec.precision.value_or(6);
  switch (spec.type) {
  case 'e':
    os << format("%.*e", precision, *real);
    break;
  case 'f':
    os << format("%.*f", precision, *real);
    break;
  case '%':
    os << format("%.*f%%", precision, *real * 100);
    break;
  default:
    os << format("%.*g", precision, *real);
    break;
  }
  return text;
}

Outcome formatValue(const Value &value, StringRef specText) {
  if (value.isPoison())
    return Value(std::string());
  std::optional<Spec> spec = parseSpec(specText);
  std::optional<std::string> body = spec ? formatBody(value, *spec) : std::nullopt;
  if (!body)
    return Outcome::failure("the format '" + specText.take_front(60) + "' is not supported for " + value.aType());
  size_t padding = spec->width > body->size() ? spec->width - body->size() : 0;
  char align = spec->align ? spec->align : value.toFloat() ? '>' : '<';
  size_t left = align == '>' || align == '=' ? padding : align == '^' ? padding / 2 : 0;
  // Zeros go between a sign and the digits.
  size_t at = align == '=' && StringRef(*body).starts_with("-") ? 1 : 0;
  body->insert(at, left, spec->fill);
  body->append(padding - left, spec->fill);
  return Value(std::move(*body));
}

} // namespace colo::config
