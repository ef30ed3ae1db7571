//===- ColoInterpreter.cpp - functions, parameters and effects -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Calls, runs of layers and the ops that read or add to the machine.
//
//===----------------------------------------------------------------------===//

#include "ColoInterpreter.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/ErrorHandling.h"

using namespace mlir;
using namespace colo;
using namespace colo::test;

Tensor::Tensor(ArrayRef<int64_t> shape, double value) : shape(shape) {
  int64_t n = 1;
  for (int64_t d : shape)
    n *= d;
  data.assign(n, value);
}

Shape test::unravel(int64_t i, ArrayRef<int64_t> shape) {
  Shape coordinates(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    coordinates[d] = i % shape[d];
    i /= shape[d];
  }
  return coordinates;
}

int64_t test::ravel(ArrayRef<int64_t> coordinates, ArrayRef<int64_t> shape) {
  int64_t i = 0;
  for (size_t d = 0; d < shape.size(); ++d)
    i = i * shape[d] + coordinates[d];
  return i;
}

Tensor test::emptyLike(Value value) { return Tensor(cast<RankedTensorType>(value.getType()).getShape()); }

static void roundTo(Type type, Tensor &tensor) {
  if (getElementTypeOrSelf(type).isF32())
    for (double &x : tensor.data)
      x = static_cast<float>(x);
}

/// Layer `i` of a stacked tensor.
static Tensor sliceOf(const Tensor &stacked, int64_t i) {
  Tensor slice(ArrayRef<int64_t>(stacked.shape).drop_front());
  std::copy_n(stacked.data.begin() + i * slice.size(), slice.size(), slice.data.begin());
  return slice;
}

static void addTo(Tensor &sum, const Tensor &term) {
  for (int64_t i = 0; i < sum.size(); ++i)
    sum[i] += term[i];
}

Tensor Interpreter::load(const Parameter &parameter) {
  const Tensor &whole = machine.parameters.at(parameter.symbol);
  return parameter.layer < 0 ? whole : sliceOf(whole, parameter.layer);
}

void Interpreter::accumulate(const Parameter &parameter, const Tensor &gradient) {
  auto [it, isNew] = machine.gradients.try_emplace(parameter.symbol);
  if (isNew)
    it->second = Tensor(machine.parameters.at(parameter.symbol).shape);
  int64_t offset = parameter.layer < 0 ? 0 : parameter.layer * gradient.size();
  for (int64_t i = 0; i < gradient.size(); ++i)
    it->second[offset + i] += gradient[i];
}

void Interpreter::runRole(StringRef role, ArrayRef<Tensor> inputs) {
  for (auto func : cast<ModuleOp>(symbols.getOp()).getOps<func::FuncOp>())
    if (auto attr = func->getAttrOfType<StringAttr>(kRoleAttr); attr && attr.getValue() == role) {
      call(func, inputs, ArrayAttr::get(func.getContext(), {}), 0, 0);
      return;
    }
  llvm::report_fatal_error("no function has the role " + role);
}

std::vector<Tensor> Interpreter::call(func::FuncOp func, ArrayRef<Tensor> inputs, ArrayAttr parameters, int64_t slice,
                                      int64_t layer) {
  Frame frame;
  frame.layer = layer;
  for (auto [argument, input] : llvm::zip(func.getArguments(), inputs))
    frame.values[argument] = input;
  for (auto [argument, symbol] : llvm::zip(func.getArguments().drop_front(inputs.size()), parameters)) {
    StringRef name = cast<FlatSymbolRefAttr>(symbol).getValue();
    bool isStacked = symbols.lookup<ParamOp>(name).getLayers() > 1;
    Parameter parameter{name.str(), isStacked ? slice : -1};
    frame.values[argument] = load(parameter);
    frame.parameters[argument] = parameter;
  }
  for (Operation &op : func.front().without_terminator())
    execute(&op, frame);
  std::vector<Tensor> results;
  for (Value value : func.front().getTerminator()->getOperands())
    results.push_back(frame.values.at(value));
  return results;
}

void Interpreter::executeCall(CallOp op, Frame &frame) {
  std::vector<Tensor> inputs;
  for (Value value : op.getInputs())
    inputs.push_back(frame.values.at(value));
  auto callee = symbols.lookup<func::FuncOp>(op.getCallee());
  std::vector<Tensor> results = call(callee, inputs, op.getParams(), op.getLayer(), op.getLayer());
  for (auto [value, result] : llvm::zip(op.getResults(), results))
    frame.values[value] = result;
}

void Interpreter::executeLayers(LayersOp op, Frame &frame) {
  auto callee = symbols.lookup<func::FuncOp>(op.getCallee());
  std::vector<Tensor> carried;
  for (Value value : op.getCarried())
    carried.push_back(frame.values.at(value));
  for (Value value :
       llvm::concat<Value>(SmallVector<Value>(op.getAccumulated()), SmallVector<Value>(op.getStackedOut())))
    frame.values[value] = emptyLike(value);
  int64_t count = op.getCount();
  for (int64_t n = 0; n < count; ++n) {
    int64_t i = op.getReverse() ? count - 1 - n : n;
    std::vector<Tensor> inputs = carried;
    for (Value value : op.getInvariants())
      inputs.push_back(frame.values.at(value));
    for (Value value : op.getStacked())
      inputs.push_back(sliceOf(frame.values.at(value), i));
    std::vector<Tensor> results = call(callee, inputs, op.getParams(), i, op.getFirstLayer() + i);
    auto result = results.begin();
    for (Tensor &value : carried)
      value = *result++;
    for (Value value : op.getAccumulated())
      addTo(frame.values[value], *result++);
    for (Value value : op.getStackedOut()) {
      std::copy(result->data.begin(), result->data.end(), frame.values[value].data.begin() + i * result->size());
      ++result;
    }
  }
  for (auto [value, result] : llvm::zip(op.getCarriedOut(), carried))
    frame.values[value] = result;
}

void Interpreter::execute(Operation *op, Frame &frame) {
  if (auto call = dyn_cast<CallOp>(op))
    return executeCall(call, frame);
  if (auto layers = dyn_cast<LayersOp>(op))
    return executeLayers(layers, frame);
  if (auto ref = dyn_cast<ParamRefOp>(op)) {
    frame.parameters[ref.getResult()] = {ref.getParam().str(), -1};
    frame.values[ref.getResult()] = load(frame.parameters[ref.getResult()]);
    return;
  }
  if (auto grad = dyn_cast<GradOp>(op))
    return accumulate(frame.parameters.at(grad.getParam()), frame.values.at(grad.getGradient()));
  if (auto metric = dyn_cast<MetricOp>(op)) {
    machine.metrics[metric.getName().str()] += frame.values.at(metric.getValue())[0];
    return;
  }
  if (auto count = dyn_cast<CountOp>(op)) {
    for (double weight : frame.values.at(count.getWeights()).data)
      machine.counts[count.getTerm()] += weight;
    return;
  }
  std::vector<Tensor> operands;
  for (Value value : op->getOperands())
    operands.push_back(frame.values.at(value));
  std::vector<Tensor> results = evaluate(op, operands, machine, frame.layer);
  for (auto [value, result] : llvm::zip(op->getResults(), results))
    frame.values[value] = std::move(result);
}

std::vector<Tensor> test::evaluate(Operation *op, ArrayRef<Tensor> operands, const Machine &machine, int64_t layer) {
  std::vector<Tensor> results;
  if (!evaluateElementwise(op, operands, results) && !evaluateStructural(op, operands, results, machine, layer) &&
      !evaluateHighLevel(op, operands, results, machine, layer))
    llvm::report_fatal_error("the interpreter does not know " + op->getName().getStringRef());
  for (auto [value, result] : llvm::zip(op->getResults(), results)) {
    if (ArrayRef<int64_t>(result.shape) != cast<RankedTensorType>(value.getType()).getShape())
      llvm::report_fatal_error("the type of " + op->getName().getStringRef() + " has another shape than its value");
    roundTo(value.getType(), result);
  }
  return results;
}
