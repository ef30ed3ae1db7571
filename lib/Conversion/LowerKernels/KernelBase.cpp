//===- KernelBase.cpp - what lowerings of one kernel share -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBase.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace colo;

//===----------------------------------------------------------------------===//
// Signature
//===----------------------------------------------------------------------===//

static LogicalResult layoutOf(func::FuncOp kernel, ArrayAttr layouts, size_t position, RankedTensorType tensor,
                              KernelPlace &place) {
  MemRefType type = MemRefType::get(tensor.getShape(), tensor.getElementType());
  if (layouts) {
    if (position >= layouts.size())
      return kernel.emitError("'rt.layouts' has ") << layouts.size() << " entries, fewer than tensors";
    type = dyn_cast<MemRefType>(cast<TypeAttr>(layouts[position]).getValue());
    if (!type || type.getShape() != tensor.getShape() || type.getElementType() != tensor.getElementType())
      return kernel.emitError("layout ") << layouts[position] << " does not fit " << tensor;
  }
  int64_t offset;
  if (failed(getStridesAndOffset(type, place.strides, offset)) ||
      llvm::any_of(place.strides, [](int64_t stride) { return ShapedType::isDynamic(stride) || stride < 0; }))
    return kernel.emitError("layout ") << type << " is not strided with static strides";
  int64_t span = 1;
  for (auto [size, stride] : llvm::zip(tensor.getShape(), place.strides))
    span += (size - 1) * stride;
  place.type = MemRefType::get({tensor.getNumElements() == 0 ? 0 : span}, storedType(tensor.getElementType()));
  return success();
}

func::FuncOp colo::declareKernel(func::FuncOp kernel, llvm::ArrayRef<Type> types) {
  OpBuilder builder(kernel);
  auto declaration =
      builder.create<func::FuncOp>(kernel.getLoc(), kernel.getName(), builder.getFunctionType(types, {}));
  declaration.setPrivate();
  declaration->setAttr(rt::kKernelAttr, builder.getUnitAttr());
  if (Attribute flops = kernel->getAttr(rt::kFlopsAttr))
    declaration->setAttr(rt::kFlopsAttr, flops);
  return declaration;
}

LogicalResult KernelBase::readSignature() {
  auto layouts = kernel->getAttrOfType<ArrayAttr>(rt::kLayoutsAttr);
  auto adds = kernel->getAttrOfType<ArrayAttr>(rt::kAccumulateAttr);
  size_t position = 0;
  for (Type type : kernel.getArgumentTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    arguments.emplace_back();
    if (tensor && failed(layoutOf(kernel, layouts, position++, tensor, arguments.back())))
      return failure();
  }
  for (auto [i, type] : llvm::enumerate(kernel.getResultTypes())) {
    results.emplace_back();
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      return kernel.emitError("a kernel's results are tensors, not ") << type;
    if (failed(layoutOf(kernel, layouts, position++, tensor, results.back())))
      return failure();
    results.back().accumulate = adds && i < adds.size() && cast<BoolAttr>(adds[i]).getValue();
  }
  if (auto inPlace = kernel->getAttrOfType<DenseI64ArrayAttr>(rt::kInPlaceAttr))
    for (auto [result, argument] : llvm::enumerate(inPlace.asArrayRef()))
      if (argument >= 0)
        arguments[argument].result = result;
  rows = 0;
  if (auto attr = kernel->getAttrOfType<IntegerAttr>(rt::kRowsAttr))
    rows = attr.getInt();
  return success();
}

llvm::SmallVector<Type> KernelBase::flatTypes() {
  llvm::SmallVector<Type> types;
  for (auto [type, place] : llvm::zip(kernel.getArgumentTypes(), arguments))
    if (!place.result)
      types.push_back(place.type ? Type(place.type) : type);
  for (KernelPlace &place : results)
    types.push_back(place.type);
  return types;
}

void KernelBase::bindArguments(Block &entry) {
  size_t next = 0;
  for (auto [place, old] : llvm::zip(arguments, kernel.getArguments())) {
    if (place.result)
      continue;
    Value argument = entry.getArgument(next++);
    if (place.type)
      storage[old] = {argument, place.strides, Value()};
    else
      mapping.map(old, argument);
  }
  for (KernelPlace &place : results)
    place.memory = entry.getArgument(next++);
  for (auto [place, old] : llvm::zip(arguments, kernel.getArguments()))
    if (place.result)
      storage[old] = {results[*place.result].memory, place.strides, Value()};
}

LogicalResult KernelBase::collect() {
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      generics.push_back(generic);
    } else if (auto add = dyn_cast<rt::ScatterAddOp>(op)) {
      scatter = add;
    } else if (auto whole = dyn_cast<rt::AttentionOp>(op)) {
      attention = whole;
    } else if (!isa<tensor::EmptyOp, linalg::FillOp>(op) && !isLeadingSlice(&op)) {
      // Numbers that bodies share.
      if (llvm::any_of(op.getResultTypes(), llvm::IsaPred<ShapedType>) || op.getNumRegions())
        return op.emitError(
            "is no loop nest: a kernel holds linalg.generic, linalg.fill, leading slices and scalar ops");
      builder.clone(op, mapping);
    }
  }
  Operation *end = kernel.getBody().front().getTerminator();
  for (auto [i, value] : llvm::enumerate(end->getOperands())) {
    if (!isa_and_nonnull<linalg::GenericOp, rt::ScatterAddOp, rt::AttentionOp>(value.getDefiningOp()))
      return end->emitError("result ") << i << " is not made by a loop nest";
    returned[value] = i;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

Point KernelBase::rowPoint(linalg::GenericOp op, llvm::ArrayRef<Value> position, llvm::ArrayRef<int64_t> sizes) {
  Point point(op.getNumLoops());
  for (size_t d = 0; d < rows; ++d)
    point[d] = sizes[d] == 1 ? Value() : position[d];
  return point;
}

Value KernelBase::constant(int64_t value) { return builder.create<arith::ConstantIndexOp>(kernel.getLoc(), value); }

void KernelBase::forLoop(Value lower, Value upper, llvm::function_ref<void(Value)> body, int64_t step) {
  auto loop = builder.create<scf::ForOp>(kernel.getLoc(), lower, upper, constant(step));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(loop.getBody()->getTerminator());
  body(loop.getInductionVar());
}

llvm::SmallVector<Value> KernelBase::digits(Value number, llvm::ArrayRef<int64_t> sizes) {
  llvm::SmallVector<Value> result(sizes.size());
  for (size_t i = sizes.size(); i-- > 0;) {
    if (i == 0) {
      result[i] = number;
      break;
    }
    Value size = constant(sizes[i]);
    result[i] = builder.create<arith::RemUIOp>(kernel.getLoc(), number, size);
    number = builder.create<arith::DivUIOp>(kernel.getLoc(), number, size);
  }
  return result;
}

void KernelBase::store(Value value, const KernelPlace &place, AffineMap map, const Point &point) {
  Location loc = value.getLoc();
  Value address = emitAffine(builder, loc, addressOf(map, place.strides), point);
  if (place.accumulate) {
    Value before = builder.create<memref::LoadOp>(loc, place.memory, address);
    value = builder.create<arith::AddFOp>(loc, before, value, kKernelFastMath);
  }
  if (value.getType().isInteger(1))
    value = builder.create<arith::ExtUIOp>(loc, storedType(value.getType()), value);
  builder.create<memref::StoreOp>(loc, value, place.memory, address);
}

Value KernelBase::initOf(linalg::GenericOp op, unsigned result) {
  auto fill = op.getDpsInits()[result].getDefiningOp<linalg::FillOp>();
  return fill ? mapping.lookupOrDefault(fill.getInputs()[0]) : Value();
}

bool KernelBase::isReadLater(Value result) {
  return llvm::any_of(result.getUsers(), [](Operation *user) { return !isa<func::ReturnOp>(user); });
}

llvm::SmallVector<llvm::SmallVector<int64_t>> KernelBase::resultStrides(linalg::GenericOp op) {
  llvm::SmallVector<llvm::SmallVector<int64_t>> all;
  for (Value result : op.getResults()) {
    llvm::ArrayRef<int64_t> shape = cast<RankedTensorType>(result.getType()).getShape();
    auto it = returned.find(result);
    if (it != returned.end()) {
      all.push_back(results[it->second].strides);
      continue;
    }
    llvm::SmallVector<int64_t> strides(shape.size(), 0);
    int64_t stride = 1;
    for (size_t d = shape.size(); d-- > rows; stride *= shape[d])
      strides[d] = stride;
    all.push_back(strides);
  }
  return all;
}

/// One number a row: its map names rows only.
bool KernelBase::isRowScalar(const Nest &nest, unsigned result) {
  linalg::GenericOp op = nest.op;
  AffineMap map = op.getIndexingMapsArray()[op.getNumDpsInputs() + result];
  for (const Loop &loop : llvm::ArrayRef(nest.loops).drop_front(nest.rowLoops))
    if (map.isFunctionOfDim(loop.dim))
      return false;
  return true;
}
