//===- Value.h - what an expression of a config evaluates to ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Values are immutable and shared, so no value contains itself; each container
// knows how deep it is, at most SourceLimits::maxNesting, so that recursion over
// values is safe. Entries of containers remember the text that gave them.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_CONFIG_VALUE_H
#define COLO_LIB_FRONTEND_CONFIG_VALUE_H

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/SMLoc.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace colo::config {

struct Sequence;
struct Dict;

/// A name that was imported, or a builtin: `torch.half`, `AMP_TYPE.NAIVE`,
/// `TensorShardStrategy(...)`, or what was computed from one: `(HIDDEN * 2)`. Its
/// value is unknown.
struct Symbol {
  std::string name;
  /// The part after the last dot.
  llvm::StringRef last() const;
};

/// The result of an expression that was already reported, kept so that one
/// mistake is one diagnostic.
struct Poison {};

class Value {
public:
  using Text = std::shared_ptr<const std::string>;

  Value() = default;
  Value(bool value) : storage(value) {}
  Value(int64_t value) : storage(value) {}
  Value(double value) : storage(value) {}
  Value(std::string value) : storage(std::make_shared<const std::string>(std::move(value))) {}
  Value(const char *) = delete;
  Value(Symbol value) : storage(std::make_shared<const Symbol>(std::move(value))) {}
  Value(Sequence value);
  Value(Dict value);
  static Value poison() {
    Value value;
    value.storage = Poison();
    return value;
  }

  bool isPoison() const { return std::holds_alternative<Poison>(storage); }
  bool isNone() const { return std::holds_alternative<std::monostate>(storage); }
  const bool *asBool() const { return std::get_if<bool>(&storage); }
  const int64_t *asInt() const { return std::get_if<int64_t>(&storage); }
  const double *asFloat() const { return std::get_if<double>(&storage); }
  const std::string *asString() const { return as<std::string>(); }
  const Symbol *asSymbol() const { return as<Symbol>(); }
  const Sequence *asSequence() const { return as<Sequence>(); }
  const Dict *asDict() const { return as<Dict>(); }

  /// An integer or a bool as one, as in Python's arithmetic.
  std::optional<int64_t> toInteger() const;
  /// Any number as a float.
  std::optional<double> toFloat() const;

  /// Python's name of the type: "int", "str", "dict"…
  llvm::StringRef typeName() const;
  /// The same with an article: "an int", "a str", "None".
  std::string aType() const;
  bool truth() const;
  unsigned depth() const;
  /// How many values share this container; 0 for what is not one.
  long useCount() const;

private:
  template <typename T> const T *as() const {
    const auto *pointer = std::get_if<std::shared_ptr<const T>>(&storage);
    return pointer ? pointer->get() : nullptr;
  }

  std::variant<std::monostate, Poison, bool, int64_t, double, Text, std::shared_ptr<const Symbol>,
               std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>>
      storage;
};

/// A value and the text that gave it.
struct Item {
  Value value;
  llvm::SMRange range;
};

struct Sequence {
  bool tuple = false;
  std::vector<Item> items;
  unsigned depth = 1; // filled by Value
};

struct Entry {
  Value key;
  llvm::SMRange keyRange;
  Item item;
};

/// Entries in the order of their insertion.
struct Dict {
  std::vector<Entry> entries;
  unsigned depth = 1; // filled by Value

  const Entry *lookup(const Value &key) const;
  const Entry *find(llvm::StringRef key) const;
  /// Adds or replaces; an old key keeps its place. `key` must be hashable.
  void set(Entry entry);

private:
  llvm::StringMap<size_t> index;
};

/// None, a bool, a number or a string.
bool isHashable(const Value &key);

/// Python's repr() and str(), cut with "..." after `limit` bytes.
std::string repr(const Value &value, size_t limit);
std::string str(const Value &value, size_t limit);
/// Python's repr() of a float: the shortest text that reads back the same.
std::string reprFloat(double value);

/// The longest string, and list, that evaluation makes.
constexpr size_t maxStringBytes = size_t(1) << 20;
constexpr size_t maxSequenceItems = size_t(1) << 20;

} // namespace colo::config

#endif // COLO_LIB_FRONTEND_CONFIG_VALUE_H
