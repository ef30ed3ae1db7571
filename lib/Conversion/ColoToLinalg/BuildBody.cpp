//===- BuildBody.cpp - the scalar computation of a phase -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BuildBody.h"
#include "ExactValues.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;
using namespace colo;

BodyBuilder::BodyBuilder(const PhasePlan &plan, const Phase &phase, KernelSignature &signature,
                         llvm::DenseMap<Value, Value> &made)
    : plan(plan), phase(phase), signature(signature), made(made), block(std::make_unique<Block>()),
      builder(phase.items.front().getContext()), loopIndices(phase.sizes.size()) {
  builder.setInsertionPointToEnd(block.get());
}

//===----------------------------------------------------------------------===//
// Operands and indices
//===----------------------------------------------------------------------===//

Value BodyBuilder::addOperand(Value tensor, AffineMap map) {
  operands.push_back(tensor);
  maps.push_back(map);
  return block->addArgument(getElementTypeOrSelf(tensor), tensor.getLoc());
}

Value BodyBuilder::widen(Location loc, Value element) {
  Type type = arithmeticType(element.getType());
  return type == element.getType() ? element : builder.create<arith::ExtFOp>(loc, type, element).getResult();
}

Value BodyBuilder::narrow(Location loc, Value scalar, Type element) {
  return arithmeticType(element) == element ? scalar
                                            : builder.create<arith::TruncFOp>(loc, element, scalar).getResult();
}

Value BodyBuilder::load(Value tensor, llvm::ArrayRef<AffineExpr> indices) {
  Location loc = tensor.getLoc();
  if (conditions == 0)
    return widen(loc, addOperand(tensor, AffineMap::get(phase.sizes.size(), 0, indices, builder.getContext())));
  // Out of bounds where the condition does not hold: no operand of the nest.
  llvm::SmallVector<Value> positions;
  for (AffineExpr expr : indices)
    positions.push_back(index(loc, expr));
  return widen(loc, builder.create<tensor::ExtractOp>(loc, tensor, positions));
}

Value BodyBuilder::index(Location loc, AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return builder.create<arith::ConstantIndexOp>(loc, constant.getValue());
  // Loop indices belong to the body itself, not to regions inside.
  auto loopIndex = [&](unsigned dim) {
    if (!loopIndices[dim]) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(block.get());
      loopIndices[dim] = builder.create<linalg::IndexOp>(loc, dim);
    }
    return loopIndices[dim];
  };
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return loopIndex(dim.getPosition());
  AffineMap map = AffineMap::get(phase.sizes.size(), 0, expr);
  llvm::SmallVector<Value> dims;
  for (size_t d = 0; d < phase.sizes.size(); ++d)
    dims.push_back(map.isFunctionOfDim(d) ? loopIndex(d) : Value());
  map = compressUnusedDims(map);
  llvm::erase(dims, Value());
  return builder.create<affine::AffineApplyOp>(loc, map, dims);
}

Value BodyBuilder::position(Location loc, ArrayAttr positions, int64_t dim, int64_t local, AffineExpr expr) {
  return signature.position(builder, loc, positions, dim, local, index(loc, expr));
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value BodyBuilder::evaluate(Value value, llvm::ArrayRef<AffineExpr> indices) {
  Key key{value.getAsOpaquePointer(), {}};
  for (AffineExpr expr : indices)
    key.second.push_back(expr.getAsOpaquePointer());
  auto it = known.find(key);
  if (it != known.end())
    return it->second;
  Value result;
  // Items of this phase are computed in place, also at other indices; a reduction is always of an earlier phase.
  if (plan.isInput(value))
    result = load(signature.argument(value), indices);
  else if (auto item = made.find(value); item != made.end())
    result = load(item->second, indices);
  else
    result = computeMarked(value.getDefiningOp(), indices);
  known[key] = result;
  return result;
}

/// Of an exact value, the scalar ops say so, and a value of 16 bits is rounded as in memory: another kernel may read it
/// there.
Value BodyBuilder::computeMarked(Operation *op, llvm::ArrayRef<AffineExpr> indices) {
  if (!isExact(op))
    return compute(op, indices);
  Block *block = builder.getInsertionBlock();
  auto at = builder.getInsertionPoint();
  Operation *before = at == block->begin() ? nullptr : &*std::prev(at);
  Value result = compute(op, indices);
  if (Type element = getElementTypeOrSelf(op->getResult(0)); arithmeticType(element) != element)
    result = widen(op->getLoc(), narrow(op->getLoc(), result, element));
  auto first = before ? std::next(before->getIterator()) : block->begin();
  for (Operation &made : llvm::make_range(first, builder.getInsertionPoint()))
    made.walk([](arith::ArithFastMathInterface scalar) {
      scalar->setAttr(rt::kExactAttr, UnitAttr::get(scalar->getContext()));
    });
  return result;
}

Value BodyBuilder::compute(Operation *op, llvm::ArrayRef<AffineExpr> indices) {
  Location loc = op->getLoc();
  Type type = arithmeticType(getElementTypeOrSelf(op->getResult(0)));
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    double number = constant.getValue().convertToDouble();
    TypedAttr attr = isa<FloatType>(type) ? TypedAttr(builder.getFloatAttr(type, number))
                                          : TypedAttr(builder.getIntegerAttr(type, static_cast<int64_t>(number)));
    return builder.create<arith::ConstantOp>(loc, attr);
  }
  if (auto iotaOp = dyn_cast<IotaOp>(op))
    return iota(iotaOp, indices);
  if (auto randomOp = dyn_cast<RandomOp>(op))
    return random(randomOp, indices);
  if (auto dropoutOp = dyn_cast<DropoutOp>(op))
    return dropout(dropoutOp, indices);
  if (auto embeddingOp = dyn_cast<EmbeddingOp>(op))
    return embedding(embeddingOp, indices);
  if (auto count = dyn_cast<InverseCountOp>(op))
    return inverseCount(count);
  llvm::SmallVector<ElementAccess> accesses = operandAccesses(op, indices);
  auto scalar = dyn_cast<ScalarBodyOpInterface>(op);
  if (!scalar)
    return guarded(loc, accesses, type);
  llvm::SmallVector<Value> elements;
  for (const ElementAccess &access : accesses)
    elements.push_back(evaluate(access.value, access.indices));
  return scalar.buildScalar(builder, elements);
}

Value BodyBuilder::iota(IotaOp op, llvm::ArrayRef<AffineExpr> indices) {
  auto type = cast<RankedTensorType>(op.getResult().getType());
  int64_t dim = op.getDim();
  Value at = position(op.getLoc(), op.getPositionsAttr(), dim, type.getDimSize(dim), indices[dim]);
  Type element = arithmeticType(type.getElementType());
  if (!isa<FloatType>(element))
    return builder.create<arith::IndexCastOp>(op.getLoc(), element, at);
  Value number = builder.create<arith::IndexCastOp>(op.getLoc(), builder.getI64Type(), at);
  return builder.create<arith::SIToFPOp>(op.getLoc(), element, number);
}

Value BodyBuilder::inverseCount(InverseCountOp op) {
  Value number = signature.argument(signature.getScalars().inverseCount(op.getTerm()));
  if (op.getScaled())
    number = builder.create<arith::MulFOp>(op.getLoc(), number,
                                           signature.argument(signature.getScalars().real("loss_scale")));
  Type type = arithmeticType(getElementTypeOrSelf(op.getResult()));
  return type.isF64() ? number : builder.create<arith::TruncFOp>(op.getLoc(), type, number).getResult();
}

template <typename OpT> Value BodyBuilder::randomWord(OpT op, llvm::ArrayRef<AffineExpr> indices) {
  Location loc = op.getLoc();
  Type i64 = builder.getI64Type();
  auto integer = [&](int64_t value) -> Value { return builder.create<arith::ConstantIntOp>(loc, value, 64); };
  auto scalar = [&](StringRef name) { return signature.argument(signature.getScalars().integer(name)); };
  auto shape = shapeOf(op.getResult());
  Value element;
  for (size_t d = 0; d < shape.size(); ++d) {
    Value at = position(loc, op.getPositionsAttr(), d, shape[d], indices[d]);
    at = builder.create<arith::IndexCastOp>(loc, i64, at);
    if (d == 0) {
      // The batch's rows are counted over micro-batches and replicas.
      element = builder.create<arith::AddIOp>(loc, scalar("first_row"), at);
      continue;
    }
    element = builder.create<arith::MulIOp>(loc, element, integer(globalSize(op.getPositionsAttr(), d, shape[d])));
    element = builder.create<arith::AddIOp>(loc, element, at);
  }
  if (!element)
    element = integer(0);
  Value instance = builder.create<arith::AddIOp>(loc, integer(op.getId() << 16), scalar("layer"));
  return builder.create<rt::RandomWordOp>(loc, builder.getI32Type(), scalar("seed"), element, instance, scalar("step"));
}

/// The word's upper 24 bits, which f32 holds exactly.
Value BodyBuilder::random(RandomOp op, llvm::ArrayRef<AffineExpr> indices) {
  Location loc = op.getLoc();
  Type type = arithmeticType(getElementTypeOrSelf(op.getResult()));
  Value word = randomWord(op, indices), shift = builder.create<arith::ConstantIntOp>(loc, 8, 32);
  Value number = builder.create<arith::SIToFPOp>(loc, type, builder.create<arith::ShRUIOp>(loc, word, shift));
  Value unit = builder.create<arith::ConstantOp>(loc, builder.getFloatAttr(type, std::ldexp(1.0, -24)));
  return builder.create<arith::MulFOp>(loc, number, unit);
}

/// Kept where the element's random word is at least rate * 2^32.
Value BodyBuilder::dropout(DropoutOp op, llvm::ArrayRef<AffineExpr> indices) {
  Location loc = op.getLoc();
  Value x = evaluate(op.getInput(), indices);
  double rate = op.getRate().convertToDouble(), threshold = std::ceil(std::ldexp(rate, 32));
  Type type = x.getType();
  Value zero = builder.create<arith::ConstantOp>(loc, builder.getZeroAttr(type));
  if (rate <= 0)
    return x;
  if (threshold >= std::ldexp(1.0, 32))
    return zero;
  Value word = randomWord(op, indices);
  Value bound = builder.create<arith::ConstantOp>(
      loc, builder.getI32IntegerAttr(static_cast<int32_t>(static_cast<uint32_t>(threshold))));
  Value kept = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::uge, word, bound);
  Value scale = builder.create<arith::ConstantOp>(loc, builder.getFloatAttr(type, 1.0 / (1.0 - rate)));
  return builder.create<arith::SelectOp>(loc, kept, builder.create<arith::MulFOp>(loc, x, scale), zero);
}

Value BodyBuilder::embedding(EmbeddingOp op, llvm::ArrayRef<AffineExpr> indices) {
  Location loc = op.getLoc();
  ElementAccess ids = operandAccesses(op, indices).front();
  Value table = signature.argument(op.getTable()), id = evaluate(op.getIds(), ids.indices);
  int64_t rows = shapeOf(op.getTable()).front();
  Value row = builder.create<arith::IndexCastOp>(loc, builder.getIndexType(), id);
  row = builder.create<arith::SubIOp>(loc, row, signature.firstPosition(builder, loc, op.getPositionsAttr(), 0, rows));
  // A row that the rank does not hold is read from row 0 and dropped.
  Value zeroRow = builder.create<arith::ConstantIndexOp>(loc, 0);
  Value bound = builder.create<arith::ConstantIndexOp>(loc, rows);
  Value here = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, row, bound);
  llvm::SmallVector<Value> at{builder.create<arith::SelectOp>(loc, here, row, zeroRow)};
  for (AffineExpr expr : indices.drop_front(ids.indices.size()))
    at.push_back(index(loc, expr));
  Value element = widen(loc, builder.create<tensor::ExtractOp>(loc, table, at));
  Value zero = builder.create<arith::ConstantOp>(loc, builder.getZeroAttr(element.getType()));
  return builder.create<arith::SelectOp>(loc, here, element, zero);
}

//===----------------------------------------------------------------------===//
// Conditions
//===----------------------------------------------------------------------===//

Value BodyBuilder::condition(Location loc, llvm::ArrayRef<ElementGuard> guards) {
  Value result;
  auto require = [&](Value holds) {
    result = result ? builder.create<arith::AndIOp>(loc, result, holds).getResult() : holds;
  };
  for (const ElementGuard &guard : guards) {
    Value at = index(loc, guard.index);
    // Unsigned: a negative index is too large as well.
    Value size = builder.create<arith::ConstantIndexOp>(loc, guard.size);
    require(builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, at, size));
    if (guard.stride > 1) {
      Value zero = builder.create<arith::ConstantIndexOp>(loc, 0);
      Value rest = index(loc, guard.index % guard.stride);
      require(builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, rest, zero));
    }
  }
  return result;
}

/// The first access whose guards hold; 0 if none does.
Value BodyBuilder::guarded(Location loc, llvm::ArrayRef<ElementAccess> accesses, Type type) {
  if (accesses.empty())
    return builder.create<arith::ConstantOp>(loc, builder.getZeroAttr(type));
  const ElementAccess &access = accesses.front();
  Value holds = condition(loc, access.guards);
  if (!holds)
    return evaluate(access.value, access.indices);
  auto choice = builder.create<scf::IfOp>(loc, type, holds, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard insertion(builder);
  ++conditions;
  // What is computed under a condition is not known outside.
  auto outside = known;
  builder.setInsertionPointToStart(choice.thenBlock());
  builder.create<scf::YieldOp>(loc, evaluate(access.value, access.indices));
  known = outside;
  builder.setInsertionPointToStart(choice.elseBlock());
  builder.create<scf::YieldOp>(loc, guarded(loc, accesses.drop_front(), type));
  known = std::move(outside);
  --conditions;
  return choice.getResult(0);
}
