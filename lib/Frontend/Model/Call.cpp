//===- Call.cpp - calls of functions, classes and modules -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "Intrinsics.h"
#include "llvm/ADT/ScopeExit.h"

using namespace llvm;

namespace colo::model {

Value Importer::call(const Value &callee, Arguments arguments, SMLoc loc, StringRef calleeName) {
  if (auto *function = callee.get<FunctionValue>())
    return callFunction(*function, std::move(arguments), loc, calleeName);
  if (auto *definition = callee.get<ClassValue>())
    return instantiate(*definition, std::move(arguments), loc);
  if (auto *module = callee.get<std::shared_ptr<Module>>())
    return callModule(*module, std::move(arguments), loc);
  if (auto *checkpoint = callee.get<CheckpointValue>())
    return callCheckpoint(checkpoint->module, std::move(arguments), loc);
  fail(loc, "'" + calleeName + "' cannot be called: it is " + callee.describe());
}

std::vector<BoundArgument> Importer::bindArguments(ArrayRef<Parameter> parameters, Arguments arguments, Scope &scope,
                                                   SMLoc loc, const Twine &callee, SMLoc declared, bool renameSizes) {
  SmallVector<StringRef> names;
  for (const Parameter &parameter : parameters)
    names.push_back(parameter.name);
  std::string takes = parameters.empty() ? "it takes none" : "it takes " + joinNames(names);
  SmallVector<DiagnosticNote, 1> note;
  if (!inPrelude(declared))
    note.push_back({declared, "declared here"});

  std::vector<std::optional<BoundArgument>> bound(parameters.size());
  for (auto [i, entry] : enumerate(arguments.given)) {
    auto &[name, argument] = entry;
    size_t index = i;
    if (!name.empty()) {
      index = find(names, name) - names.begin();
      if (index == names.size())
        fail(argument.loc, callee + " has no argument '" + name + "'" + didYouMean(name, names) + "; " + takes, note);
      if (bound[index])
        fail(argument.loc, "argument '" + name + "' of " + callee + " is given twice", note);
    } else if (i >= parameters.size()) {
      fail(argument.loc,
           callee + " takes at most " + Twine(parameters.size()) +
               (parameters.size() == 1 ? " argument, but " : " arguments, but ") + Twine(arguments.given.size()) +
               " are given; " + takes,
           note);
    }
    bound[index] = argument;
  }
  std::vector<BoundArgument> result;
  for (auto [parameter, argument] : zip(parameters, bound)) {
    if (!argument && !parameter.value)
      fail(loc, callee + " needs a value for '" + parameter.name + "'; " + takes, note);
    if (!argument)
      argument = BoundArgument{eval(*parameter.value, scope), loc};
    if (auto *size = argument->value.get<Size>(); size && renameSizes && !size->batch)
      size->text = parameter.name;
    scope.names[parameter.name] = argument->value;
    result.push_back(*argument);
  }
  return result;
}

/// A standard function whose body is its description alone is the compiler's.
static bool isIntrinsic(const FunctionStmt &definition) {
  return all_of(definition.body, [](const StmtPtr &stmt) { return stmt->kind == Stmt::Kind::Expression; });
}

Value Importer::callFunction(const FunctionValue &function, Arguments arguments, SMLoc loc, StringRef name) {
  const FunctionStmt &definition = *function.definition;
  Scope scope(function.closure);
  std::vector<BoundArgument> bound = bindArguments(definition.parameters, std::move(arguments), scope, loc,
                                                   definition.name + "()", definition.nameLoc, false);
  if (inPrelude(definition.loc) && isIntrinsic(definition))
    return runIntrinsic(*this, definition.name, bound, loc);
  return runFunction(function, std::move(bound), loc, /*isModule=*/false);
}

Value Importer::runFunction(const FunctionValue &function, std::vector<BoundArgument> arguments, SMLoc loc,
                            bool isModule) {
  const FunctionStmt &definition = *function.definition;
  constexpr size_t maxCalls = 100;
  if (frames.size() >= maxCalls)
    fail(loc, "calls are nested more than " + Twine(maxCalls) + " deep; does '" + definition.name + "' call itself?");
  Scope scope(function.closure);
  for (auto [parameter, argument] : zip(definition.parameters, arguments))
    scope.names[parameter.name] = argument.value;
  frames.push_back({loc, isModule ? function.self : nullptr, isModule});
  auto leave = make_scope_exit([&] { frames.pop_back(); });
  std::optional<Value> result = exec(definition.body, scope, nullptr);
  if (!result)
    fail(definition.nameLoc, "'" + definition.name + "' ends without a return");
  return *result;
}

FunctionValue Importer::forwardOf(Module &module, SMLoc loc) {
  auto found = module.scope.names.find("forward");
  auto *forward = found == module.scope.names.end() ? nullptr : found->second.get<FunctionValue>();
  if (!forward)
    fail(loc, "class " + module.definition->name + " has no 'def forward'",
         {{module.definition->nameLoc, "the class is here"}});
  for (const Parameter &parameter : forward->definition->parameters)
    if (parameter.name == "self")
      fail(parameter.loc, "there is no 'self'; the names of the class body are used directly");
  return *forward;
}

Value Importer::instantiate(const ClassValue &callee, Arguments arguments, SMLoc loc) {
  const ClassStmt &definition = *callee.definition;
  if (body)
    fail(loc, "modules are made in the class body, not while forward runs");
  if (is_contained(making, &definition))
    fail(loc, "class " + definition.name + " contains itself", {{definition.nameLoc, "the class is here"}});
  if (modules.size() >= 100000)
    fail(loc, "the model has more than 100000 modules");
  auto module = std::make_shared<Module>(callee.closure);
  modules.push_back(module);
  module->definition = &definition;
  module->isStandard = inPrelude(definition.loc);
  module->loc = loc;
  if (!model && definition.base == "Model")
    model = module;
  else if (definition.base == "Model")
    fail(loc, definition.name + " is a Model; the parts of a model are Modules");

  takeCheckpoint(*module, arguments);
  std::vector<BoundArgument> bound = bindArguments(definition.parameters, std::move(arguments), module->scope, loc,
                                                   definition.name, definition.nameLoc, !module->isStandard);
  module->key = std::to_string(reinterpret_cast<uintptr_t>(&definition)) + ":";
  for (const BoundArgument &argument : bound)
    if (!argument.value.appendKey(module->key)) {
      module->key.clear();
      break;
    }
  if (module->checkpoint && !module->key.empty())
    module->key += "checkpoint" + std::to_string(static_cast<int>(module->checkpoint->recompute));
  making.push_back(&definition);
  frames.push_back({loc, module.get(), false});
  auto leave = make_scope_exit([&] {
    frames.pop_back();
    making.pop_back();
  });
  exec(definition.body, module->scope, module.get());
  return module;
}

} // namespace colo::model
