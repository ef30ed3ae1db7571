//===- EvaluatorImpl.h - the evaluator's class -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to Evaluator.cpp (statements and operators) and Access.cpp
// (attributes, subscripts and calls). Every evaluating function returns nullopt
// after a diagnostic, and poison for what depends on an earlier error.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_FRONTEND_CONFIG_EVALUATORIMPL_H
#define COLO_LIB_FRONTEND_CONFIG_EVALUATORIMPL_H

#include "Evaluator.h"

namespace colo::config {

using MaybeValue = std::optional<Value>;

class Evaluator {
public:
  explicit Evaluator(Diagnostics &diagnostics) : diagnostics(diagnostics) {}

  void run(const Statement &statement);
  Scope takeScope() { return std::move(scope); }

private:
  void assign(const Expr &target, const MaybeValue &value, llvm::SMRange valueRange);
  void bind(llvm::StringRef name, llvm::SMRange nameRange, Item item, bool imported = false);
  void unpack(const Expr &target, const MaybeValue &value, llvm::SMRange valueRange);
  void assignEntry(const Expr &target, const MaybeValue &value, llvm::SMRange valueRange);
  MaybeValue updated(const Value &container, long expectedUses, const Expr &target, size_t at, const Item &item);

  MaybeValue eval(const Expr &expr);
  /// `isCalled`: as a function, for the message.
  MaybeValue evalName(const Expr &expr, bool isCalled = false);
  MaybeValue evalSequence(const Expr &expr);
  MaybeValue evalDict(const Expr &expr);
  MaybeValue evalChain(const Expr &expr);
  MaybeValue evalPower(const Expr &expr);
  MaybeValue evalCompare(const Expr &expr);
  MaybeValue evalLogical(const Expr &expr);
  MaybeValue evalConditional(const Expr &expr);
  MaybeValue evalPrefix(const std::vector<Operator> &operators, MaybeValue operand);
  MaybeValue evalPostfix(const Expr &expr);
  std::optional<std::string> evalFormat(llvm::ArrayRef<FormatPart> parts);

  MaybeValue attribute(const Value &base, const Trailer &trailer);
  MaybeValue index(const Value &base, const Value &key, llvm::SMRange range);
  MaybeValue slice(const Value &base, const Trailer &trailer);
  MaybeValue call(const Value &callee, const Trailer &trailer, llvm::SMRange calleeRange);
  MaybeValue callMethod(const Value &base, const Trailer &method, const Trailer &call);
  bool evalPlainArguments(llvm::ArrayRef<Argument> arguments, std::vector<Item> &items);
  bool spread(const Argument &argument, std::vector<Item> &items);
  bool evalEntries(llvm::ArrayRef<Argument> arguments, bool isCall, Dict &dict);
  bool setEntry(Dict &dict, Entry entry, bool unique);

  /// The container as a value, unless it is nested too deep.
  template <typename Container> MaybeValue checkedDepth(Container container, llvm::SMRange range) {
    return finish(Outcome(Value(std::move(container))), range.Start);
  }
  MaybeValue finish(Outcome outcome, llvm::SMLoc loc);
  std::nullopt_t fail(llvm::SMLoc loc, const llvm::Twine &message, llvm::ArrayRef<DiagnosticNote> notes = {}) {
    diagnostics.error(loc, message, notes);
    return std::nullopt;
  }

  Diagnostics &diagnostics;
  Scope scope;
  bool starImported = false;
};

} // namespace colo::config

#endif // COLO_LIB_FRONTEND_CONFIG_EVALUATORIMPL_H
