//===- Evaluator.h - expressions of a config into values -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Evaluates the assignments of a config in order. Nothing is executed: names
// that were imported stay symbols, what is computed from them too, and the only
// functions are those of Builtins.cpp. A symbol is an error where a key needs a
// value. Integers are 64-bit and checked. An assignment that fails is
// reported once and poisons its names, so that the rest of the file is still
// checked.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_CONFIG_EVALUATOR_H
#define COLO_LIB_FRONTEND_CONFIG_EVALUATOR_H

#include "AST.h"
#include "Value.h"
#include "llvm/ADT/MapVector.h"

namespace colo::config {

/// A top-level name and what it is bound to.
struct Binding {
  llvm::SMRange nameRange; // of the last assignment
  Item item;
  bool imported = false;
  bool read = false; // by a later expression
};

/// In the order of first assignment.
using Scope = llvm::MapVector<llvm::StringRef, Binding>;

/// Evaluates `module`. Names whose assignment failed are poison.
Scope evaluate(const Module &module, Diagnostics &diagnostics);

/// The result of an operation, or why there is none.
struct Outcome {
  std::optional<Value> value;
  std::string error;

  Outcome(Value value) : value(std::move(value)) {}
  static Outcome failure(const llvm::Twine &why) {
    Outcome outcome{Value()};
    outcome.value.reset();
    outcome.error = why.str();
    return outcome;
  }
};

/// `left op right` where one side is a symbol: a symbol that shows both.
Value unknownResult(llvm::StringRef op, const Value &left, const Value &right);

/// `left op right` for the binary operators of Python (Arithmetic.cpp).
Outcome binary(llvm::StringRef op, const Value &left, const Value &right);
/// `+x`, `-x`, `~x`, `not x`.
Outcome unary(llvm::StringRef op, const Value &operand);
/// `left op right` for comparisons, `in` and `is` included.
Outcome compare(llvm::StringRef op, const Value &left, const Value &right);

/// True if `name` is one of Python's functions that are known (Builtins.cpp).
bool isBuiltin(llvm::StringRef name);
/// Their names, those of `math` not included.
std::vector<llvm::StringRef> builtinNames();
/// The value of `math.pi` and its like.
std::optional<Value> builtinConstant(llvm::StringRef name);
/// Calls a builtin or `math.` function with evaluated plain arguments; nullopt
/// if `name` is none of them.
std::optional<Outcome> callBuiltin(llvm::StringRef name, llvm::ArrayRef<Item> arguments);

/// format(value, spec) as in an f-string (Format.cpp).
Outcome formatValue(const Value &value, llvm::StringRef spec);

} // namespace colo::config

#endif // COLO_LIB_FRONTEND_CONFIG_EVALUATOR_H
