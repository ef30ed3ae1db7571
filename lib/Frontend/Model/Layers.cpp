//===- Layers.cpp - modules as functions, equal layers as runs --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each distinct module of the user that the Model's forward calls is one
// function, whatever its depth in a list; what that function calls is inlined.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"

using namespace llvm;
using mlir::func::FuncOp;

namespace colo::model {
namespace {

/// Adds the tensors in `value` in order; false if it holds what a function
/// cannot return.
bool collectTensors(Importer &importer, const Value &value, SMLoc loc, SmallVectorImpl<Tensor> &tensors) {
  if (value.isTensorLike()) {
    tensors.push_back(importer.tensor(value, loc));
    return true;
  }
  if (ListValue *list = value.list())
    return all_of(list->elements,
                  [&](const Value &element) { return collectTensors(importer, element, loc, tensors); });
  return !value.module() && !value.is<std::shared_ptr<DictValue>>() && !value.is<FunctionValue>() &&
         !value.is<ClassValue>();
}

/// The same value with its tensors replaced, in order, by those at `next`.
Value replaceTensors(const Value &value, ArrayRef<Tensor> &next) {
  if (value.isTensorLike()) {
    Value result = next.front();
    next = next.drop_front();
    return result;
  }
  ListValue *list = value.list();
  if (!list)
    return value;
  auto copy = std::make_shared<ListValue>();
  copy->isTuple = list->isTuple;
  for (const Value &element : list->elements)
    copy->elements.push_back(replaceTensors(element, next));
  return copy;
}

void collectAssigned(const Block &block, SetVector<StringRef> &names, bool &returns) {
  for (const StmtPtr &stmt : block) {
    if (auto *assign = dyn_cast<AssignStmt>(stmt.get())) {
      for (const Target &target : assign->targets)
        names.insert(target.name);
    } else if (auto *augmented = dyn_cast<AugmentedStmt>(stmt.get())) {
      names.insert(augmented->target.name);
    } else if (auto *choice = dyn_cast<IfStmt>(stmt.get())) {
      collectAssigned(choice->then, names, returns);
      collectAssigned(choice->otherwise, names, returns);
    } else if (auto *loop = dyn_cast<ForStmt>(stmt.get())) {
      for (const Target &target : loop->targets)
        names.insert(target.name);
      collectAssigned(loop->body, names, returns);
    } else if (isa<ReturnStmt>(stmt.get())) {
      returns = true;
    }
  }
}

} // namespace

//===----------------------------------------------------------------------===//
// Values of the function under construction
//===----------------------------------------------------------------------===//

Tensor Importer::tensor(const Value &value, SMLoc loc) {
  if (!body)
    fail(loc, "tensors are computed in forward, not in the class body");
  if (Param *param = value.param()) {
    Tensor result;
    result.dims = param->shape;
    result.value = paramValue(*param);
    return result;
  }
  auto *known = value.get<Tensor>();
  if (!known)
    fail(loc, "a tensor is needed here, not " + value.describe());
  Tensor result = *known;
  result.value = capture(result.value);
  return result;
}

/// A module of a list, called or read on its own, has parameters of its own.
void Importer::useAlone(Module &module, SMLoc loc) {
  for (Module *at = &module; at; at = at->parent) {
    if (!at->run)
      continue;
    if (at->run->use == ListValue::Use::Stacked)
      fail(loc, "list '" + at->run->name +
                    "' runs as equal layers in a loop above, so its modules cannot be used one by one");
    at->run->use = ListValue::Use::Single;
  }
}

/// The function's own name for a value of the entry function.
mlir::Value Importer::capture(mlir::Value value) {
  if (body == entry || value.getParentRegion() != &entry->function.getBody())
    return value;
  auto [it, isNew] = body->captures.insert({value, nullptr});
  if (isNew) {
    mlir::Block &block = body->function.getBody().front();
    it->second = block.insertArgument(body->numInputs + body->captures.size() - 1, value.getType(), value.getLoc());
  }
  return it->second;
}

mlir::Value Importer::paramValue(Param &param) {
  param.isUsed = true;
  bool isOwn = body != entry && isInside(param.owner, body->root);
  if (!isOwn && body != entry) {
    Body *inner = body;
    body = entry;
    mlir::Value outer = paramValue(param);
    body = inner;
    return capture(outer);
  }
  auto [it, isNew] = body->params.insert({&param, nullptr});
  if (!isNew)
    return it->second;
  SmallVector<int64_t> shape;
  for (const Size &dim : param.shape)
    shape.push_back(dim.value);
  auto type = mlir::RankedTensorType::get(shape, floatType());
  mlir::Block &block = body->function.getBody().front();
  if (isOwn)
    return it->second = block.addArgument(type, locate(param));
  useAlone(*param.owner, param.loc);
  // References stand first, in order of use, so that every use comes after them.
  mlir::OpBuilder::InsertionGuard guard(body->builder);
  body->builder.setInsertionPointToStart(&block);
  if (body->lastRef)
    body->builder.setInsertionPointAfter(body->lastRef);
  body->lastRef = body->builder.create<ParamRefOp>(locate(param), type, symbolOf(param));
  return it->second = body->lastRef->getResult(0);
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

std::unique_ptr<Body> Importer::startFunction(Module &root, ArrayRef<Tensor> inputs) {
  mlir::OpBuilder outside(entry->function);
  mlir::Location location = locate(root.definition->loc);
  SmallVector<mlir::Type> types;
  for (const Tensor &input : inputs)
    types.push_back(input.value.getType());
  auto function = outside.create<FuncOp>(location, root.definition->name, outside.getFunctionType(types, {}));
  function.setPrivate();
  symbols->insert(function);
  auto result = std::make_unique<Body>(function);
  mlir::Block *block = function.addEntryBlock();
  for (mlir::BlockArgument argument : block->getArguments())
    argument.setLoc(location);
  result->builder.setInsertionPointToStart(block);
  result->root = &root;
  result->numInputs = inputs.size();
  return result;
}

void Importer::finishFunction(Body &done, ArrayRef<Tensor> results) {
  SmallVector<mlir::Value> values;
  SmallVector<mlir::Type> types;
  for (const Tensor &result : results) {
    values.push_back(result.value);
    types.push_back(result.value.getType());
  }
  FuncOp function = done.function;
  done.builder.create<mlir::func::ReturnOp>(function.getLoc(), values);
  mlir::Block &block = function.getBody().front();
  function.setFunctionType(done.builder.getFunctionType(block.getArgumentTypes(), types));
  size_t first = done.numInputs + done.captures.size();
  for (auto [i, entry] : enumerate(done.params))
    function.setArgAttr(first + i, kParamArgAttr, done.builder.getStringAttr(pathOf(*entry.first, done.root)));
}

void Importer::discard(Body &failed) { symbols->erase(failed.function); }

/// Interprets a module's forward in a function of its own. Its `function` is
/// null if it must be inlined: it makes a mean over the batch, or returns what
/// functions cannot.
ModuleFunction Importer::buildModuleFunction(Module &module, const FunctionValue &forward,
                                             std::vector<BoundArgument> arguments, ArrayRef<Tensor> inputs, SMLoc loc) {
  ModuleFunction result;
  std::unique_ptr<Body> own = startFunction(module, inputs);
  mlir::Block &block = own->function.getBody().front();
  SmallVector<Tensor> arrived;
  for (auto [input, argument] : zip(inputs, block.getArguments())) {
    arrived.push_back(input);
    arrived.back().value = argument;
  }
  ArrayRef<Tensor> next = arrived;
  for (BoundArgument &argument : arguments)
    argument.value = replaceTensors(argument.value, next);

  body = own.get();
  auto leave = make_scope_exit([&] { body = entry; });
  result.result = runFunction(forward, std::move(arguments), loc, /*isModule=*/true);
  SmallVector<Tensor> results;
  if (own->hasMean || !collectTensors(*this, result.result, loc, results)) {
    discard(*own);
    return ModuleFunction();
  }
  finishFunction(*own, results);
  result.function = own->function;
  for (auto &entry : own->params)
    result.params.push_back(pathOf(*entry.first, &module));
  for (auto &entry : own->captures)
    result.captures.push_back(entry.first);
  return result;
}

static Param *findParam(Module &module, StringRef path) {
  for (const std::shared_ptr<Param> &param : module.params)
    if (param->name == path)
      return param.get();
  for (Module *child : module.children) {
    StringRef rest = path;
    if (rest.consume_front(child->name) && rest.consume_front("."))
      if (Param *found = findParam(*child, rest))
        return found;
  }
  return nullptr;
}

Value Importer::callModuleFunction(ModuleFunction &callee, Module &module, ArrayRef<Tensor> inputs, SMLoc loc) {
  SmallVector<mlir::Value> operands;
  for (const Tensor &input : inputs)
    operands.push_back(input.value);
  append_range(operands, callee.captures);
  SmallVector<mlir::Attribute> params;
  for (const std::string &path : callee.params) {
    Param *param = findParam(module, path);
    param->isUsed = true;
    params.push_back(mlir::FlatSymbolRefAttr::get(&context, symbolOf(*param)));
  }
  frames.push_back({loc, &module, true});
  auto leave = make_scope_exit([&] { frames.pop_back(); });
  auto call = builder().create<CallOp>(locate(loc), callee.function.getResultTypes(), callee.function.getSymName(),
                                       operands, builder().getArrayAttr(params), callee.calls++);
  SmallVector<Tensor> before, after;
  collectTensors(*this, callee.result, loc, before);
  for (auto [tensor, result] : zip(before, call.getOutputs())) {
    after.push_back(tensor);
    after.back().value = result;
    after.back().input = -1;
  }
  ArrayRef<Tensor> next = after;
  return replaceTensors(callee.result, next);
}

/// Interprets a module's forward as part of the function under construction.
Value Importer::inlineModule(const FunctionValue &forward, std::vector<BoundArgument> arguments, Recompute recompute,
                             SMLoc loc, bool &marks) {
  // What follows here is the module's.
  mlir::Block &block = *body->builder.getInsertionBlock();
  mlir::Operation *last = block.empty() ? nullptr : &block.back();
  Value result = runFunction(forward, std::move(arguments), loc, /*isModule=*/true);
  if (recompute == Recompute::Nothing)
    return result;
  SmallVector<Tensor> results;
  collectTensors(*this, result, loc, results);
  mlir::Block::iterator first = last ? std::next(last->getIterator()) : block.begin();
  marks |= markRecomputed(recompute, first, block.end(), results);
  return result;
}

std::optional<std::string> Importer::keyOfCall(const Module &module, ArrayRef<BoundArgument> arguments,
                                               Recompute recompute, SmallVectorImpl<Tensor> &inputs) {
  std::string key = module.key.empty() ? "#" + std::to_string(reinterpret_cast<uintptr_t>(&module)) : module.key;
  if (recompute != Recompute::Nothing)
    key += "|checkpoint" + std::to_string(static_cast<int>(recompute));
  for (const BoundArgument &argument : arguments) {
    size_t before = inputs.size();
    if (!collectTensors(*this, argument.value, argument.loc, inputs))
      return std::nullopt;
    for (const Tensor &input : ArrayRef(inputs).drop_front(before)) {
      llvm::raw_string_ostream(key) << "|" << input.value.getType() << (input.isShare ? "s" : "");
      // Ids of an input of the model constrain that input.
      if (input.elementType().isInteger(32))
        key += std::to_string(input.input);
      for (const Size &dim : input.dims)
        key += dim.batch ? "b" : "-";
    }
    if (inputs.size() == before && !argument.value.appendKey(key))
      return std::nullopt;
  }
  return key;
}

Value Importer::callModule(const std::shared_ptr<Module> &module, Arguments given, SMLoc loc, Recompute asked) {
  if (!body)
    fail(loc, "modules are called in forward, not in the class body");
  Checkpoint unsaid{asked, loc, module.get()};
  Checkpoint *said = checkpointOf(*module);
  Checkpoint &checkpoint = said && said->recompute >= asked ? *said : unsaid;
  checkpoint.isCalled = true;
  if (said && &checkpoint != said)
    said->isCalled = said->marks = true; // more than it says is done here
  FunctionValue forward = forwardOf(*module, loc);
  Scope scope(forward.closure);
  std::vector<BoundArgument> arguments =
      bindArguments(forward.definition->parameters, std::move(given), scope, loc,
                    module->definition->name + ".forward()", forward.definition->nameLoc, false);
  if (body == entry)
    useAlone(*module, loc);
  bool isRecomputed = checkpoint.recompute != Recompute::Nothing;
  if (body != entry || (module->isStandard && !isRecomputed))
    return inlineModule(forward, std::move(arguments), checkpoint.recompute, loc, checkpoint.marks);
  auto inlined = [&] {
    SmallVector<DiagnosticNote, 1> note;
    if (&checkpoint == said)
      note.push_back({said->loc, "the checkpoint is asked for here"});
    if (isRecomputed)
      fail(loc, "a checkpoint needs a module of tensors and sizes alone that computes no mean over the batch", note);
    return runFunction(forward, std::move(arguments), loc, /*isModule=*/true);
  };

  SmallVector<Tensor> inputs;
  std::optional<std::string> key = keyOfCall(*module, arguments, checkpoint.recompute, inputs);
  if (!key)
    return inlined();
  auto found = functions.find(*key);
  if (found == functions.end()) {
    ModuleFunction made = buildModuleFunction(*module, forward, arguments, inputs, loc);
    SmallVector<Tensor> results;
    if (made.function && isRecomputed && collectTensors(*this, made.result, loc, results)) {
      mlir::Block &block = made.function.getBody().front();
      made.marks = markRecomputed(checkpoint.recompute, block.begin(), std::prev(block.end()), results);
    }
    found = functions.emplace(*key, std::move(made)).first;
  }
  if (!found->second.function)
    return inlined();
  checkpoint.marks |= found->second.marks;
  return callModuleFunction(found->second, *module, inputs, loc);
}

//===----------------------------------------------------------------------===//
// Runs of equal layers
//===----------------------------------------------------------------------===//

/// Is this a loop in the Model's forward over a class member that is a list of
/// equal modules?
bool Importer::isRun(const ForStmt &stmt, const Value &iterable) {
  ListValue *list = iterable.list();
  if (!body || body != entry || !list || !list->owner || list->elements.empty() || stmt.targets.size() != 1 ||
      list->use == ListValue::Use::Single)
    return false;
  Module *first = list->elements.front().module();
  return first && !first->key.empty() && all_of(list->elements, [&](const Value &element) {
           return element.module() && element.module()->run == list && element.module()->key == first->key;
         });
}

/// What the iterations hand on: the names known before the loop that its body
/// assigns. False if one of them is not a tensor that a run can carry.
static bool collectCarried(Importer &importer, const SetVector<StringRef> &assigned, Scope &scope, SMLoc loc,
                           SmallVectorImpl<StringRef> &names, SmallVectorImpl<Tensor> &carried) {
  for (StringRef name : assigned) {
    auto known = scope.names.find(name);
    if (known == scope.names.end())
      continue;
    if (!known->second.isTensorLike())
      return false;
    names.push_back(name);
    carried.push_back(importer.tensor(known->second, loc));
    carried.back().input = -1;
    if (carried.back().isShare)
      return false;
  }
  return true;
}

/// Builds one function from the loop's body and calls it once a layer. False,
/// with nothing changed, if iterations would differ: the caller unrolls.
bool Importer::tryLayers(const ForStmt &stmt, ListValue &run, Scope &scope) {
  SetVector<StringRef> assigned;
  bool returns = false;
  collectAssigned(stmt.body, assigned, returns);
  assigned.remove(stmt.targets[0].name);
  if (returns)
    return false;
  SmallVector<StringRef> carriedNames;
  SmallVector<Tensor> carried;
  if (!collectCarried(*this, assigned, scope, stmt.loc, carriedNames, carried))
    return false;

  Module &first = *run.elements.front().module();
  ListValue::Use before = run.use;
  run.use = ListValue::Use::Stacked;
  std::unique_ptr<Body> own = startFunction(first, carried);
  Scope inner(scope.parent);
  inner.names = scope.names;
  inner.names[stmt.targets[0].name] = run.elements.front();
  for (auto [name, tensor, argument] : zip(carriedNames, carried, own->function.getArguments())) {
    Tensor arrived = tensor;
    arrived.value = argument;
    inner.names[name] = arrived;
  }
  body = own.get();
  exec(stmt.body, inner, nullptr);
  SmallVector<Tensor> results;
  bool isSame = !own->hasMean;
  for (auto [name, tensor_] : zip(carriedNames, carried)) {
    const Value &after = inner.names[name];
    isSame = isSame && after.isTensorLike();
    if (!isSame)
      break;
    results.push_back(tensor(after, stmt.loc));
    isSame = results.back().value.getType() == tensor_.value.getType() && !results.back().isShare;
  }
  if (isSame)
    finishFunction(*own, results);
  body = entry;
  if (!isSame) {
    discard(*own);
    run.use = before;
    return false;
  }
  emitLayers(stmt, run, *own, carried, results);
  for (auto [name, result] : zip(carriedNames, results))
    scope.names[name] = result;
  for (StringRef name : assigned)
    if (!scope.names.count(name))
      loopLocals[name] = true;
  return true;
}

/// `results` come as the function's and leave as the run's.
void Importer::emitLayers(const ForStmt &stmt, ListValue &run, Body &own, ArrayRef<Tensor> carried,
                          MutableArrayRef<Tensor> results) {
  SmallVector<mlir::Value> operands, invariants;
  SmallVector<mlir::Type> types;
  for (const Tensor &tensor : carried) {
    operands.push_back(tensor.value);
    types.push_back(tensor.value.getType());
  }
  for (auto &entry : own.captures)
    invariants.push_back(entry.first);
  SmallVector<mlir::Attribute> params;
  for (auto &entry : own.params)
    params.push_back(mlir::FlatSymbolRefAttr::get(&context, symbolOf(*entry.first)));
  int64_t count = run.elements.size();
  frames.push_back({stmt.loc, run.elements.front().module(), true});
  auto leave = make_scope_exit([&] { frames.pop_back(); });
  auto layers = builder().create<LayersOp>(locate(stmt.loc), types, mlir::TypeRange(), mlir::TypeRange(),
                                           own.function.getSymName(), operands, invariants, mlir::ValueRange(),
                                           builder().getArrayAttr(params), count, /*first_layer=*/0, /*reverse=*/false);
  for (auto [result, value] : zip(results, layers.getCarriedOut())) {
    result.value = value;
    result.input = -1;
  }
}

} // namespace colo::model
