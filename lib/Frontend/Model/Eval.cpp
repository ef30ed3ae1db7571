//===- Eval.cpp - expressions of the model language -------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"
#include "Importer.h"
#include "llvm/ADT/ScopeExit.h"

using namespace llvm;

namespace colo::model {
namespace {
/// Evaluations of one import, and how deep they may nest: a file that unrolls
/// without end is an error, not a hang or a crash.
constexpr uint64_t maxSteps = 5000000;
constexpr unsigned maxDepth = 1000;
} // namespace

Value Importer::eval(const Expr &expr, Scope &scope) {
  if (++steps > maxSteps)
    fail(expr.loc, "the model unrolls to more than " + Twine(maxSteps) + " operations");
  if (depth >= maxDepth)
    fail(expr.loc, "calls and expressions are nested more than " + Twine(maxDepth) + " deep");
  ++depth;
  auto leave = make_scope_exit([&] { --depth; });
  return evalUnchecked(expr, scope);
}

Value Importer::evalUnchecked(const Expr &expr, Scope &scope) {
  switch (expr.kind) {
  case Expr::Kind::Name:
    return name(cast<NameExpr>(expr), scope);
  case Expr::Kind::Integer:
    return Size{cast<IntegerExpr>(expr).value};
  case Expr::Kind::Real:
    return cast<RealExpr>(expr).value;
  case Expr::Kind::String:
    return cast<StringExpr>(expr).value;
  case Expr::Kind::Bool:
    return cast<BoolExpr>(expr).value;
  case Expr::Kind::None:
    return Value();
  case Expr::Kind::Unary:
    return unary(cast<UnaryExpr>(expr), scope);
  case Expr::Kind::Binary: {
    const auto &operation = cast<BinaryExpr>(expr);
    if (operation.op == Operator::And || operation.op == Operator::Or)
      return logical(operation, scope);
    Value lhs = eval(*operation.lhs, scope);
    return binary(operation.op, lhs, eval(*operation.rhs, scope), expr.loc);
  }
  case Expr::Kind::Conditional: {
    const auto &choice = cast<ConditionalExpr>(expr);
    bool isTrue = truth(eval(*choice.condition, scope), choice.condition->loc);
    return eval(isTrue ? *choice.then : *choice.otherwise, scope);
  }
  case Expr::Kind::Call:
    return callExpr(cast<CallExpr>(expr), scope);
  case Expr::Kind::Subscript:
    return subscript(cast<SubscriptExpr>(expr), scope);
  case Expr::Kind::Attribute:
    return attribute(cast<AttributeExpr>(expr), scope);
  case Expr::Kind::List:
  case Expr::Kind::Tuple: {
    auto list = std::make_shared<ListValue>();
    list->isTuple = expr.kind == Expr::Kind::Tuple;
    const auto &elements = list->isTuple ? cast<TupleExpr>(expr).elements : cast<ListExpr>(expr).elements;
    for (const ExprPtr &element : elements)
      list->elements.push_back(eval(*element, scope));
    return list;
  }
  case Expr::Kind::Comprehension:
    return comprehension(cast<ComprehensionExpr>(expr), scope);
  }
  llvm_unreachable("all kinds are handled");
}

Value Importer::name(const NameExpr &expr, Scope &scope) {
  if (Value *found = scope.find(expr.name))
    return *found;
  if (loopLocals.count(expr.name))
    fail(expr.loc, "'" + expr.name +
                       "' is known only inside the loop over equal layers; assign it before the loop to carry it out");
  if (expr.name == "self")
    fail(expr.loc, "there is no 'self'; the names of the class body are used directly");
  SmallVector<StringRef> candidates;
  for (Scope *at = &scope; at; at = at->parent)
    for (auto &entry : at->names)
      candidates.push_back(entry.first);
  fail(expr.loc, "unknown name '" + expr.name + "'" + didYouMean(expr.name, candidates));
}

Value Importer::unary(const UnaryExpr &expr, Scope &scope) {
  Value operand = eval(*expr.operand, scope);
  if (expr.op == Operator::Not)
    return !truth(operand, expr.operand->loc);
  if (operand.isTensorLike()) {
    Tensor value = tensor(operand, expr.loc);
    return expr.op == Operator::Plus ? value : Emitter(*this, expr.loc).negate(value);
  }
  if (auto *size = operand.get<Size>()) {
    if (expr.op == Operator::Plus)
      return *size;
    return binary(Operator::Sub, Size{0}, *size, expr.loc);
  }
  if (auto *real = operand.get<Real>())
    return expr.op == Operator::Plus ? *real : Real(-real->value);
  fail(expr.loc, "'" + spelling(expr.op) + "' needs a number or a tensor, not " + operand.describe());
}

/// `and` and `or` give one of their operands, as in Python.
Value Importer::logical(const BinaryExpr &expr, Scope &scope) {
  Value lhs = eval(*expr.lhs, scope);
  if (lhs.isTensorLike())
    fail(expr.loc, "'" + spelling(expr.op) + "' works on values known while compiling; use where() on tensors");
  bool isTrue = truth(lhs, expr.lhs->loc);
  return isTrue == (expr.op == Operator::And) ? eval(*expr.rhs, scope) : lhs;
}

bool Importer::truth(const Value &value, SMLoc loc) {
  if (auto *flag = value.get<bool>())
    return *flag;
  if (auto *size = value.get<Size>()) {
    if (size->batch)
      fail(loc, "this choice depends on how the batch is split: 'batch' is the rows of one micro-batch of one replica");
    return size->value != 0;
  }
  if (auto *real = value.get<Real>())
    return real->value != 0;
  if (value.isNone())
    return false;
  if (auto *text = value.get<std::string>())
    return !text->empty();
  if (ListValue *list = value.list())
    return !list->elements.empty();
  if (value.isTensorLike())
    fail(loc,
         "a choice must be known while compiling, but this is " + value.describe() + "; use where(condition, a, b)");
  return true;
}

int64_t Importer::integer(const Value &value, SMLoc loc, StringRef what) {
  auto *size = value.get<Size>();
  if (!size)
    fail(loc, what + " must be an integer, not " + value.describe());
  return size->value;
}

double Importer::real(const Value &value, SMLoc loc, StringRef what) {
  if (!value.isNumber())
    fail(loc, what + " must be a number, not " + value.describe());
  if (auto *size = value.get<Size>(); size && size->batch)
    fail(loc, what + " depends on how the batch is split: 'batch' is the rows of one micro-batch of one replica");
  return value.number();
}

Value Importer::callExpr(const CallExpr &expr, Scope &scope) {
  // dict(name=value, …) keeps the places of its entries.
  auto *name = dyn_cast<NameExpr>(expr.callee.get());
  if (name && name->name == "dict" && !scope.find("dict")) {
    auto dictionary = std::make_shared<DictValue>();
    for (const Argument &argument : expr.arguments) {
      if (argument.name.empty())
        fail(argument.loc, "dict() takes name=value pairs only");
      dictionary->entries.push_back({argument.name, eval(*argument.value, scope)});
      dictionary->locs.push_back(argument.loc);
    }
    return dictionary;
  }
  Value callee = eval(*expr.callee, scope);
  Arguments arguments;
  for (const Argument &argument : expr.arguments)
    arguments.given.push_back({argument.name, {eval(*argument.value, scope), argument.loc}});
  StringRef spelled(expr.callee->range.Start.getPointer(),
                    expr.callee->range.End.getPointer() - expr.callee->range.Start.getPointer());
  return call(callee, std::move(arguments), expr.loc, spelled);
}

Value Importer::attribute(const AttributeExpr &expr, Scope &scope) {
  auto *package = dyn_cast<NameExpr>(expr.base.get());
  if (package && !scope.find(package->name) && standard.names.count(expr.name))
    fail(package->loc, "unknown name '" + package->name + "'; '" + expr.name + "' is known without it");
  Value base = eval(*expr.base, scope);
  if (base.isTensorLike()) {
    auto *param = base.param();
    ArrayRef<Size> dims = param ? ArrayRef<Size>(param->shape) : ArrayRef<Size>(base.get<Tensor>()->dims);
    if (expr.name == "ndim")
      return Size{int64_t(dims.size())};
    if (expr.name != "shape")
      fail(expr.loc, "a tensor has no '" + expr.name + "'; it has shape and ndim");
    auto list = std::make_shared<ListValue>();
    list->isTuple = true;
    list->elements.assign(dims.begin(), dims.end());
    return list;
  }
  Module *module = base.module();
  if (!module)
    fail(expr.loc, base.describe() + " has no '" + expr.name + "'");
  auto found = module->scope.names.find(expr.name);
  if (found != module->scope.names.end())
    return found->second;
  SmallVector<StringRef> candidates;
  for (auto &entry : module->scope.names)
    candidates.push_back(entry.first);
  fail(expr.loc, "module " + module->definition->name + " has no '" + expr.name + "'" +
                     didYouMean(expr.name, candidates) +
                     (candidates.empty() ? "" : "; it has " + joinNames(candidates)));
}

Value Importer::comprehension(const ComprehensionExpr &expr, Scope &scope) {
  auto list = std::make_shared<ListValue>();
  Scope inner(&scope);
  for (const Value &value : iterate(eval(*expr.iterable, scope), expr.iterable->loc)) {
    // The names live in the tree; only their values change.
    if (expr.names.size() == 1) {
      inner.names[expr.names[0]] = value;
    } else {
      ListValue *parts = value.list();
      if (!parts || parts->elements.size() != expr.names.size())
        fail(expr.iterable->loc, "cannot unpack " + value.describe() + " into " + Twine(expr.names.size()) + " names");
      for (auto [name, part] : zip(expr.names, parts->elements))
        inner.names[name] = part;
    }
    list->elements.push_back(eval(*expr.element, inner));
  }
  return list;
}

} // namespace colo::model
