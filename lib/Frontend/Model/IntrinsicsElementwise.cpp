//===- IntrinsicsElementwise.cpp - functions of each element ----*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Intrinsics.h"
#include <cmath>

using namespace llvm;

namespace colo::model {
namespace {

/// One op of one tensor, or the same function of a number.
template <typename Op, double (*Static)(double)> Value function(Intrinsic &call) {
  if (call.value(0).isTensorLike())
    return call.emit.unary<Op>(call.tensor(0));
  double result = Static(call.real(0, call.name));
  if (!std::isfinite(result))
    call.fail(0, call.name + "() of " + call.value(0).describe() + " is not finite");
  return result;
}

template <typename Op> Value onTensors(Intrinsic &call) { return call.emit.unary<Op>(call.tensor(0)); }

Value absolute(Intrinsic &call) {
  if (auto *size = call.value(0).get<Size>())
    return size->value < 0 ? call.importer.binary(Operator::Sub, Size{0}, *size, call.loc) : Value(*size);
  return function<AbsOp, std::fabs>(call);
}

Value gelu(Intrinsic &call) {
  bool isTanh = call.text(1, "approximate", {"none", "tanh"}) == "tanh";
  return call.emit.unary<GeluOp>(call.tensor(0), isTanh);
}

Value stopGradient(Intrinsic &call) {
  Tensor x = call.tensor(0);
  return isa<mlir::FloatType>(x.elementType()) ? call.emit.unary<StopGradientOp>(x) : x;
}

Value where(Intrinsic &call) { return call.emit.select(call.tensor(0), call.value(1), call.value(2)); }
Value maximum(Intrinsic &call) { return call.emit.maximum(call.tensor(0), call.tensor(1)); }

Value dropout(Intrinsic &call) {
  Tensor x = call.floats(0);
  double rate = call.probability(1, "the rate of dropout");
  if (rate == 0)
    return x;
  if (!x.rank() || !x.dims[0].batch)
    call.fail(0, "dropout needs the batch rows in dim 0, so that every row has its own mask; this is " + x.describe());
  int64_t id = call.importer.nextRandomId(call.loc);
  return call.emit.unary<DropoutOp>(x, APFloat(rate), id, mlir::ArrayAttr());
}

Value random(Intrinsic &call) {
  Dims dims = call.sizes(0, "a size");
  if (dims.empty() || !dims[0].batch)
    call.fail(0, "rand() needs the batch rows in dim 0, so that every row has its own numbers; this is " +
                     describeShape(dims));
  for (const Size &size : ArrayRef(dims).drop_front())
    if (size.batch)
      call.emit.failOnSplit("rand() with batch rows in two dims");
  auto type = call.emit.typeOf(dims, call.importer.floatType());
  int64_t id = call.importer.nextRandomId(call.loc);
  return Tensor{call.importer.builder().create<RandomOp>(call.emit.location(), type, id, mlir::ArrayAttr()), dims};
}

/// The op works on the last dim; any other is brought there and back.
template <bool Logarithm> Value softmax(Intrinsic &call) {
  Tensor x = call.floats(0);
  int64_t dim = call.dim(1, x);
  if (x.dims[dim].batch)
    call.emit.failOnSplit(call.name + "() over the batch");
  SmallVector<int64_t> swap;
  for (size_t i = 0; i < x.rank(); ++i)
    swap.push_back(i);
  std::swap(swap[dim], swap.back());
  return call.emit.permute(call.emit.unary<SoftmaxOp>(call.emit.permute(x, swap), Logarithm), swap);
}

} // namespace

void addElementwiseIntrinsics(IntrinsicTable &table) {
  table["exp"] = function<ExpOp, std::exp>;
  table["log"] = function<LogOp, std::log>;
  table["sqrt"] = function<SqrtOp, std::sqrt>;
  table["cos"] = function<CosOp, std::cos>;
  table["sin"] = function<SinOp, std::sin>;
  table["tanh"] = function<TanhOp, std::tanh>;
  table["erf"] = function<ErfOp, std::erf>;
  table["abs"] = absolute;
  table["rsqrt"] = onTensors<RsqrtOp>;
  table["sigmoid"] = onTensors<SigmoidOp>;
  table["relu"] = onTensors<ReluOp>;
  table["silu"] = onTensors<SiluOp>;
  table["gelu"] = gelu;
  table["stop_gradient"] = stopGradient;
  table["where"] = where;
  table["maximum"] = maximum;
  table["dropout"] = dropout;
  table["rand"] = random;
  table["softmax"] = softmax<false>;
  table["log_softmax"] = softmax<true>;
}

} // namespace colo::model
