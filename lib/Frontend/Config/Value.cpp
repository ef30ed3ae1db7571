//===- Value.cpp - what an expression of a config evaluates to ------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Value.h. Numbers and texts print as in Python.
//
//===----------------------------------------------------------------------===//

#include "Value.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <charconv>
#include <cmath>

using namespace llvm;

namespace colo::config {

StringRef Symbol::last() const {
  StringRef text = name;
  size_t dot = text.take_until([](char c) { return c == '('; }).rfind('.');
  return dot == StringRef::npos ? text : text.drop_front(dot + 1);
}

Value::Value(Sequence value) {
  for (const Item &item : value.items)
    value.depth = std::max(value.depth, item.value.depth() + 1);
  storage = std::make_shared<const Sequence>(std::move(value));
}

Value::Value(Dict value) {
  for (const Entry &entry : value.entries)
    value.depth = std::max(value.depth, entry.item.value.depth() + 1);
  storage = std::make_shared<const Dict>(std::move(value));
}

std::optional<int64_t> Value::toInteger() const {
  if (const bool *boolean = asBool())
    return *boolean;
  if (const int64_t *integer = asInt())
    return *integer;
  return std::nullopt;
}

std::optional<double> Value::toFloat() const {
  if (const double *real = asFloat())
    return *real;
  if (std::optional<int64_t> integer = toInteger())
    return double(*integer);
  return std::nullopt;
}

StringRef Value::typeName() const {
  static constexpr StringLiteral names[] = {"None", "error", "bool", "int", "float", "str", "imported name"};
  if (const Sequence *sequence = asSequence())
    return sequence->tuple ? "tuple" : "list";
  return asDict() ? StringRef("dict") : StringRef(names[storage.index()]);
}

std::string Value::aType() const {
  if (isNone())
    return "None";
  return (asInt() || asSymbol() ? "an " : "a ") + typeName().str();
}

bool Value::truth() const {
  if (isNone())
    return false;
  if (std::optional<double> number = toFloat())
    return *number != 0;
  if (const std::string *string = asString())
    return !string->empty();
  if (const Sequence *sequence = asSequence())
    return !sequence->items.empty();
  if (const Dict *dict = asDict())
    return !dict->entries.empty();
  return true;
}

unsigned Value::depth() const {
  if (const Sequence *sequence = asSequence())
    return sequence->depth;
  const Dict *dict = asDict();
  return dict ? dict->depth : 0;
}

long Value::useCount() const {
  if (const auto *sequence = std::get_if<std::shared_ptr<const Sequence>>(&storage))
    return sequence->use_count();
  const auto *dict = std::get_if<std::shared_ptr<const Dict>>(&storage);
  return dict ? dict->use_count() : 0;
}

//===----------------------------------------------------------------------===//
// Dicts
//===----------------------------------------------------------------------===//

bool isHashable(const Value &key) { return key.isNone() || key.toFloat() || key.asString(); }

/// One text for all keys that Python holds equal: 1, True and 1.0.
static std::string canonicalKey(const Value &key) {
  if (const std::string *string = key.asString())
    return "s" + *string;
  if (std::optional<int64_t> integer = key.toInteger())
    return "i" + itostr(*integer);
  if (const double *real = key.asFloat()) {
    bool integral = *real == std::floor(*real) && std::fabs(*real) < 0x1p53;
    return integral ? "i" + itostr(int64_t(*real)) : "f" + reprFloat(*real);
  }
  return "n";
}

const Entry *Dict::lookup(const Value &key) const {
  auto it = index.find(canonicalKey(key));
  return it == index.end() ? nullptr : &entries[it->second];
}

const Entry *Dict::find(StringRef key) const {
  auto it = index.find(("s" + key).str());
  return it == index.end() ? nullptr : &entries[it->second];
}

void Dict::set(Entry entry) {
  auto [it, inserted] = index.try_emplace(canonicalKey(entry.key), entries.size());
  if (inserted)
    entries.push_back(std::move(entry));
  else
    entries[it->second] = std::move(entry);
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

std::string reprFloat(double value) {
  if (std::isnan(value))
    return "nan";
  if (std::isinf(value))
    return value < 0 ? "-inf" : "inf";
  char buffer[64];
  char *end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  StringRef scientific(buffer, end - buffer);
  int exponent = 0;
  auto [mantissa, exponentText] = scientific.split('e');
  exponentText.ltrim('+').getAsInteger(10, exponent);
  // The range in which Python writes plain decimals.
  if (exponent < -4 || exponent >= 16)
    return scientific.str();
  end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed).ptr;
  std::string fixed(buffer, end);
  return StringRef(fixed).contains('.') ? fixed : fixed + ".0";
}

static void quote(StringRef text, std::string &out) {
  char mark = text.contains('\'') && !text.contains('"') ? '"' : '\'';
  out += mark;
  for (char c : text) {
    if (c == mark || c == '\\')
      out += '\\';
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (uint8_t(c) < 32 || c == 127)
      out += "\\x" + toHex(StringRef(&c, 1), /*LowerCase=*/true);
    else
      out += c;
  }
  out += mark;
}

namespace {

/// Appends until the limit is reached; a value shared many times cannot make it
/// run longer than its output.
class Printer {
public:
  explicit Printer(size_t limit) : limit(limit) {}

  void print(const Value &value);
  std::string take() {
    if (out.size() > limit) {
      out.resize(limit);
      out += "...";
    }
    return std::move(out);
  }

private:
  void print(const Sequence &sequence);
  void print(const Dict &dict);

  size_t limit;
  std::string out;
};

} // namespace

void Printer::print(const Value &value) {
  if (out.size() > limit)
    return;
  if (value.isNone())
    out += "None";
  else if (const bool *boolean = value.asBool())
    out += *boolean ? "True" : "False";
  else if (const int64_t *integer = value.asInt())
    out += itostr(*integer);
  else if (const double *real = value.asFloat())
    out += reprFloat(*real);
  else if (const std::string *string = value.asString())
    quote(StringRef(*string).take_front(limit), out);
  else if (const Symbol *symbol = value.asSymbol())
    out += symbol->name;
  else if (const Sequence *sequence = value.asSequence())
    print(*sequence);
  else if (const Dict *dict = value.asDict())
    print(*dict);
}

void Printer::print(const Sequence &sequence) {
  out += sequence.tuple ? '(' : '[';
  for (size_t i = 0; i < sequence.items.size() && out.size() <= limit; ++i) {
    out += i ? ", " : "";
    print(sequence.items[i].value);
  }
  if (sequence.tuple && sequence.items.size() == 1)
    out += ',';
  out += sequence.tuple ? ')' : ']';
}

void Printer::print(const Dict &dict) {
  out += '{';
  for (size_t i = 0; i < dict.entries.size() && out.size() <= limit; ++i) {
    out += i ? ", " : "";
    print(dict.entries[i].key);
    out += ": ";
    print(dict.entries[i].item.value);
  }
  out += '}';
}

std::string repr(const Value &value, size_t limit) {
  Printer printer(limit);
  printer.print(value);
  return printer.take();
}

std::string str(const Value &value, size_t limit) {
  if (const std::string *string = value.asString())
    return *string;
  return repr(value, limit);
}

} // namespace colo::config
