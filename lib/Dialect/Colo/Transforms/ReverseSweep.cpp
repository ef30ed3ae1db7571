//===- ReverseSweep.cpp - gradients of the ops of one block -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// When the sweep reaches an op, all uses of its results have been visited, so
// their gradients are complete. Gradients of parameters leave at once, one
// colo.grad a use: a use's product can then accumulate into the gradient buffer
// and no sum of whole parameters is computed.
//
//===----------------------------------------------------------------------===//

#include "Differentiate.h"
#include "colo/Dialect/Colo/TensorBuilder.h"

using namespace mlir;
using namespace colo;

ReverseSweep::ReverseSweep(Block &block, OpBuilder builder, Differentiator &differentiator)
    : block(block), builder(builder), differentiator(differentiator) {
  for (Operation &op : block)
    forwardOps.insert(&op);
}

void ReverseSweep::addContribution(Value value, Value gradient, Location loc) {
  if (isParameter(value)) {
    builder.create<GradOp>(loc, widen(gradient), value);
    return;
  }
  contributions[value].push_back(gradient);
  ++timesContributed[gradient];
}

/// A gradient with wide elements from where it is summed up, so that it was never rounded; null if it is not summed up,
/// or is read elsewhere than in `user`.
Value ReverseSweep::widenInPlace(Value gradient, Operation *user) {
  Type wide = arithmeticType(getElementTypeOrSelf(gradient));
  Operation *op = gradient.getDefiningOp();
  if (getElementTypeOrSelf(gradient) == wide)
    return gradient;
  if (auto convert = dyn_cast_or_null<ConvertOp>(op))
    return getElementTypeOrSelf(convert.getInput()) == wide ? convert.getInput() : Value();
  bool isRead = timesContributed.lookup(gradient) > 1 ||
                llvm::any_of(gradient.getUsers(), [&](Operation *other) { return other != user; });
  if (!op || isRead)
    return {};
  auto precision = dyn_cast<PrecisionOpInterface>(op);
  if (!precision || !precision.sumsWide()) {
    if (!isa<RearrangingOpInterface>(op))
      return {};
    Value source = widenInPlace(op->getOperand(0), op);
    if (!source)
      return {};
    op->setOperand(0, source);
  }
  gradient.setType(withShape(wide, TensorBuilder::shapeOf(gradient)));
  return gradient;
}

/// The gradient of a parameter as its buffer holds it.
Value ReverseSweep::widen(Value gradient) {
  Value wide = widenInPlace(gradient, nullptr);
  return wide ? wide : TensorBuilder(builder, gradient.getLoc()).widen(gradient);
}

/// The gradient of a value that was split: padded parts that lie side by side along one dim and fill it are joined, not
/// added. Null if the terms are not of that kind.
static Value joinParts(ArrayRef<Value> terms, OpBuilder &builder, Location loc) {
  SmallVector<PadOp> parts;
  for (Value term : terms)
    if (auto pad = term.getDefiningOp<PadOp>(); pad && llvm::all_of(pad.getStrides(), [](int64_t s) { return s == 1; }))
      parts.push_back(pad);
  ArrayRef<int64_t> whole = TensorBuilder::shapeOf(terms.front());
  if (parts.size() != terms.size() || parts.size() < 2 || whole.empty())
    return {};
  ArrayRef<int64_t> first = TensorBuilder::shapeOf(parts.front().getInput());
  int64_t dim = std::mismatch(whole.begin(), whole.end(), first.begin()).first - whole.begin();
  if (dim == static_cast<int64_t>(whole.size()))
    return {};
  llvm::sort(parts, [&](PadOp a, PadOp b) { return a.getOffsets()[dim] < b.getOffsets()[dim]; });
  int64_t filled = 0;
  SmallVector<Value> inputs;
  for (PadOp part : parts) {
    SmallVector<int64_t> shape(TensorBuilder::shapeOf(part.getInput()));
    if (part.getOffsets()[dim] != filled)
      return {};
    filled += shape[dim];
    shape[dim] = whole[dim];
    if (ArrayRef<int64_t>(shape) != whole)
      return {};
    inputs.push_back(part.getInput());
  }
  if (filled != whole[dim])
    return {};
  return builder.create<ConcatOp>(loc, terms.front().getType(), inputs, builder.getI64IntegerAttr(dim));
}

Value ReverseSweep::gradientOf(Value value) {
  auto it = contributions.find(value);
  if (it == contributions.end())
    return {};
  TensorBuilder b(builder, value.getLoc());
  Value sum = joinParts(it->second, builder, value.getLoc());
  if (!sum) {
    sum = it->second.front();
    for (Value term : ArrayRef<Value>(it->second).drop_front())
      sum = b.add(sum, term);
  }
  it->second.assign({sum});
  return sum;
}

LogicalResult ReverseSweep::run() {
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    if (forwardOps.contains(&op))
      ops.push_back(&op);
  for (Operation *op : llvm::reverse(ops))
    if (failed(visit(op)))
      return failure();
  return success();
}

/// The op as the model language calls it.
static StringRef languageName(Operation *op) {
  return isa<CorrectOp>(op) ? StringRef("accuracy") : op->getName().stripDialect();
}

LogicalResult ReverseSweep::visit(Operation *op) {
  SmallVector<Value> resultGrads;
  for (OpResult result : op->getResults()) {
    Value gradient = differentiator.getActivity().isActive(result) ? gradientOf(result) : Value();
    resultGrads.push_back(gradient);
  }
  if (llvm::none_of(resultGrads, [](Value v) { return static_cast<bool>(v); }) || isa<ParamRefOp>(op))
    return success();
  if (auto site = getCallSite(op, differentiator.getSymbols()))
    return visitCall(*site, resultGrads);

  auto differentiable = dyn_cast<DifferentiableOpInterface>(op);
  for (OpResult result : op->getResults())
    if (resultGrads[result.getResultNumber()] &&
        (!differentiable || !differentiable.hasGradient(result.getResultNumber()))) {
      InFlightDiagnostic diag = op->emitError()
                                << languageName(op) << "() has no gradient" << (differentiable ? " of this result" : "")
                                << ", but the loss depends on parameters through it";
      diag.attachNote(differentiator.getLossMetric()->getLoc())
          << "the loss is here; what is only measured is a metric beside it, dict(loss=…, accuracy=…), and "
             "stop_gradient() says that no gradient is wanted";
      return failure();
    }
  SmallVector<Value> operandGrads(op->getNumOperands());
  differentiable.buildAdjoint(builder, op->getOperands(), op->getResults(), resultGrads, operandGrads);
  // Those of parameters last: they then know who else reads them.
  for (bool ofParameters : {false, true})
    for (auto [operand, gradient] : llvm::zip(op->getOperands(), operandGrads))
      if (gradient && isParameter(operand) == ofParameters && differentiator.getActivity().isActive(operand))
        addContribution(operand, gradient, op->getLoc());
  return success();
}

//===----------------------------------------------------------------------===//
// Calls and layer runs
//===----------------------------------------------------------------------===//

static RankedTensorType stackedType(Type slice, int64_t count) {
  SmallVector<int64_t> shape = {count};
  llvm::append_range(shape, cast<RankedTensorType>(slice).getShape());
  return withShape(slice, shape);
}

Operation *ReverseSweep::callForward(CallSite site, Derivative &derivative) {
  OpBuilder before(site.op);
  Location loc = site.op->getLoc();
  SmallVector<Type> saved(derivative.forward.getResultTypes());
  saved.erase(saved.begin(), saved.begin() + site.numResults());
  Operation *forward;
  if (auto call = dyn_cast<CallOp>(site.op)) {
    SmallVector<Type> types(call->getResultTypes());
    llvm::append_range(types, saved);
    forward = before.create<CallOp>(loc, types, derivative.forward.getSymName(), call.getInputs(), call.getParams(),
                                    call.getLayer());
  } else {
    auto layers = cast<LayersOp>(site.op);
    SmallVector<Type> stacked(layers.getStackedOut().getTypes());
    for (Type type : saved)
      stacked.push_back(stackedType(type, layers.getCount()));
    forward = before.create<LayersOp>(loc, layers.getCarriedOut().getTypes(), layers.getAccumulated().getTypes(),
                                      stacked, derivative.forward.getSymName(), layers.getCarried(),
                                      layers.getInvariants(), layers.getStacked(), layers.getParams(),
                                      layers.getCount(), layers.getFirstLayer(), layers.getReverse());
  }
  return forward;
}

Operation *ReverseSweep::callBackward(CallSite site, Operation *forward, Derivative &derivative,
                                      ArrayRef<Value> resultGrads) {
  Location loc = site.op->getLoc();
  TensorBuilder b(builder, loc);
  SmallVector<Value> groups[3], all;
  for (BackwardInput input : derivative.inputs) {
    Value value;
    switch (input.source) {
    case BackwardInput::ResultGradient:
      value = resultGrads[input.index] ? resultGrads[input.index] : b.zeros(site.result(input.index).getType());
      break;
    case BackwardInput::Argument:
      value = site.operand(input.index);
      break;
    case BackwardInput::Result:
      value = forward->getResult(input.index);
      break;
    case BackwardInput::Saved:
      value = forward->getResult(site.numResults() + input.index);
      break;
    }
    groups[input.group].push_back(value);
    all.push_back(value);
  }
  SmallVector<Type> types[3], allTypes;
  auto layers = dyn_cast<LayersOp>(site.op);
  for (unsigned i : derivative.gradientArguments) {
    Type type = site.operand(i).getType();
    allTypes.push_back(type);
    if (layers)
      types[i < layers.getCarried().size()                                   ? 0
            : i < layers.getCarried().size() + layers.getInvariants().size() ? 1
                                                                             : 2]
          .push_back(type);
  }
  if (auto call = dyn_cast<CallOp>(site.op))
    return builder.create<CallOp>(loc, allTypes, derivative.backward.getSymName(), all, call.getParams(),
                                  call.getLayer());
  return builder.create<LayersOp>(loc, types[0], types[1], types[2], derivative.backward.getSymName(), groups[0],
                                  groups[1], groups[2], layers.getParams(), layers.getCount(), layers.getFirstLayer(),
                                  !layers.getReverse());
}

LogicalResult ReverseSweep::visitCall(CallSite site, ArrayRef<Value> resultGrads) {
  FailureOr<Derivative *> derivative = differentiator.differentiate(site.callee);
  if (failed(derivative))
    return failure();
  Operation *forward = callForward(site, **derivative);
  Operation *backward = callBackward(site, forward, **derivative, resultGrads);
  for (auto [i, argument] : llvm::enumerate((*derivative)->gradientArguments))
    if (differentiator.getActivity().isActive(site.operand(argument)))
      addContribution(site.operand(argument), backward->getResult(i), site.op->getLoc());
  forwardOps.erase(site.op);
  forwardOps.insert(forward);
  site.op->replaceAllUsesWith(forward->getResults().take_front(site.numResults()));
  site.op->erase();
  return success();
}
