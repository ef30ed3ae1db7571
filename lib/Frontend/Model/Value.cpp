//===- Value.cpp - what expressions of the model language mean --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Value.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace colo::model {

std::string Size::describe() const {
  return text.empty() ? std::to_string(value) : text + " (" + std::to_string(value) + ")";
}

bool Tensor::hasBatch() const {
  return any_of(dims, [](const Size &dim) { return dim.batch; });
}

std::string describeShape(ArrayRef<Size> dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i)
    text += (i ? ", " : "") + dims[i].describe();
  return text + "]";
}

std::string Tensor::describe() const {
  StringRef name = isa<mlir::FloatType>(elementType()) ? "float32" : elementType().isInteger(1) ? "bool" : "int32";
  return name.str() + describeShape(dims);
}

Value *Scope::find(StringRef name) {
  for (Scope *scope = this; scope; scope = scope->parent)
    if (auto it = scope->names.find(name); it != scope->names.end()) {
      scope->read.insert(it->first);
      return &it->second;
    }
  return nullptr;
}

ListValue *Value::list() const {
  auto *pointer = get<std::shared_ptr<ListValue>>();
  return pointer ? pointer->get() : nullptr;
}
Module *Value::module() const {
  auto *pointer = get<std::shared_ptr<Module>>();
  return pointer ? pointer->get() : nullptr;
}
Param *Value::param() const {
  auto *pointer = get<std::shared_ptr<Param>>();
  return pointer ? pointer->get() : nullptr;
}
double Value::number() const {
  auto *size = get<Size>();
  return size ? static_cast<double>(size->value) : get<Real>()->value;
}

namespace {
struct Describe {
  std::string operator()(Value::None) const { return "None"; }
  std::string operator()(const Size &size) const { return "the integer " + size.describe(); }
  std::string operator()(const Real &real) const {
    SmallString<24> digits;
    APFloat(real.value).toString(digits);
    // Not an integer's text.
    bool isWhole = digits.str().find_first_not_of("-0123456789") == StringRef::npos;
    return "the number " + digits.str().str() + (isWhole ? ".0" : "");
  }
  std::string operator()(bool value) const { return value ? "True" : "False"; }
  std::string operator()(const std::string &value) const { return "the text \"" + value + "\""; }
  std::string operator()(const Tensor &tensor) const { return "a tensor " + tensor.describe(); }
  std::string operator()(const std::shared_ptr<ListValue> &list) const {
    return (list->isTuple ? "a tuple of " : "a list of ") + std::to_string(list->elements.size());
  }
  std::string operator()(const std::shared_ptr<DictValue> &) const { return "a dict"; }
  std::string operator()(const std::shared_ptr<Module> &module) const { return "a module " + module->definition->name; }
  std::string operator()(const CheckpointValue &value) const {
    return "a checkpoint of module " + value.module->definition->name;
  }
  std::string operator()(const std::shared_ptr<Param> &param) const {
    return "a parameter " + describeShape(param->shape);
  }
  std::string operator()(const FunctionValue &function) const { return "function '" + function.definition->name + "'"; }
  std::string operator()(const ClassValue &definition) const { return "class " + definition.definition->name; }
  std::string operator()(const InitSpec &) const { return "an initial value"; }
  std::string operator()(const TypeValue &) const { return "a type"; }
};

struct AppendKey {
  std::string &key;
  bool operator()(Value::None) const { return add("None"); }
  bool operator()(const Size &size) const { return add(std::to_string(size.value)); }
  bool operator()(const Real &real) const {
    uint64_t bits;
    memcpy(&bits, &real.value, sizeof(bits));
    return add("f" + utohexstr(bits));
  }
  bool operator()(bool value) const { return add(value ? "True" : "False"); }
  bool operator()(const std::string &value) const { return add("\"" + std::to_string(value.size()) + ":" + value); }
  bool operator()(const std::shared_ptr<ListValue> &list) const {
    key += list->isTuple ? "(" : "[";
    for (const Value &element : list->elements)
      if (!element.appendKey(key))
        return false;
    return add("]");
  }
  bool operator()(const InitSpec &init) const {
    add("init" + std::to_string(static_cast<int>(init.kind)));
    return (*this)(init.a) && (*this)(init.b);
  }
  template <typename T> bool operator()(const T &) const { return false; }

  bool add(StringRef text) const {
    key += text;
    key += ",";
    return true;
  }
};
} // namespace

std::string Value::describe() const { return std::visit(Describe{}, data); }
bool Value::appendKey(std::string &key) const { return std::visit(AppendKey{key}, data); }

std::string pathOf(const Module *module, const Module *root) {
  if (module == root || !module->parent)
    return "";
  std::string outer = pathOf(module->parent, root);
  return outer.empty() ? module->name : outer + "." + module->name;
}

std::string pathOf(const Param &param, const Module *root) {
  std::string outer = pathOf(param.owner, root);
  return outer.empty() ? param.name : outer + "." + param.name;
}

bool isInside(const Module *module, const Module *root) {
  for (; module; module = module->parent)
    if (module == root)
      return true;
  return false;
}

} // namespace colo::model
