//===- PlanLayers.cpp - calls and runs of layers on memrefs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A run of layers is a loop whose body calls the layer's function with places
// that advance by a fixed stride, so neither code nor compile time grows with
// the number of layers. A carried value goes back and forth between the place
// of the final result and one temporary, such that the last layer writes the
// former. One that is stacked too, as what backward needs, is carried in the
// stack: layer i reads slice i and writes slice i + 1, and nothing is copied.
//
//===----------------------------------------------------------------------===//

#include "FunctionPlanner.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace colo;

/// One call of a planned function, which `iteration` repeats.
struct FunctionPlanner::LayerCall {
  LayersOp op;
  const PlannedFunction *callee;
  SmallVector<Place> carried, invariants, stacked;                 ///< operands, packed where needed
  SmallVector<Place> carriedOut, scratch, sums, terms, stackedOut; ///< results; `terms` are one layer's part of `sums`
  SmallVector<std::optional<unsigned>> stacks; ///< of carried values: which of `stackedOut` they are carried in
  /// Of the loop: 0, …, the last one, and the layer's place in stacks; whether this is the first iteration, and whether
  /// an odd number follow.
  Value iteration, last, index, isFirst, odd;
  SmallVector<Value> arguments, destinations; ///< of the callee
};

static SmallVector<ParamOp> lookUp(const SymbolTable &symbols, ArrayAttr names) {
  SmallVector<ParamOp> params;
  for (FlatSymbolRefAttr name : names.getAsRange<FlatSymbolRefAttr>())
    params.push_back(symbols.lookup<ParamOp>(name.getValue()));
  return params;
}

static func::FuncOp lookUpFunction(const SymbolTable &symbols, StringRef name) {
  return symbols.lookup<func::FuncOp>(name);
}

LogicalResult FunctionPlanner::planCall(CallOp op) {
  PlannedFunction *callee = plan.plan(lookUpFunction(plan.symbols, op.getCallee()));
  if (!callee)
    return failure();
  Value number = builder.create<arith::ConstantIntOp>(loc, op.getLayer(), 64);
  SmallVector<Value> arguments{use(temporary({callee->workspaceBytes}, builder.getI8Type())), number, firstRow};
  for (auto [i, input] : llvm::enumerate(op.getInputs()))
    arguments.push_back(use(argumentFor(*callee, i, input)));
  SmallVector<ParamOp> names = lookUp(plan.symbols, op.getParams());
  for (ParamOp param : names)
    arguments.push_back(use(parameterPlace(params, param, nullptr)));
  for (Value output : op.getOutputs()) {
    places[output] = allocate(output);
    arguments.push_back(use(places[output]));
  }
  for (unsigned param : callee->gradients)
    arguments.push_back(use(parameterPlace(grads, names[param], nullptr)));
  builder.create<func::CallOp>(loc, callee->func, arguments);
  return success();
}

static Place firstSlice(Place stack) {
  stack.shape.erase(stack.shape.begin());
  stack.strides.erase(stack.strides.begin());
  return stack;
}

/// Slice `index` of the leading dim.
static Place sliceOf(OpBuilder &builder, Location loc, const Place &stack, Value index) {
  Place place = firstSlice(stack);
  Value stride = builder.create<arith::ConstantIndexOp>(loc, stack.strides.front());
  place.dynamic = builder.create<arith::MulIOp>(loc, index, stride);
  return place;
}

std::optional<unsigned> FunctionPlanner::keptStack(LayersOp op, unsigned carried) {
  const PlannedFunction *callee = plan.plan(lookUpFunction(plan.symbols, op.getCallee()));
  if (!callee)
    return std::nullopt;
  unsigned first = callee->kept.size() - op.getStackedOut().size();
  for (unsigned i = 0; i < op.getStackedOut().size(); ++i)
    if (callee->kept[first + i] == carried)
      return i;
  return std::nullopt;
}

/// A value that only a run of layers reads is made where the run carries it, slice 0 of a stack.
void FunctionPlanner::claimStacks() {
  for (auto op : source.getBody().front().getOps<LayersOp>())
    for (auto [i, carried] : llvm::enumerate(op.getCarried())) {
      std::optional<unsigned> stack = keptStack(op, i);
      if (!stack || !isFreshResult(carried) || !carried.hasOneUse() || claimed.count(carried))
        continue;
      Value stacked = op.getStackedOut()[*stack];
      Place whole = places[stacked] = allocate(stacked);
      // Its life starts with its first use.
      if (whole.root->temporary)
        whole.root->first = std::numeric_limits<unsigned>::max();
      claimed[carried] = *reshape(firstSlice(whole), cast<RankedTensorType>(carried.getType()).getShape());
    }
}

LogicalResult FunctionPlanner::planLayers(LayersOp op) {
  LayerCall call;
  call.op = op;
  call.callee = plan.plan(lookUpFunction(plan.symbols, op.getCallee()));
  if (!call.callee)
    return failure();
  unsigned input = 0;
  auto packAll = [&](ValueRange values, SmallVectorImpl<Place> &into) {
    for (Value value : values)
      into.push_back(argumentFor(*call.callee, input++, value));
  };
  packAll(op.getCarried(), call.carried);
  packAll(op.getInvariants(), call.invariants);
  packAll(op.getStacked(), call.stacked);
  auto allocateAll = [&](ValueRange values, SmallVectorImpl<Place> &into) {
    for (Value value : values) {
      if (!places.count(value))
        places[value] = allocate(value);
      into.push_back(places[value]);
    }
  };
  allocateAll(op.getCarriedOut(), call.carriedOut);
  allocateAll(op.getAccumulated(), call.sums);
  allocateAll(op.getStackedOut(), call.stackedOut);
  for (auto [i, from] : llvm::enumerate(call.carried)) {
    call.stacks.push_back(keptStack(op, i));
    // One layer reads the operand and writes the result.
    bool alternates = !call.stacks[i] && op.getCount() > 1;
    call.scratch.push_back(alternates ? temporary(from.shape, from.element) : Place());
    if (!call.stacks[i])
      continue;
    Place first = *reshape(firstSlice(call.stackedOut[*call.stacks[i]]), from.shape);
    if (first.root != from.root || first.offset != from.offset)
      copy(from, first, /*accumulate=*/false, loc);
  }
  for (const Place &place : call.sums) {
    call.terms.push_back(temporary(place.shape, place.element));
    builder.create<rt::FillOp>(loc, use(place));
  }
  auto loop = builder.create<scf::ForOp>(loc, constant(0), constant(op.getCount()), constant(1));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(loop.getBody()->getTerminator());
  call.iteration = loop.getInductionVar();
  return buildLayerCall(call);
}

/// On the slot of one layer's part of a stack.
static void markStackSlot(Value slot, const Place &stack) {
  if (auto op = slot.getDefiningOp<rt::SlotOp>())
    op->setAttr(rt::kStackAttr, OpBuilder(op).getI64IntegerAttr(stack.elements() * elementBytes(stack.element)));
}

/// Operands and results that a layer hands to the next: slices of a stack that keeps them all, or two places in turn,
/// of which the last layer writes the result's.
void FunctionPlanner::passCarried(LayerCall &call) {
  auto select = [&](Value condition, Value yes, Value no) -> Value {
    return builder.create<arith::SelectOp>(loc, condition, yes, no);
  };
  auto inStack = [&](const Place &stack, const Place &like, Value at) {
    return use(*reshape(sliceOf(builder, loc, stack, at), like.shape));
  };
  for (auto [from, to, scratch, stack] : llvm::zip(call.carried, call.carriedOut, call.scratch, call.stacks)) {
    Value result = use(to);
    if (stack) {
      const Place &whole = call.stackedOut[*stack];
      call.arguments.push_back(inStack(whole, from, call.index));
      markStackSlot(call.arguments.back(), whole);
      Value next = builder.create<arith::AddIOp>(loc, call.index, constant(1));
      next = builder.create<arith::MinSIOp>(loc, next, call.last);
      Value isLast = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, call.iteration, call.last);
      call.destinations.push_back(select(isLast, result, inStack(whole, from, next)));
      continue;
    }
    if (!scratch.root) {
      call.arguments.push_back(use(from));
      call.destinations.push_back(result);
      continue;
    }
    Value other = use(scratch);
    call.arguments.push_back(select(call.isFirst, use(from), select(call.odd, result, other)));
    call.destinations.push_back(select(call.odd, other, result));
  }
}

LogicalResult FunctionPlanner::buildLayerCall(LayerCall &call) {
  LayersOp op = call.op;
  call.last = constant(op.getCount() - 1);
  Value remaining = builder.create<arith::SubIOp>(loc, call.last, call.iteration);
  Value index = call.index = op.getReverse() ? remaining : call.iteration;
  Value number = builder.create<arith::AddIOp>(loc, index, constant(op.getFirstLayer()));
  Value number64 = builder.create<arith::IndexCastOp>(loc, builder.getI64Type(), number);
  call.odd = builder.create<arith::TruncIOp>(loc, builder.getI1Type(),
                                             builder.create<arith::IndexCastOp>(loc, builder.getI64Type(), remaining));
  call.isFirst = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, call.iteration, constant(0));

  SmallVector<Value> &arguments = call.arguments, &destinations = call.destinations;
  arguments = {use(temporary({call.callee->workspaceBytes}, builder.getI8Type())), number64, firstRow};
  passCarried(call);
  for (const Place &place : call.invariants)
    arguments.push_back(use(place));
  for (const Place &place : call.stacked)
    arguments.push_back(use(sliceOf(builder, loc, place, index)));
  SmallVector<ParamOp> names = lookUp(plan.symbols, op.getParams());
  for (ParamOp param : names)
    arguments.push_back(use(parameterPlace(params, param, index)));
  for (const Place &place : call.terms)
    destinations.push_back(use(place));
  for (auto [i, place] : llvm::enumerate(call.stackedOut)) {
    if (llvm::is_contained(call.stacks, std::optional<unsigned>(i)))
      continue;
    destinations.push_back(use(sliceOf(builder, loc, place, index)));
    markStackSlot(destinations.back(), place);
  }
  llvm::append_range(arguments, destinations);
  for (unsigned param : call.callee->gradients)
    arguments.push_back(use(parameterPlace(grads, names[param], index)));
  builder.create<func::CallOp>(loc, call.callee->func, arguments);
  for (auto [term, sum] : llvm::zip(call.terms, call.sums))
    copy(term, sum, /*accumulate=*/true, loc);
  announceGradients(op, *call.callee, index);
  return success();
}

/// Spans of this layer's gradients to which nothing after this op adds.
void FunctionPlanner::announceGradients(LayersOp op, const PlannedFunction &callee, Value index) {
  SmallVector<ParamOp> names = lookUp(plan.symbols, op.getParams());
  llvm::StringSet<> complete;
  for (unsigned param : callee.gradients)
    complete.insert(names[param].getSymName());
  for (Operation *later = op->getNextNode(); later; later = later->getNextNode())
    if (auto run = dyn_cast<LayersOp>(later))
      for (FlatSymbolRefAttr name : run.getParams().getAsRange<FlatSymbolRefAttr>())
        complete.erase(name.getValue());
  for (const LayerSpan &span : plan.layout.spans) {
    if (!llvm::all_of(span.params, [&](ParamOp param) { return complete.contains(param.getSymName()); }))
      continue;
    Place place = fixed(grads, RankedTensorType::get({span.stride}, plan.layout.element));
    place.root->offset = span.offset;
    place.root->dynamic = builder.create<arith::MulIOp>(loc, index, constant(span.stride));
    builder.create<rt::GradientsReadyOp>(loc, use(place), builder.getStrArrayAttr(reduceAxes(span.params.front())));
  }
}
