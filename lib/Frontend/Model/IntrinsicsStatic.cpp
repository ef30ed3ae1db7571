//===- IntrinsicsStatic.cpp - what is known while compiling -----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes, lists, initial values and Parameter.
//
//===----------------------------------------------------------------------===//

#include "Intrinsics.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>

using namespace llvm;

namespace colo::model {
namespace {

Value range(Intrinsic &call) {
  int64_t start = call.integer(0, "the bound of range()"), stop = start;
  if (call.isNone(1))
    start = 0;
  else
    stop = call.integer(1, "the bound of range()");
  int64_t step = call.integer(2, "the step of range()");
  if (step == 0)
    call.fail(2, "the step of range() must not be 0");
  for (size_t i = 0; i < 2; ++i)
    if (auto *size = call.value(i).get<Size>(); size && size->batch)
      call.fail(i,
                "this loop depends on how the batch is split: 'batch' is the rows of one micro-batch of one replica");
  if (call.isNone(1) && stop < 0) {
    const Size &bound = *call.value(0).get<Size>();
    call.fail(0, "range() counts up to " + bound.describe() + "; a count must be at least 0",
              call.importer.whereSet(call.value(0)));
  }
  auto list = std::make_shared<ListValue>();
  constexpr size_t maxElements = 100000;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (list->elements.size() >= maxElements)
      call.fail(0, "range() has more than " + Twine(maxElements) + " elements",
                call.importer.whereSet(call.value(call.isNone(1) ? 0 : 1)));
    list->elements.push_back(Size{at});
    if (AddOverflow(at, step, at))
      break;
  }
  return list;
}

Value length(Intrinsic &call) {
  if (ListValue *list = call.value(0).list())
    return Size{int64_t(list->elements.size())};
  if (auto *text = call.value(0).get<std::string>())
    return Size{int64_t(text->size())};
  call.fail(0, "len() needs a list, not " + call.value(0).describe());
}

/// A size or a list of sizes as a list.
Value sizes(Intrinsic &call) {
  auto list = std::make_shared<ListValue>();
  for (const Size &size : call.sizes(0, "a size")) {
    if (size.value < 1)
      call.fail(0, "a size must be at least 1, not " + size.describe(), call.importer.whereSet(size));
    list->elements.push_back(size);
  }
  if (list->elements.empty())
    call.fail(0, "at least one size is needed");
  return list;
}

Value product(Intrinsic &call) {
  Value result = Size{1};
  for (auto [i, size] : enumerate(call.sizes(0, "a size")))
    result = i ? call.importer.binary(Operator::Mul, result, size, call.loc) : Value(size);
  return result;
}

Value enumerated(Intrinsic &call) {
  ListValue *list = call.value(0).list();
  if (!list)
    call.fail(0, "enumerate() needs a list, not " + call.value(0).describe());
  auto result = std::make_shared<ListValue>();
  for (auto [i, element] : enumerate(list->elements)) {
    auto pair = std::make_shared<ListValue>();
    pair->isTuple = true;
    pair->elements = {Size{int64_t(i)}, element};
    result->elements.push_back(pair);
  }
  return result;
}

Value toInt(Intrinsic &call) {
  if (call.value(0).isTensorLike())
    return call.emit.convert(call.tensor(0), call.importer.builder().getI32Type());
  if (auto *size = call.value(0).get<Size>())
    return *size;
  double value = call.real(0, "int()'s argument");
  if (!(std::fabs(value) < 9e18))
    call.fail(0, "this number does not fit in 64 bits");
  return Size{static_cast<int64_t>(value)};
}

Value toFloat(Intrinsic &call) {
  if (call.value(0).isTensorLike())
    return call.floats(0);
  return call.real(0, "float()'s argument");
}

/// min and max of numbers; max of a tensor is in the shape intrinsics.
Value minimum(Intrinsic &call) {
  bool isLess =
      call.importer.truth(call.importer.binary(Operator::Less, call.value(1), call.value(0), call.loc), call.loc);
  return isLess ? call.value(1) : call.value(0);
}

Value normal(Intrinsic &call) {
  double deviation = call.real(0, "the standard deviation");
  if (deviation < 0)
    call.fail(0, "the standard deviation must not be negative", call.importer.whereSet(call.value(0)));
  return InitSpec{InitSpec::Kind::Normal, deviation, call.real(1, "the mean")};
}

Value uniform(Intrinsic &call) {
  double low = call.real(0, "the lower bound"), high = call.real(1, "the upper bound");
  if (low > high)
    call.fail(0,
              "the lower bound " + call.value(0).describe() + " is above the upper bound " + call.value(1).describe());
  return InitSpec{InitSpec::Kind::Uniform, low, high};
}

Value zeros(Intrinsic &) { return InitSpec{InitSpec::Kind::Constant, 0, 0}; }
Value ones(Intrinsic &) { return InitSpec{InitSpec::Kind::Constant, 1, 0}; }
Value constant(Intrinsic &call) { return InitSpec{InitSpec::Kind::Constant, call.real(0, "the value"), 0}; }
Value kaiming(Intrinsic &call) { return InitSpec{InitSpec::Kind::KaimingUniform, call.real(0, "a"), 0}; }
Value xavier(Intrinsic &call) { return InitSpec{InitSpec::Kind::XavierUniform, call.real(0, "gain"), 0}; }

/// Turns a fan-based kind into bounds. The file's shape is what PyTorch sees:
/// [out, in, …].
InitSpec resolve(Intrinsic &call, InitSpec init, ArrayRef<int64_t> shape) {
  if (init.kind != InitSpec::Kind::KaimingUniform && init.kind != InitSpec::Kind::XavierUniform)
    return init;
  if (shape.size() < 2)
    call.fail(1, "KaimingUniform and XavierUniform need a parameter of at least two dims");
  double receptive = 1;
  for (int64_t size : shape.drop_front(2))
    receptive *= size;
  double fanIn = shape[1] * receptive, fanOut = shape[0] * receptive;
  double bound = init.kind == InitSpec::Kind::KaimingUniform ? std::sqrt(6 / ((1 + init.a * init.a) * fanIn))
                                                             : init.a * std::sqrt(6 / (fanIn + fanOut));
  return InitSpec{InitSpec::Kind::Uniform, -bound, bound};
}

Value parameter(Intrinsic &call) {
  if (call.importer.buildsTensors())
    call.importer.fail(call.loc, "parameters are made in the class body, not while forward runs");
  auto param = std::make_shared<Param>();
  param->loc = call.loc;
  param->shape = call.sizes(0, "a size of a parameter");
  for (const Size &size : param->shape)
    if (size.batch)
      call.fail(0, "the shape of a parameter cannot depend on 'batch'");
  call.emit.typeOf(param->shape, call.importer.floatType());
  int64_t elements = 1;
  for (const Size &size : param->shape) {
    elements *= size.value;
    if (call.isNone(2))
      param->fileShape.push_back(size.value);
  }
  if (!call.isNone(2)) {
    int64_t inFile = 1;
    for (const Size &size : call.sizes(2, "a size of the file's shape")) {
      param->fileShape.push_back(size.value);
      if (size.value < 1 || MulOverflow(inFile, size.value, inFile))
        call.fail(2, "the file's shape must have sizes of at least 1");
    }
    if (inFile != elements)
      call.fail(2, "the file's shape has " + Twine(inFile) + " elements, the parameter " + Twine(elements));
  }
  auto *init = call.value(1).get<InitSpec>();
  if (!init)
    call.fail(1, "init must be Normal, Uniform, Zeros, Ones, Constant, KaimingUniform or XavierUniform, not " +
                     call.value(1).describe());
  param->init = resolve(call, *init, param->fileShape);
  return param;
}

} // namespace

void addStaticIntrinsics(IntrinsicTable &table) {
  table["range"] = range;
  table["len"] = length;
  table["sizes"] = sizes;
  table["prod"] = product;
  table["enumerate"] = enumerated;
  table["int"] = toInt;
  table["float"] = toFloat;
  table["min"] = minimum;
  table["Normal"] = normal;
  table["Uniform"] = uniform;
  table["Zeros"] = zeros;
  table["Ones"] = ones;
  table["Constant"] = constant;
  table["KaimingUniform"] = kaiming;
  table["XavierUniform"] = xavier;
  table["Parameter"] = parameter;
}

} // namespace colo::model
