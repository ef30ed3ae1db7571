//===- Exec.cpp - statements of the model language --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `member` is the module whose class body runs: what is assigned there becomes
// its submodule or parameter. It is null in functions and at file level.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;

namespace colo::model {

std::optional<Value> Importer::exec(const Block &block, Scope &scope, Module *member) {
  for (const StmtPtr &stmt : block)
    if (std::optional<Value> result = exec(*stmt, scope, member))
      return result;
  return std::nullopt;
}

std::optional<Value> Importer::exec(const Stmt &stmt, Scope &scope, Module *member) {
  switch (stmt.kind) {
  case Stmt::Kind::Assign:
    assign(cast<AssignStmt>(stmt), scope, member);
    return std::nullopt;
  case Stmt::Kind::Augmented: {
    const auto &augmented = cast<AugmentedStmt>(stmt);
    Value *old = scope.find(augmented.target.name);
    if (!old)
      fail(augmented.target.loc, "unknown name '" + augmented.target.name + "'");
    Value before = *old;
    bind(augmented.target, binary(augmented.op, before, eval(*augmented.value, scope), stmt.loc), scope, member);
    return std::nullopt;
  }
  case Stmt::Kind::Return: {
    if (member || !scope.parent)
      fail(stmt.loc, "'return' belongs in a def");
    const auto &back = cast<ReturnStmt>(stmt);
    Value result = back.value ? eval(*back.value, scope) : Value();
    returnLoc = back.value ? back.value->range.Start : stmt.loc;
    return result;
  }
  case Stmt::Kind::Assert:
    check(cast<AssertStmt>(stmt), scope);
    return std::nullopt;
  case Stmt::Kind::Expression: {
    const auto &expression = cast<ExpressionStmt>(stmt);
    if (!isa<StringExpr>(expression.value.get())) {
      // What is wrong inside it says more: print is no function here.
      eval(*expression.value, scope);
      fail(stmt.loc, "the value of this expression is not used; assign it or return it");
    }
    return std::nullopt;
  }
  case Stmt::Kind::If: {
    const auto &choice = cast<IfStmt>(stmt);
    bool isTrue = truth(eval(*choice.condition, scope), choice.condition->loc);
    return exec(isTrue ? choice.then : choice.otherwise, scope, member);
  }
  case Stmt::Kind::For:
    return loop(cast<ForStmt>(stmt), scope, member);
  case Stmt::Kind::Function: {
    const auto &function = cast<FunctionStmt>(stmt);
    if (auto earlier = scope.names.find(function.name); earlier != scope.names.end()) {
      auto *other = earlier->second.get<FunctionValue>();
      SmallVector<DiagnosticNote, 1> notes;
      if (other)
        notes.push_back({other->definition->nameLoc, "it is defined here"});
      // A def in a loop is one function.
      if (!other || other->definition != &function)
        fail(function.nameLoc, "there is already a '" + function.name + "' here", notes);
    }
    scope.names[function.name] = FunctionValue{&function, &scope, member};
    return std::nullopt;
  }
  case Stmt::Kind::Class:
    fail(stmt.loc, "classes are defined at file level");
  }
  llvm_unreachable("all kinds are handled");
}

void Importer::assign(const AssignStmt &stmt, Scope &scope, Module *member) {
  Value value = eval(*stmt.value, scope);
  // A size computed in the user's text goes by the name that it is given.
  auto *size = value.get<Size>();
  if (size && !stmt.unpacks && !size->batch && !inPrelude(stmt.loc))
    size->text = stmt.targets[0].name;
  unpack(stmt.targets, stmt.unpacks, value, stmt.loc, scope, member);
}

void Importer::unpack(ArrayRef<Target> targets, bool unpacks, const Value &value, SMLoc loc, Scope &scope,
                      Module *member) {
  if (!unpacks)
    return bind(targets[0], value, scope, member);
  ListValue *list = value.list();
  if (!list)
    fail(loc, "cannot unpack " + value.describe() + " into " + Twine(targets.size()) + " names");
  if (list->elements.size() != targets.size())
    fail(loc, "cannot unpack " + Twine(list->elements.size()) + " values into " + Twine(targets.size()) + " names");
  std::vector<Value> parts = list->elements;
  for (auto [target, part] : zip(targets, parts))
    bind(target, part, scope, member);
}

void Importer::bind(const Target &target, Value value, Scope &scope, Module *member) {
  if (member) {
    checkParameterIsRead(*member, scope, target);
    checkNewNames(*member, target.name, value, target.loc);
    adopt(*member, target.name, value);
  }
  // The name lives in the syntax tree of its first assignment.
  scope.names[target.name] = std::move(value);
}

/// A value that a class was given, by the config for one, is not lost in silence.
void Importer::checkParameterIsRead(const Module &owner, const Scope &scope, const Target &target) {
  const auto &parameters = owner.definition->parameters;
  auto parameter = find_if(parameters, [&](const Parameter &known) { return known.name == target.name; });
  if (&scope != &owner.scope || parameter == parameters.end() || scope.read.contains(target.name))
    return;
  SmallVector<DiagnosticNote, 2> notes{{parameter->loc, "the parameter of " + owner.definition->name}};
  auto given = options.defines.find(target.name);
  if (&owner == model.get() && given != options.defines.end())
    notes.push_back({given->second.nameLoc, "it is set here"});
  fail(target.loc,
       "'" + target.name + "' is a parameter that nothing has read, and its value would be lost; use another name",
       notes);
}

/// Two modules or parameters of one name would be one in files.
void Importer::checkNewNames(const Module &owner, const std::string &name, const Value &value, SMLoc loc) {
  StringSet<> made;
  auto add = [&](const Value &part, const std::string &partName) {
    Module *module = part.module();
    Param *param = part.param();
    if ((module && !module->parent && module != &owner) || (param && !param->owner))
      made.insert(partName);
  };
  if (ListValue *list = value.list())
    for (auto [i, element] : enumerate(list->elements))
      add(element, name + "." + std::to_string(i));
  else
    add(value, name);
  if (made.empty())
    return;
  auto check = [&](StringRef other, SMLoc first) {
    if (made.count(other))
      fail(loc, "there is already a '" + Twine(other) + "' with parameters in this class",
           {{userLoc(first), "it is made here"}});
  };
  for (const Module *child : owner.children)
    check(child->name, child->loc);
  for (const std::shared_ptr<Param> &param : owner.params)
    check(param->name, param->loc);
}

/// Names modules and parameters by where the class body puts them. What has an
/// owner keeps it: a second name is an alias.
void Importer::adopt(Module &owner, const std::string &name, const Value &value) {
  if (Module *module = value.module(); module && !module->parent && module != &owner && module != model.get()) {
    module->parent = &owner;
    module->name = name;
    owner.children.push_back(module);
  } else if (Param *param = value.param(); param && !param->owner) {
    param->owner = &owner;
    param->name = name;
    owner.params.push_back(*value.get<std::shared_ptr<Param>>());
  } else if (ListValue *list = value.list(); list && !list->owner) {
    list->owner = &owner;
    list->name = name;
    for (auto [i, element] : enumerate(list->elements)) {
      Module *module = element.module();
      bool isNew = module && !module->parent;
      adopt(owner, name + "." + std::to_string(i), element);
      if (isNew)
        module->run = list;
    }
  }
}

void Importer::check(const AssertStmt &stmt, Scope &scope) {
  if (truth(eval(*stmt.condition, scope), stmt.condition->loc))
    return;
  std::string message = "this assertion does not hold";
  if (stmt.message) {
    Value text = eval(*stmt.message, scope);
    if (!text.is<std::string>())
      fail(stmt.message->loc, "the message of an assertion is text");
    message = *text.get<std::string>();
  }
  std::vector<DiagnosticNote> notes;
  describeNames(*stmt.condition, scope, message, notes);
  fail(stmt.condition->loc, message, notes);
}

/// Adds the values of the sizes that a condition reads, and notes where the
/// config set them.
void Importer::describeNames(const Expr &expr, Scope &scope, std::string &message, std::vector<DiagnosticNote> &notes) {
  SmallVector<const NameExpr *> names;
  SmallVector<const Expr *> work{&expr};
  while (!work.empty()) {
    const Expr *at = work.pop_back_val();
    if (auto *name = dyn_cast<NameExpr>(at)) {
      if (none_of(names, [&](const NameExpr *other) { return other->name == name->name; }))
        names.push_back(name);
    } else if (auto *operation = dyn_cast<BinaryExpr>(at)) {
      work.push_back(operation->rhs.get());
      work.push_back(operation->lhs.get());
    } else if (auto *operation = dyn_cast<UnaryExpr>(at)) {
      work.push_back(operation->operand.get());
    }
  }
  // Two sizes that should be equal are shown as the user wrote them.
  auto *equal = dyn_cast<BinaryExpr>(&expr);
  if (equal && equal->op == Operator::Equal && !isa<BinaryExpr>(equal->lhs.get()) &&
      !isa<BinaryExpr>(equal->rhs.get())) {
    Value lhs = eval(*equal->lhs, scope), rhs = eval(*equal->rhs, scope);
    if (lhs.is<Size>() && rhs.is<Size>()) {
      message += ": " + lhs.get<Size>()->describe() + " against " + rhs.get<Size>()->describe();
      return;
    }
  }
  const char *separator = " (";
  bool isModel = making.size() == 1;
  for (const NameExpr *name : names) {
    Value *value = scope.find(name->name);
    if (!value || !value->isNumber())
      continue;
    auto *size = value->get<Size>();
    message += separator + name->name + " = " + (size ? std::to_string(size->value) : std::to_string(value->number()));
    separator = ", ";
    auto given = options.defines.find(name->name);
    if (isModel && given != options.defines.end() && given->second.loc.isValid())
      notes.push_back({given->second.loc, name->name + " is set here"});
  }
  if (separator[0] == ',')
    message += ")";
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

std::vector<Value> Importer::iterate(const Value &value, SMLoc loc) {
  if (ListValue *list = value.list()) {
    // Elements used one by one have parameters of their own.
    if (list->owner && body && list->use == ListValue::Use::None)
      list->use = ListValue::Use::Single;
    return list->elements;
  }
  fail(loc, "a loop runs over range(…), a list or a tuple, not " + value.describe());
}

std::optional<Value> Importer::loop(const ForStmt &stmt, Scope &scope, Module *member) {
  Value iterable = eval(*stmt.iterable, scope);
  if (isRun(stmt, iterable)) {
    if (tryLayers(stmt, *iterable.list(), scope))
      return std::nullopt;
    if (iterable.list()->use == ListValue::Use::Stacked)
      fail(stmt.loc, "these layers ran as a run of equal layers above, but do different things here");
  }
  for (const Value &value : iterate(iterable, stmt.iterable->loc)) {
    if (++steps > 5000000)
      fail(stmt.loc, "the model unrolls to more than 5000000 operations");
    unpack(stmt.targets, stmt.targets.size() > 1, value, stmt.loc, scope, member);
    if (std::optional<Value> result = exec(stmt.body, scope, member))
      return result;
  }
  return std::nullopt;
}

} // namespace colo::model
