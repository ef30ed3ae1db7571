//===- BuildKernel.cpp - a cluster as a function of linalg.generics -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BuildKernel.h"
#include "BuildBody.h"
#include "Phases.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace colo;

static Location locationOf(llvm::ArrayRef<Value> values) {
  llvm::SmallVector<Location> locations;
  for (Value value : values)
    locations.push_back(value.getLoc());
  return FusedLoc::get(values.front().getContext(), locations);
}

/// What an item's nest starts from: the neutral element of a reduction, otherwise nothing.
static Value buildInit(OpBuilder &builder, Value item) {
  auto type = cast<RankedTensorType>(item.getType());
  Location loc = item.getLoc();
  Value empty = builder.create<tensor::EmptyOp>(loc, type.getShape(), type.getElementType());
  auto reduce = item.getDefiningOp<ReduceOp>();
  if (!reduce)
    return empty;
  TypedAttr neutral = builder.getZeroAttr(type.getElementType());
  if (reduce.getKind() == ReduceKind::Max) {
    if (auto floatType = dyn_cast<FloatType>(type.getElementType()))
      neutral = builder.getFloatAttr(floatType, APFloat::getInf(floatType.getFloatSemantics(), /*Negative=*/true));
    else
      neutral = builder.getIntegerAttr(type.getElementType(), APInt::getSignedMinValue(type.getElementTypeBitWidth()));
  }
  Value constant = builder.create<arith::ConstantOp>(loc, neutral);
  return builder.create<linalg::FillOp>(loc, constant, empty).getResult(0);
}

static Value combine(OpBuilder &builder, ReduceOp reduce, Value accumulator, Value element) {
  bool isFloat = isa<FloatType>(element.getType()), isMax = reduce.getKind() == ReduceKind::Max;
  Location loc = reduce.getLoc();
  if (isMax)
    return isFloat ? builder.create<arith::MaximumFOp>(loc, accumulator, element).getResult()
                   : builder.create<arith::MaxSIOp>(loc, accumulator, element).getResult();
  return isFloat ? builder.create<arith::AddFOp>(loc, accumulator, element).getResult()
                 : builder.create<arith::AddIOp>(loc, accumulator, element).getResult();
}

/// Loops that no indexing map names as a dim get their size from an operand that is not read.
static void addShapeOperand(OpBuilder &builder, Location loc, const Phase &phase, Type elementType, BodyBuilder &body,
                            llvm::ArrayRef<AffineMap> resultMaps) {
  llvm::SmallVector<AffineMap> maps(body.getMaps());
  llvm::append_range(maps, resultMaps);
  llvm::BitVector named(phase.sizes.size());
  for (AffineMap map : maps)
    for (AffineExpr expr : map.getResults())
      if (auto dim = dyn_cast<AffineDimExpr>(expr))
        named.set(dim.getPosition());
  if (named.all())
    return;
  Value shape = builder.create<tensor::EmptyOp>(loc, phase.sizes, elementType);
  body.addOperand(shape, builder.getMultiDimIdentityMap(phase.sizes.size()));
}

/// A dim that a map names alone must be as long as its loop: of a longer one the nest reads the leading part.
static llvm::SmallVector<Value> buildOperands(OpBuilder &builder, Location loc, const Phase &phase,
                                              const BodyBuilder &body) {
  llvm::SmallVector<Value> operands(body.getOperands());
  for (auto [operand, map] : llvm::zip(operands, body.getMaps())) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type)
      continue;
    llvm::SmallVector<int64_t> sizes(type.getShape());
    for (auto [size, expr] : llvm::zip(sizes, map.getResults()))
      if (auto dim = dyn_cast<AffineDimExpr>(expr))
        size = phase.sizes[dim.getPosition()];
    if (type.getShape() == llvm::ArrayRef(sizes))
      continue;
    llvm::SmallVector<OpFoldResult> lengths;
    for (int64_t size : sizes)
      lengths.push_back(builder.getIndexAttr(size));
    llvm::SmallVector<OpFoldResult> offsets(sizes.size(), builder.getIndexAttr(0));
    llvm::SmallVector<OpFoldResult> strides(sizes.size(), builder.getIndexAttr(1));
    operand = builder.create<tensor::ExtractSliceOp>(loc, operand, offsets, lengths, strides);
  }
  return operands;
}

static void buildPhase(OpBuilder &builder, const Phase &phase, BodyBuilder &body) {
  Location loc = locationOf(phase.items);
  MLIRContext *context = builder.getContext();
  llvm::SmallVector<AffineMap> resultMaps;
  llvm::SmallVector<Value> elements, inits;
  for (Value item : phase.items) {
    LoopNest nest = loopNestOf(item);
    auto reduce = item.getDefiningOp<ReduceOp>();
    elements.push_back(reduce ? body.evaluate(reduce.getInput(), nest.operand)
                              : body.narrow(loc, body.evaluate(item, nest.result), getElementTypeOrSelf(item)));
    resultMaps.push_back(AffineMap::get(phase.sizes.size(), 0, nest.result, context));
    inits.push_back(buildInit(builder, item));
  }
  addShapeOperand(builder, loc, phase, getElementTypeOrSelf(phase.items.front()), body, resultMaps);

  std::unique_ptr<Block> block = body.takeBlock();
  OpBuilder bodyBuilder(context);
  bodyBuilder.setInsertionPointToEnd(block.get());
  llvm::SmallVector<Type> types;
  for (size_t i = 0; i < phase.items.size(); ++i) {
    Value accumulator = block->addArgument(getElementTypeOrSelf(phase.items[i]), loc);
    if (auto reduce = phase.items[i].getDefiningOp<ReduceOp>())
      elements[i] = combine(bodyBuilder, reduce, accumulator, elements[i]);
    types.push_back(inits[i].getType());
  }
  bodyBuilder.create<linalg::YieldOp>(loc, elements);
  llvm::SmallVector<utils::IteratorType> iterators;
  for (bool reduced : phase.reduced)
    iterators.push_back(reduced ? utils::IteratorType::reduction : utils::IteratorType::parallel);
  llvm::SmallVector<AffineMap> maps(body.getMaps());
  llvm::append_range(maps, resultMaps);
  llvm::SmallVector<Value> operands = buildOperands(builder, loc, phase, body);
  auto generic = builder.create<linalg::GenericOp>(loc, types, operands, inits, maps, iterators);
  generic.getRegion().push_back(block.release());
  for (auto [item, result] : llvm::zip(phase.items, generic.getResults()))
    body.setMade(item, result);
}

void colo::buildKernel(const Clustering &clustering, const Kernel &plan, llvm::ArrayRef<Value> outputs,
                       func::FuncOp kernel, KernelSignature &signature, int64_t rowBytes) {
  PhasePlan phases(clustering, plan, rowBytes);
  OpBuilder builder = OpBuilder::atBlockBegin(&kernel.getBody().front());
  llvm::DenseMap<Value, Value> made;
  for (const Phase &phase : phases.getPhases()) {
    BodyBuilder body(phases, phase, signature, made);
    buildPhase(builder, phase, body);
  }
  llvm::SmallVector<Value> results;
  for (Value output : outputs)
    results.push_back(made[output]);
  builder.create<func::ReturnOp>(locationOf(outputs), results);
  kernel->setAttr(rt::kRowsAttr, builder.getI64IntegerAttr(plan.rows));
}
