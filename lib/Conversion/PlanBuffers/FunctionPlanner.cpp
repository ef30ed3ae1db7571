//===- FunctionPlanner.cpp - one host function from tensors to memrefs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FunctionPlanner.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace colo;

/// Arguments of a planned function before its tensors.
static constexpr unsigned kFirstTensor = 3;

static RankedTensorType tensorType(Value value) { return cast<RankedTensorType>(value.getType()); }

static MemRefType memrefType(RankedTensorType type) { return MemRefType::get(type.getShape(), type.getElementType()); }

FunctionPlanner::FunctionPlanner(ModulePlan &plan, func::FuncOp source, PlannedFunction &result)
    : plan(plan), source(source), result(result), builder(source.getContext()), loc(source.getLoc()) {}

LogicalResult FunctionPlanner::run() {
  if (!source.getBody().hasOneBlock())
    return source.emitOpError("must have a body of one block");
  createTarget();
  bindArguments();
  claimResults();
  claimStacks();
  for (Operation &op : source.getBody().front()) {
    ++now;
    loc = op.getLoc();
    if (failed(planOp(&op)))
      return failure();
  }
  result.workspaceBytes = std::max<int64_t>(packTemporaries(roots), kAlignment);
  // Only now is the size of the workspace known.
  auto type = MemRefType::get({result.workspaceBytes}, builder.getI8Type());
  workspace.setType(type);
  SmallVector<Type> inputs(target.getFunctionType().getInputs());
  inputs[0] = type;
  target.setFunctionType(builder.getFunctionType(inputs, {}));
  return success();
}

//===----------------------------------------------------------------------===//
// Arguments and results
//===----------------------------------------------------------------------===//

/// The type of what is added to the gradient of a parameter that is read as `param`.
RankedTensorType FunctionPlanner::gradientType(Value param) const {
  return RankedTensorType::get(tensorType(param).getShape(), plan.layout.element);
}

void FunctionPlanner::createTarget() {
  bool hasRole = source->hasAttr(kRoleAttr);
  SmallVector<Type> types{MemRefType::get({kAlignment}, builder.getI8Type()), builder.getI64Type(),
                          builder.getI64Type()};
  SmallVector<Location> locs(3, loc);
  auto add = [&](Type type, Location where) {
    types.push_back(type);
    locs.push_back(where);
  };
  for (BlockArgument argument : source.getArguments()) {
    add(memrefType(tensorType(argument)), argument.getLoc());
    bool isParam = source.getArgAttr(argument.getArgNumber(), kParamArgAttr) != nullptr;
    ++(isParam ? result.params : result.inputs);
  }
  for (auto [i, type] : llvm::enumerate(source.getResultTypes()))
    if (!result.kept[i])
      add(memrefType(cast<RankedTensorType>(type)), loc);
  result.results = source.getNumResults();
  source.walk([&](GradOp grad) {
    if (auto argument = dyn_cast<BlockArgument>(grad.getParam()))
      result.gradients.push_back(argument.getArgNumber() - result.inputs);
  });
  llvm::sort(result.gradients);
  result.gradients.erase(std::unique(result.gradients.begin(), result.gradients.end()), result.gradients.end());
  for (unsigned param : result.gradients)
    add(memrefType(gradientType(source.getArgument(result.inputs + param))), loc);
  if (hasRole) {
    for (Type element : {plan.layout.readAs, plan.layout.element})
      add(MemRefType::get({plan.layout.elements}, element), loc);
    add(builder.getI1Type(), loc);
  }
  builder.setInsertionPoint(source);
  target = builder.create<func::FuncOp>(source.getLoc(), source.getName(), builder.getFunctionType(types, {}));
  target.setVisibility(source.getVisibility());
  for (NamedAttribute attr : source->getDiscardableAttrs())
    target->setAttr(attr.getName(), attr.getValue());
  for (unsigned i = 0; i < source.getNumArguments(); ++i)
    if (DictionaryAttr attrs = source.getArgAttrDict(i))
      target.setArgAttrs(i + kFirstTensor, attrs);
  Block *entry = builder.createBlock(&target.getBody(), {}, types, locs);
  builder.setInsertionPointToStart(entry);
  result.func = target;
}

void FunctionPlanner::bindArguments() {
  workspace = target.getArgument(0);
  layer = target.getArgument(1);
  firstRow = target.getArgument(2);
  unsigned next = kFirstTensor;
  for (BlockArgument argument : source.getArguments())
    places[argument] = fixed(target.getArgument(next++), tensorType(argument));
  for (auto [i, type] : llvm::enumerate(source.getResultTypes())) {
    auto tensor = cast<RankedTensorType>(type);
    destinations.push_back(result.kept[i] ? *reshape(places[source.getArgument(*result.kept[i])], tensor.getShape())
                                          : fixed(target.getArgument(next++), tensor));
  }
  for (unsigned param : result.gradients) {
    BlockArgument argument = source.getArgument(result.inputs + param);
    gradients[argument] = fixed(target.getArgument(next++), gradientType(argument));
  }
  if (source->hasAttr(kRoleAttr)) {
    params = target.getArgument(next++);
    grads = target.getArgument(next++);
  }
}

bool FunctionPlanner::isFreshResult(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto loop = dyn_cast_or_null<dist::LoopOp>(op))
    return llvm::is_contained(loop.assembledResults(), value);
  return isa_and_nonnull<rt::LaunchOp, EinsumOp, CallOp, LayersOp>(op);
}

void FunctionPlanner::claimResults() {
  Operation *terminator = source.getBody().front().getTerminator();
  for (auto [value, destination] : llvm::zip(terminator->getOperands(), destinations)) {
    Value from = value;
    while (auto view = from.getDefiningOp<ReshapeOp>())
      from = view.getInput();
    if (isFreshResult(from) && !claimed.count(from))
      claimed[from] = *reshape(destination, tensorType(from).getShape());
  }
}

LogicalResult FunctionPlanner::planReturn(func::ReturnOp op) {
  for (auto [value, destination] : llvm::zip(op.getOperands(), destinations)) {
    const Place &place = placeOf(value);
    if (place.root->base != destination.root->base)
      copy(place, destination, /*accumulate=*/false, op.getLoc());
  }
  builder.create<func::ReturnOp>(op.getLoc());
  return success();
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Root *FunctionPlanner::newTemporary(int64_t bytes) {
  Root &root = roots.emplace_back();
  root.base = workspace;
  root.temporary = true;
  root.bytes = std::max<int64_t>(bytes, 1);
  root.first = root.last = now;
  return &root;
}

Place FunctionPlanner::temporary(ArrayRef<int64_t> shape, Type element) {
  Place place;
  place.element = element;
  place.shape.assign(shape.begin(), shape.end());
  place.strides = contiguousStrides(shape);
  place.root = newTemporary(place.elements() * elementBytes(element));
  return place;
}

Place FunctionPlanner::allocate(Value value) {
  auto it = claimed.find(value);
  if (it != claimed.end())
    return it->second;
  return temporary(tensorType(value).getShape(), tensorType(value).getElementType());
}

Place FunctionPlanner::allocateContiguous(Value value) {
  Place place = allocate(value);
  return place.isContiguous() ? place : temporary(place.shape, place.element);
}

Place FunctionPlanner::fixed(Value base, RankedTensorType type) {
  Root &root = roots.emplace_back();
  root.base = base;
  root.temporary = false;
  Place place;
  place.root = &root;
  place.element = type.getElementType();
  place.shape.assign(type.getShape().begin(), type.getShape().end());
  place.strides = contiguousStrides(type.getShape());
  return place;
}

const Place &FunctionPlanner::placeOf(Value tensor) { return places.find(tensor)->second; }

Value FunctionPlanner::constant(int64_t value) { return builder.create<arith::ConstantIndexOp>(loc, value); }

Value FunctionPlanner::use(const Place &place) {
  if (place.other) {
    Place even = place, odd = place;
    odd.root = place.other;
    even.other = odd.other = nullptr;
    return builder.create<arith::SelectOp>(loc, place.isOther, use(odd), use(even));
  }
  Root *root = place.root;
  root->first = std::min(root->first, now);
  root->last = std::max(root->last, now);
  MemRefType type = place.type();
  if (!root->temporary && !root->dynamic && !place.dynamic && root->offset + place.offset == 0 &&
      root->base.getType() == type)
    return root->base;
  bool bytes = cast<MemRefType>(root->base.getType()).getElementType() != place.element;
  int64_t unit = bytes ? elementBytes(place.element) : 1;
  Value dynamic = place.dynamic;
  if (dynamic && unit != 1)
    dynamic = builder.create<arith::MulIOp>(loc, dynamic, constant(unit));
  if (root->dynamic)
    dynamic = dynamic ? builder.create<arith::AddIOp>(loc, dynamic, root->dynamic).getResult() : root->dynamic;
  int64_t offset = place.offset * unit + (root->temporary ? 0 : root->offset);
  auto slot = builder.create<rt::SlotOp>(loc, type, root->base, builder.getI64IntegerAttr(offset), dynamic);
  if (root->temporary)
    root->slots.push_back(slot);
  return slot;
}

void FunctionPlanner::copy(const Place &from, const Place &to, bool accumulate, Location where) {
  Place a = from, b = to;
  mergeDims(a, b);
  Value source = use(a), destination = use(b);
  auto kernel =
      plan.copyKernel(cast<MemRefType>(source.getType()), cast<MemRefType>(destination.getType()), accumulate);
  builder.create<rt::LaunchOp>(where, TypeRange{}, kernel, ValueRange{source}, ValueRange{destination}, IntegerAttr());
}

Place FunctionPlanner::contiguous(const Place &place, Location where) {
  if (place.isContiguous())
    return place;
  Place packed = temporary(place.shape, place.element);
  copy(place, packed, /*accumulate=*/false, where);
  return packed;
}

bool FunctionPlanner::startsAligned(const Place &place) {
  auto isMultiple = [](int64_t bytes) { return bytes % kLibraryAlignment == 0; };
  if (place.other || place.dynamic || !isMultiple(place.offset * elementBytes(place.element)))
    return false;
  if (place.root->temporary)
    return true;
  auto argument = dyn_cast<BlockArgument>(place.root->base);
  if (!argument || argument.getArgNumber() < kFirstTensor)
    return false;
  unsigned number = argument.getArgNumber() - kFirstTensor;
  bool isInput = number < result.inputs;
  bool isDestination = llvm::any_of(destinations, [&](const Place &to) { return to.root == place.root; });
  auto type = cast<MemRefType>(argument.getType());
  if (!(isInput || isDestination) || !isMultiple(type.getNumElements() * elementBytes(type.getElementType())))
    return false;
  if (isInput)
    result.aligned.insert(number);
  return true;
}

Place FunctionPlanner::argumentFor(const PlannedFunction &callee, unsigned input, Value value) {
  Place place = contiguous(placeOf(value), loc);
  if (!callee.aligned.contains(input) || startsAligned(place))
    return place;
  Place packed = temporary(place.shape, place.element);
  copy(place, packed, /*accumulate=*/false, loc);
  return packed;
}

Place FunctionPlanner::parameterPlace(Value flat, ParamOp param, Value layerIndex) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(param.getType()).getShape();
  Place place = fixed(flat, RankedTensorType::get(shape, cast<MemRefType>(flat.getType()).getElementType()));
  place.root->offset = param->getAttrOfType<IntegerAttr>("offset").getInt();
  int64_t stride = param->getAttrOfType<IntegerAttr>("layer_stride").getInt();
  if (layerIndex && stride)
    place.root->dynamic = builder.create<arith::MulIOp>(loc, layerIndex, constant(stride));
  return place;
}

Place FunctionPlanner::gradientOf(Value param) {
  if (auto ref = param.getDefiningOp<ParamRefOp>())
    return parameterPlace(grads, plan.symbols.lookup<ParamOp>(ref.getParam()), nullptr);
  return gradients.find(param)->second;
}

std::optional<Place> FunctionPlanner::gradientUse(Value value) {
  if (!value.hasOneUse())
    return std::nullopt;
  auto grad = dyn_cast<GradOp>(*value.user_begin());
  if (!grad || grad.getGradient() != value)
    return std::nullopt;
  return gradientOf(grad.getParam());
}

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

LogicalResult FunctionPlanner::planOp(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<ReshapeOp, TransposeOp, SliceOp>([&](auto view) { return planView(view); })
      .Case<rt::LaunchOp>([&](rt::LaunchOp launch) { return planLaunch(launch); })
      .Case<EinsumOp>([&](EinsumOp einsum) { return planEinsum(einsum); })
      .Case<CallOp>([&](CallOp call) { return planCall(call); })
      .Case<LayersOp>([&](LayersOp layers) { return planLayers(layers); })
      .Case<GradOp>([&](GradOp grad) { return planGrad(grad); })
      .Case<func::ReturnOp>([&](func::ReturnOp ret) { return planReturn(ret); })
      .Case<ParamRefOp>([&](ParamRefOp ref) {
        places[ref.getResult()] = parameterPlace(params, plan.symbols.lookup<ParamOp>(ref.getParam()), nullptr);
        return success();
      })
      .Case<MetricOp>([&](MetricOp metric) {
        builder.create<rt::MetricOp>(loc, metric.getNameAttr(), use(contiguous(placeOf(metric.getValue()), loc)));
        return success();
      })
      .Case<CountOp>([&](CountOp count) {
        builder.create<rt::CountOp>(loc, use(contiguous(placeOf(count.getWeights()), loc)), count.getTermAttr());
        return success();
      })
      .Default([&](Operation *other) {
        if (auto wait = dyn_cast<dist::WaitOp>(other))
          return planWait(wait);
        if (auto loop = dyn_cast<dist::LoopOp>(other))
          return planLoop(loop);
        if (other->getName().getDialectNamespace() == "dist")
          return planCollective(other);
        return planScalar(other);
      });
}

LogicalResult FunctionPlanner::planScalar(Operation *op) {
  auto isTensor = llvm::IsaPred<RankedTensorType>;
  if (llvm::any_of(op->getOperandTypes(), isTensor) || llvm::any_of(op->getResultTypes(), isTensor))
    return op->emitOpError("has no place in memory; it should have become part of a kernel");
  if (auto scalar = dyn_cast<rt::ScalarOp>(op)) {
    if (scalar.getName() == "layer" || scalar.getName() == "first_row") {
      scalars[scalar.getResult()] = scalar.getName() == "layer" ? layer : firstRow;
      return success();
    }
  }
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, scalars.lookup(operand));
  Operation *clone = builder.clone(*op, mapping);
  for (auto [from, to] : llvm::zip(op->getResults(), clone->getResults()))
    scalars[from] = to;
  return success();
}

LogicalResult FunctionPlanner::planView(Operation *op) {
  Value input = op->getOperand(0), output = op->getResult(0);
  ArrayRef<int64_t> shape = tensorType(output).getShape();
  Place place = placeOf(input);
  if (auto transposed = dyn_cast<TransposeOp>(op)) {
    places[output] = transpose(place, transposed.getPermutation());
  } else if (auto sliced = dyn_cast<SliceOp>(op)) {
    places[output] = slice(place, sliced.getOffsets(), sliced.getStrides(), shape);
  } else {
    std::optional<Place> view = reshape(place, shape);
    places[output] = view ? *view : *reshape(contiguous(place, op->getLoc()), shape);
  }
  return success();
}

LogicalResult FunctionPlanner::planGrad(GradOp op) {
  // Whoever computed the gradient has already added it.
  if (gradientUse(op.getGradient()) && isa_and_present<EinsumOp, rt::LaunchOp>(op.getGradient().getDefiningOp()))
    return success();
  copy(placeOf(op.getGradient()), gradientOf(op.getParam()), /*accumulate=*/true, op.getLoc());
  return success();
}

LogicalResult FunctionPlanner::planLaunch(rt::LaunchOp op) {
  SmallVector<Value> inputs, outs;
  SmallVector<Attribute> layouts;
  SmallVector<bool> accumulate;
  for (OpOperand &input : op.getInputsMutable()) {
    if (!isa<RankedTensorType>(input.get().getType())) {
      inputs.push_back(scalars.lookup(input.get()));
      continue;
    }
    Value memory = use(placeOf(input.get()));
    layouts.push_back(TypeAttr::get(memory.getType()));
    if (!madeInPlace(input))
      inputs.push_back(memory);
  }
  for (Value output : op.getResults()) {
    Value before = madeInPlaceOf(output);
    std::optional<Place> gradient = before ? std::nullopt : gradientUse(output);
    if (auto end = claimed.find(endOfSum(output)); end != claimed.end() && !before)
      claimed.try_emplace(output, Place(end->second));
    Place place = before ? placeOf(before) : gradient ? *gradient : allocateInOrder(output, orderOfResult(op, output));
    if (!before && !gradient && !claimed.count(output))
      layOut(place, withPitch(output, place.strides));
    places[output] = place;
    outs.push_back(use(place));
    layouts.push_back(TypeAttr::get(outs.back().getType()));
    accumulate.push_back(gradient.has_value());
  }
  builder.create<rt::LaunchOp>(op.getLoc(), TypeRange{}, plan.kernelFor(op.getKernel(), layouts, accumulate), inputs,
                               outs, IntegerAttr());
  return success();
}
