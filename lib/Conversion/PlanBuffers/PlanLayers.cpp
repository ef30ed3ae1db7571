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
// former.
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
  for (Value input : op.getInputs())
    arguments.push_back(use(contiguous(placeOf(input), loc)));
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

/// Slice `index` of the leading dim.
static Place sliceOf(OpBuilder &builder, Location loc, const Place &stack, Value index) {
  Place place = stack;
  Value stride = builder.create<arith::ConstantIndexOp>(loc, stack.strides.front());
  place.dynamic = builder.create<arith::MulIOp>(loc, index, stride);
  place.shape.erase(place.shape.begin());
  place.strides.erase(place.strides.begin());
  return place;
}

LogicalResult FunctionPlanner::planLayers(LayersOp op) {
  LayerCall call;
  call.op = op;
  call.callee = plan.plan(lookUpFunction(plan.symbols, op.getCallee()));
  if (!call.callee)
    return failure();
  auto packAll = [&](ValueRange values, SmallVectorImpl<Place> &into) {
    for (Value value : values)
      into.push_back(contiguous(placeOf(value), loc));
  };
  packAll(op.getCarried(), call.carried);
  packAll(op.getInvariants(), call.invariants);
  packAll(op.getStacked(), call.stacked);
  auto allocateAll = [&](ValueRange values, SmallVectorImpl<Place> &into) {
    for (Value value : values)
      into.push_back(places[value] = allocate(value));
  };
  allocateAll(op.getCarriedOut(), call.carriedOut);
  allocateAll(op.getAccumulated(), call.sums);
  allocateAll(op.getStackedOut(), call.stackedOut);
  for (const Place &place : call.carriedOut)
    call.scratch.push_back(temporary(place.shape, place.element));
  for (const Place &place : call.sums) {
    call.terms.push_back(temporary(place.shape, place.element));
    builder.create<rt::FillOp>(loc, use(place));
  }
  auto loop = builder.create<scf::ForOp>(loc, constant(0), constant(op.getCount()), constant(1));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(loop.getBody()->getTerminator());
  return buildLayerCall(call, loop.getInductionVar());
}

LogicalResult FunctionPlanner::buildLayerCall(LayerCall &call, Value iteration) {
  LayersOp op = call.op;
  Value last = constant(op.getCount() - 1);
  Value remaining = builder.create<arith::SubIOp>(loc, last, iteration);
  Value index = op.getReverse() ? remaining : iteration;
  Value number = builder.create<arith::AddIOp>(loc, index, constant(op.getFirstLayer()));
  Value number64 = builder.create<arith::IndexCastOp>(loc, builder.getI64Type(), number);
  Value odd = builder.create<arith::TruncIOp>(loc, builder.getI1Type(),
                                              builder.create<arith::IndexCastOp>(loc, builder.getI64Type(), remaining));
  Value isFirst = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, iteration, constant(0));

  SmallVector<Value> arguments{use(temporary({call.callee->workspaceBytes}, builder.getI8Type())), number64, firstRow};
  SmallVector<Value> destinations;
  auto select = [&](Value condition, Value yes, Value no) -> Value {
    return builder.create<arith::SelectOp>(loc, condition, yes, no);
  };
  for (auto [from, to, scratch] : llvm::zip(call.carried, call.carriedOut, call.scratch)) {
    Value result = use(to), other = use(scratch);
    arguments.push_back(select(isFirst, use(from), select(odd, result, other)));
    destinations.push_back(select(odd, other, result));
  }
  for (const Place &place : call.invariants)
    arguments.push_back(use(place));
  for (const Place &place : call.stacked)
    arguments.push_back(use(sliceOf(builder, loc, place, index)));
  SmallVector<ParamOp> names = lookUp(plan.symbols, op.getParams());
  for (ParamOp param : names)
    arguments.push_back(use(parameterPlace(params, param, index)));
  for (const Place &place : call.terms)
    destinations.push_back(use(place));
  for (const Place &place : call.stackedOut) {
    destinations.push_back(use(sliceOf(builder, loc, place, index)));
    if (auto slot = destinations.back().getDefiningOp<rt::SlotOp>())
      slot->setAttr(rt::kStackAttr, builder.getI64IntegerAttr(place.elements() * elementBytes(place.element)));
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
