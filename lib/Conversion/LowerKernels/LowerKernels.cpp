//===- LowerKernels.cpp - kernels as fused row loops -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads indexing maps, iterator types and bodies only; what a kernel computes
// does not matter here. Three shapes of parallel extent (docs/kernels.md):
//
//  * rows: every nest runs for one row, then the next nest; what passes between
//    nests is in registers or in a buffer on the stack;
//  * columns: blocks of neighbouring columns, the reduction outside and the
//    columns inside, sums in a buffer on the stack;
//  * flat: one nest without reductions, cut where it suits.
//
//===----------------------------------------------------------------------===//

#include "KernelEmitter.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace colo {
#define GEN_PASS_DEF_LOWERKERNELS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

/// Simple operations that are worth waking a thread for.
static constexpr int64_t kGrainWork = 65536;

//===----------------------------------------------------------------------===//
// Signature
//===----------------------------------------------------------------------===//

static LogicalResult layoutOf(func::FuncOp kernel, ArrayAttr layouts, size_t position, RankedTensorType tensor,
                              Place &place) {
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

LogicalResult KernelEmitter::readSignature() {
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
  rows = 0;
  if (auto attr = kernel->getAttrOfType<IntegerAttr>(rt::kRowsAttr))
    rows = attr.getInt();
  return success();
}

void KernelEmitter::createFunction() {
  llvm::SmallVector<Type> types;
  auto places = llvm::ArrayRef(arguments);
  for (auto [type, place] : llvm::zip(kernel.getArgumentTypes(), places))
    types.push_back(place.type ? Type(place.type) : type);
  for (Place &place : results)
    types.push_back(place.type);
  types.append(2, builder.getIndexType());
  builder.setInsertionPoint(kernel);
  lowered = builder.create<func::FuncOp>(kernel.getLoc(), kernel.getName(), builder.getFunctionType(types, {}));
  lowered.setPrivate();
  lowered->setAttr(rt::kKernelAttr, builder.getUnitAttr());
  // Destinations never overlap operands; operands that overlap each other are only read.
  for (auto [i, type] : llvm::enumerate(types))
    if (isa<MemRefType>(type))
      lowered.setArgAttr(i, "llvm.noalias", builder.getUnitAttr());
  Block *entry = lowered.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  size_t count = arguments.size();
  for (size_t i = 0; i < count; ++i) {
    Value old = kernel.getArgument(i), argument = entry->getArgument(i);
    if (arguments[i].type)
      storage[old] = {argument, arguments[i].strides, Value()};
    else
      mapping.map(old, argument);
  }
  for (auto [i, place] : llvm::enumerate(results))
    place.memory = entry->getArgument(count + i);
  begin = entry->getArgument(count + results.size());
  end = entry->getArgument(count + results.size() + 1);
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

LogicalResult KernelEmitter::collect() {
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
      generics.push_back(generic);
    } else if (auto add = dyn_cast<rt::ScatterAddOp>(op)) {
      scatter = add;
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
    if (!value.getDefiningOp<linalg::GenericOp>() && !value.getDefiningOp<rt::ScatterAddOp>())
      return end->emitError("result ") << i << " is not made by a loop nest";
    returned[value] = i;
  }
  return success();
}

LogicalResult KernelEmitter::run() {
  if (failed(readSignature()))
    return failure();
  createFunction();
  if (failed(collect()))
    return failure();
  if (scatter)
    emitScatter();
  else
    emitNests();
  builder.setInsertionPointToEnd(&lowered.getBody().front());
  builder.create<func::ReturnOp>(kernel.getLoc());
  lowered->setAttr(rt::kExtentAttr, builder.getI64IntegerAttr(extent));
  int64_t perRow = std::max<int64_t>(1, work / std::max<int64_t>(1, extent));
  int64_t grain = std::clamp<int64_t>((kGrainWork + perRow - 1) / perRow, 1, std::max<int64_t>(1, extent));
  lowered->setAttr(rt::kGrainAttr, builder.getI64IntegerAttr(grain));
  kernel.erase();
  return success();
}

void KernelEmitter::emitNests() {
  for (linalg::GenericOp op : generics) {
    int64_t points = 1;
    for (int64_t size : op.getStaticLoopRanges())
      points *= size;
    work += points * static_cast<int64_t>(op.getBody()->getOperations().size());
  }
  if (generics.size() == 1) {
    // One nest may merge its rows with other loops.
    bool reduces = generics[0].getNumReductionLoops() > 0;
    Nest nest = buildNest(generics[0], rows, /*keepRows=*/reduces, storage, resultStrides(generics[0]));
    if (!reduces)
      return emitFlat(nest);
    if (nest.isColumn())
      return emitColumns(nest);
  }
  emitRows();
}

namespace {
struct LowerKernelsPass : public colo::impl::LowerKernelsBase<LowerKernelsPass> {
  void runOnOperation() override {
    llvm::SmallVector<func::FuncOp> kernels;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func->hasAttr(rt::kKernelAttr) && !func->hasAttr(rt::kExtentAttr) && !func.isExternal())
        kernels.push_back(func);
    for (func::FuncOp kernel : kernels)
      if (failed(KernelEmitter(kernel).run()))
        return signalPassFailure();
  }
};
} // namespace
