//===- Import.cpp - from a model file to the colo dialect -------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The whole import: choose and make the Model, interpret its forward in the
// entry function, then declare the parameters that were found and say which
// of them weight decay spares.
//
//===----------------------------------------------------------------------===//

#include "Importer.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "llvm/ADT/ScopeExit.h"

using namespace llvm;
using mlir::func::FuncOp;

namespace colo::model {

Importer::Importer(mlir::MLIRContext &context, SourceMgr &sources, const ModelOptions &options)
    : context(context), sources(sources), options(options), diagnostics(sources), isF64(options.f64),
      entryBuilder(&context), globals(&standard) {}

/// Classes, functions and constants of a file, in order.
void Importer::declare(const File &file, Scope &scope) {
  for (const StmtPtr &stmt : file.body) {
    if (auto *definition = dyn_cast<ClassStmt>(stmt.get())) {
      if (Value *earlier = scope.find(definition->name); earlier && scope.names.count(definition->name)) {
        SmallVector<DiagnosticNote, 1> notes;
        if (auto *other = earlier->get<ClassValue>())
          notes.push_back({other->definition->nameLoc, "it is defined here"});
        fail(definition->nameLoc, "there is already a '" + definition->name + "' in this file", notes);
      }
      checkNoParameterIsReserved(*definition);
      scope.names[definition->name] = ClassValue{definition, &scope};
      continue;
    }
    exec(*stmt, scope, nullptr);
  }
}

const ClassStmt *Importer::chooseModel(const File &file, unsigned fileId) {
  SmallVector<const ClassStmt *> models;
  SmallVector<StringRef> names;
  for (const StmtPtr &stmt : file.body) {
    auto *definition = dyn_cast<ClassStmt>(stmt.get());
    if (!definition)
      continue;
    if (definition->base != "Model" && definition->base != "Module")
      fail(definition->baseLoc, "class " + definition->name + " must begin with its kind: Model, or Module for a part" +
                                    didYouMean(definition->base, {"Model", "Module"}));
    if (definition->base == "Model") {
      if (const auto *same = llvm::find(names, StringRef(definition->name)); same != names.end())
        fail(definition->nameLoc, "there are two Models named '" + definition->name + "'; give them two names",
             {{models[same - names.begin()]->nameLoc, "the first is here"}});
      models.push_back(definition);
      names.push_back(definition->name);
    }
  }
  SMLoc start = SMLoc::getFromPointer(sources.getMemoryBuffer(fileId)->getBufferStart());
  if (!options.modelName.empty()) {
    for (const ClassStmt *candidate : models)
      if (candidate->name == options.modelName)
        return candidate;
    fail(start, "the file has no Model named '" + options.modelName + "'" + didYouMean(options.modelName, names) +
                    (names.empty() ? "" : "; it has " + joinNames(names)));
  }
  if (models.empty())
    fail(start, "the file has no Model: write 'class NAME(Model, size=…):' with a forward that returns the loss");
  if (models.size() > 1)
    fail(models[1]->nameLoc, "the file has several Models, " + joinNames(names) + "; choose one with --model=NAME",
         {{models[0]->nameLoc, "the first is here"}});
  return models.front();
}

static StringRef kindOf(const Value &value) {
  return value.is<Size>() ? "an integer" : value.is<Real>() ? "a number" : value.is<bool>() ? "True or False" : "text";
}

Value Importer::valueOf(const ModelValue &given, StringRef name) {
  return std::visit(
      [&](const auto &held) -> Value {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, int64_t>)
          return Size{held, name.str()};
        else if constexpr (std::is_same_v<T, double>)
          return Real(held, name.str());
        else
          return held;
      },
      given);
}

Value Importer::defineValue(const ClassStmt &model, const Parameter &parameter, const Sourced<ModelValue> &given,
                            const Value &byDefault) {
  Value value = valueOf(given.value, parameter.name);
  bool fits =
      byDefault.isNone() || byDefault.data.index() == value.data.index() || (byDefault.is<Real>() && value.is<Size>());
  if (!fits)
    fail(given.loc, "'" + parameter.name + "' must be " + kindOf(byDefault) + ", but this is " + value.describe(),
         {{parameter.loc, "the parameter of " + model.name}});
  if (byDefault.is<Real>() && value.is<Size>())
    return Real(value.number(), parameter.name);
  return value;
}

std::shared_ptr<Module> Importer::makeModel(const ClassStmt &definition) {
  SmallVector<StringRef> names;
  for (const Parameter &parameter : definition.parameters)
    names.push_back(parameter.name);
  names.push_back(kCheckpointArgument);
  for (const auto &[name, given] : options.defines)
    if (!is_contained(names, name))
      fail(given.nameLoc,
           "Model " + definition.name + " has no parameter '" + name + "'" + didYouMean(name, names) + "; it has " +
               joinNames(names),
           {{definition.nameLoc, "the Model"}});
  Arguments arguments;
  for (const Parameter &parameter : definition.parameters) {
    auto given = options.defines.find(parameter.name);
    if (given == options.defines.end()) {
      if (!parameter.value)
        fail(parameter.loc, "parameter '" + parameter.name +
                                "' of the Model has no value: give it a default, or set it with "
                                "'-D " +
                                parameter.name + "=…' or the config's model=dict(" + parameter.name + "=…)");
      continue;
    }
    Value byDefault = parameter.value ? eval(*parameter.value, globals) : Value();
    Value value = defineValue(definition, parameter, given->second, byDefault);
    arguments.given.push_back({parameter.name, {value, given->second.loc}});
  }
  if (auto given = options.defines.find(kCheckpointArgument.str()); given != options.defines.end())
    arguments.given.push_back({given->first, {valueOf(given->second.value, ""), given->second.loc}});
  Value made = instantiate(ClassValue{&definition, &globals}, std::move(arguments), definition.nameLoc);
  return *made.get<std::shared_ptr<Module>>();
}

/// Types the inputs of the Model's forward.
static mlir::Type elementTypeOf(const TypeValue &type, mlir::Builder &builder, mlir::Type floatType) {
  switch (type.kind) {
  case TypeValue::Kind::Float:
    return floatType;
  case TypeValue::Kind::Int:
    return builder.getI32Type();
  case TypeValue::Kind::Bool:
    return builder.getI1Type();
  }
  llvm_unreachable("all kinds are handled");
}

void Importer::buildEntry() {
  FunctionValue forward = forwardOf(*model, model->definition->nameLoc);
  const FunctionStmt &definition = *forward.definition;
  SmallVector<mlir::Type> types;
  std::vector<BoundArgument> arguments;
  for (const Parameter &parameter : definition.parameters) {
    if (!parameter.annotation)
      fail(parameter.loc,
           "the Model's inputs are typed: write '" + parameter.name + ": int32[batch, …]' or 'float32[batch, …]'");
    Value annotation = eval(*parameter.annotation, model->scope);
    auto *type = annotation.get<TypeValue>();
    if (!type || !type->isShaped)
      fail(parameter.annotation->loc, "an input's type is int32[…], float32[…] or bool[…] with its sizes");
    if (type->dims.empty() || !type->dims[0].batch)
      fail(parameter.annotation->loc, "the first size of an input is 'batch', the rows of a micro-batch");
    SmallVector<int64_t> shape;
    for (const Size &dim : type->dims)
      shape.push_back(dim.value);
    types.push_back(mlir::RankedTensorType::get(shape, elementTypeOf(*type, entryBuilder, floatType())));
    Tensor tensor;
    tensor.dims = type->dims;
    tensor.input = inputs.size();
    inputs.push_back({parameter.name});
    arguments.push_back({tensor, parameter.loc});
  }
  if (types.empty())
    fail(definition.nameLoc, "the Model's forward takes no input");

  mlir::Location location = locate(definition.loc);
  auto function = FuncOp::create(location, model->definition->name, entryBuilder.getFunctionType(types, {}));
  program->push_back(function);
  symbols->insert(function);
  Body storage(function);
  mlir::Block *block = function.addEntryBlock();
  storage.builder.setInsertionPointToStart(block);
  body = entry = &storage;
  auto leave = make_scope_exit([&] { body = entry = nullptr; });
  for (auto [argument, value] : zip(block->getArguments(), arguments)) {
    argument.setLoc(location);
    value.value.get<Tensor>()->value = argument;
  }
  Value result = runFunction(forward, std::move(arguments), definition.nameLoc, /*isModule=*/true);
  returnMetrics(result, returnLoc);
  storage.builder.create<mlir::func::ReturnOp>(location);
  function->setAttr(kRoleAttr, entryBuilder.getStringAttr("entry"));
  for (auto [argument, parameter] : zip(block->getArguments(), definition.parameters))
    if (argument.use_empty())
      diagnostics.warning(parameter.loc, "input '" + parameter.name + "' is never read");
  setInputAttributes();
  emitParams(*model, 1);
  exemptFromDecay();
  reportUnusedCheckpoints();
}

void Importer::emitMetric(StringRef name, const Value &value, SMLoc loc) {
  auto *tensor = value.get<Tensor>();
  if (!tensor || !tensor->isShare)
    fail(loc, "the " + Twine(name == "loss" ? "loss" : "metric '" + name.str() + "'") +
                  " must be a mean over the batch, such as cross_entropy, mse_loss, accuracy or mean; this is " +
                  value.describe());
  builder().create<MetricOp>(locate(loc), name, tensor->value);
}

/// Names that a record of EXE --log has beside those of metrics.
static bool isNameOfLog(StringRef name) {
  return name.starts_with("eval_") || is_contained({"step", "lr", "grad_norm", "tokens_per_s"}, name);
}

void Importer::returnMetrics(const Value &result, SMLoc loc) {
  auto *dictionary = result.get<std::shared_ptr<DictValue>>();
  if (!dictionary)
    return emitMetric("loss", result, loc);
  auto &entries = (*dictionary)->entries;
  auto isLoss = [](const auto &entry) { return entry.first == "loss"; };
  if (none_of(entries, isLoss))
    fail(loc, "the dict that forward returns has no 'loss'");
  for (auto [i, entry] : enumerate(entries)) {
    if (isNameOfLog(entry.first))
      fail((*dictionary)->locs[i], "a metric cannot be called '" + Twine(entry.first) +
                                       "': the log of a run has step, lr, grad_norm, tokens_per_s and eval_… itself");
    emitMetric(entry.first, entry.second, (*dictionary)->locs[i]);
  }
}

void Importer::setInputAttributes() {
  FuncOp function = entry->function;
  for (auto [i, input] : enumerate(inputs)) {
    function.setArgAttr(i, kInputAttr, entryBuilder.getStringAttr(input.name));
    if (input.classes)
      function.setArgAttr(i, kClassesAttr, entryBuilder.getI64IntegerAttr(input.classes));
    if (input.ignores && !input.indexes)
      function.setArgAttr(i, kIgnoreIndexAttr, entryBuilder.getI64IntegerAttr(input.ignoreIndex));
  }
}

int Importer::chooseIds(ArrayRef<Value> candidates) {
  IdChoice choice;
  for (const Value &candidate : candidates) {
    if (auto *number = candidate.get<Size>())
      choice.numbers.push_back(number->value);
    else if (auto *ids = candidate.get<Tensor>(); ids && ids->input >= 0)
      choice.ids.push_back(ids->input);
  }
  choices.push_back(std::move(choice));
  return kFirstChoice + static_cast<int>(choices.size()) - 1;
}

void Importer::constrainIds(const Tensor &tensor, int64_t classes, std::optional<int64_t> ignoreIndex, SMLoc loc) {
  if (tensor.input >= kFirstChoice) {
    const IdChoice choice = choices[tensor.input - kFirstChoice];
    std::string legal = "[0, " + std::to_string(classes) + ")";
    if (ignoreIndex)
      legal += " or be " + std::to_string(*ignoreIndex);
    for (int64_t number : choice.numbers)
      if ((number < 0 || number >= classes) && number != ignoreIndex)
        fail(loc, "one of these ids is the number " + Twine(number) + ", but they must lie in " + legal);
    for (int ids : choice.ids) {
      Tensor part = tensor;
      part.input = ids;
      constrainIds(part, classes, ignoreIndex, loc);
    }
    return;
  }
  if (tensor.input < 0)
    return;
  InputInfo &input = inputs[tensor.input];
  input.classes = input.classes ? std::min(input.classes, classes) : classes;
  if (ignoreIndex) {
    input.ignores = true;
    input.ignoreIndex = *ignoreIndex;
  } else {
    input.indexes = true;
  }
}

int64_t Importer::nextRandomId(SMLoc loc) {
  if (randomIds >= 65535)
    fail(loc, "the model draws random numbers in more than 65535 places");
  return randomIds++;
}

//===----------------------------------------------------------------------===//
// Parameters
//===----------------------------------------------------------------------===//

std::string Importer::symbolOf(const Param &param) const {
  std::string name = param.name;
  for (const Module *module = param.owner; module->parent; module = module->parent) {
    bool isStacked = module->run && module->run->use == ListValue::Use::Stacked;
    name = (Twine(isStacked ? module->run->name : module->name) + (isStacked ? ".#." : ".") + name).str();
  }
  return name;
}

void Importer::emitParam(Param &param, int64_t layers) {
  if (!param.isUsed) {
    diagnostics.warning(userLoc(param), "parameter '" + symbolOf(param) + "' is never used and is left out");
    return;
  }
  SmallVector<int64_t> shape;
  for (const Size &dim : param.shape)
    shape.push_back(dim.value);
  InitKind kind = InitKind::Uniform;
  if (param.init.kind == InitSpec::Kind::Normal)
    kind = InitKind::Normal;
  else if (param.init.kind == InitSpec::Kind::Constant)
    kind = param.init.a == 0 ? InitKind::Zeros : param.init.a == 1 ? InitKind::Ones : InitKind::Constant;
  auto init = InitAttr::get(&context, kind, entryBuilder.getF64FloatAttr(param.init.a),
                            entryBuilder.getF64FloatAttr(param.init.b));
  mlir::OpBuilder builder(entry->function);
  auto type = mlir::RankedTensorType::get(shape, floatType());
  auto op = builder.create<ParamOp>(locate(param), symbolOf(param), type, shape, param.fileShape, init, layers,
                                    /*first_layer=*/0, /*decay=*/true, /*read_as=*/mlir::TypeAttr(), mlir::ArrayAttr(),
                                    mlir::ArrayAttr());
  declared.push_back({op, &param});
}

void Importer::emitParams(Module &module, int64_t layers) {
  for (const std::shared_ptr<Param> &param : module.params)
    emitParam(*param, layers);
  for (Module *child : module.children) {
    bool isStacked = child->run && child->run->use == ListValue::Use::Stacked;
    // All layers of a run are its first: the others declare nothing.
    if (isStacked && child != child->run->elements.front().module())
      continue;
    emitParams(*child, isStacked ? child->run->elements.size() : layers);
  }
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

mlir::OwningOpRef<mlir::ModuleOp> Importer::run(const File &prelude, unsigned preludeId, const File &file,
                                                unsigned fileId) {
  this->preludeId = preludeId;
  standard.names[kBatchName] = Size{options.batch, kBatchName.str(), true};
  standard.names["float32"] = TypeValue{TypeValue::Kind::Float};
  standard.names["int32"] = TypeValue{TypeValue::Kind::Int};
  standard.names["bool"] = TypeValue{TypeValue::Kind::Bool};
  declare(prelude, standard);
  const ClassStmt *definition = chooseModel(file, fileId);
  declare(file, globals);
  modelLoc = definition->nameLoc;
  program = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  program.get()->setAttr(kModelAttr, entryBuilder.getStringAttr(definition->name));
  symbols = std::make_unique<mlir::SymbolTable>(*program);
  model = makeModel(*definition);
  buildEntry();
  return std::move(program);
}

} // namespace colo::model
