//===- Signature.cpp - what kernels get from host functions -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BuildKernel.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace colo;

Value HostScalars::once(const llvm::Twine &key, llvm::function_ref<Value(OpBuilder &)> create) {
  Value &value = values[key.str()];
  if (!value) {
    OpBuilder builder = OpBuilder::atBlockBegin(&host.getBody().front());
    value = create(builder);
  }
  return value;
}

Value HostScalars::axisIndex(StringAttr axis) {
  return once("axis " + axis.getValue(), [&](OpBuilder &builder) -> Value {
    return builder.create<rt::AxisIndexOp>(host.getLoc(), builder.getIndexType(), axis);
  });
}

Value HostScalars::integer(StringRef name) {
  return once("scalar " + name, [&](OpBuilder &builder) -> Value {
    return builder.create<rt::ScalarOp>(host.getLoc(), builder.getI64Type(), builder.getStringAttr(name));
  });
}

Value HostScalars::inverseCount(int64_t term) {
  return once("count " + llvm::Twine(term), [&](OpBuilder &builder) -> Value {
    return builder.create<rt::InverseCountOp>(host.getLoc(), builder.getF64Type(), builder.getI64IntegerAttr(term));
  });
}

int64_t HostScalars::axisSize(StringAttr axis) {
  for (auto mesh : host->getParentOfType<ModuleOp>().getOps<dist::MeshOp>())
    for (auto [name, size] : llvm::zip(mesh.getAxes(), mesh.getSizes()))
      if (name == axis)
        return size;
  return 1;
}

Value KernelSignature::argument(Value hostValue) {
  Value &argument = arguments[hostValue];
  if (argument)
    return argument;
  Block &entry = kernel.getBody().front();
  if (isa<RankedTensorType>(hostValue.getType())) {
    argument = entry.insertArgument(tensors.size(), hostValue.getType(), hostValue.getLoc());
    tensors.push_back(hostValue);
  } else {
    argument = entry.addArgument(hostValue.getType(), hostValue.getLoc());
    numbers.push_back(hostValue);
  }
  return argument;
}

llvm::SmallVector<Value> KernelSignature::hostValues() const {
  llvm::SmallVector<Value> all(tensors);
  llvm::append_range(all, numbers);
  return all;
}

static DictionaryAttr positionOf(ArrayAttr positions, int64_t dim) {
  return positions && dim < static_cast<int64_t>(positions.size()) ? dyn_cast<DictionaryAttr>(positions[dim])
                                                                   : DictionaryAttr();
}

int64_t colo::globalSize(ArrayAttr positions, int64_t dim, int64_t local) {
  DictionaryAttr position = positionOf(positions, dim);
  auto global = position ? position.getAs<IntegerAttr>("global") : IntegerAttr();
  return global ? global.getInt() : local;
}

llvm::SmallVector<Value, 2> KernelSignature::blockPositions(OpBuilder &builder, Location loc, ArrayAttr positions,
                                                            int64_t dim, int64_t local) {
  Value member;
  int64_t members = 1;
  DictionaryAttr position = positionOf(positions, dim);
  auto axes = position ? position.getAs<ArrayAttr>("axes") : ArrayAttr();
  if (axes)
    for (auto axis : axes.getAsRange<StringAttr>()) {
      Value coordinate = argument(scalars.axisIndex(axis));
      members *= scalars.axisSize(axis);
      if (member) {
        Value size = builder.create<arith::ConstantIndexOp>(loc, scalars.axisSize(axis));
        member = builder.create<arith::MulIOp>(loc, member, size);
        member = builder.create<arith::AddIOp>(loc, member, coordinate);
      } else {
        member = coordinate;
      }
    }
  if (!member)
    return {builder.create<arith::ConstantIndexOp>(loc, 0)};
  auto blocks = position.getAs<DenseI64ArrayAttr>("blocks");
  int64_t each = blocks ? blocks.size() / members : 1;
  llvm::SmallVector<Value, 2> firsts;
  for (int64_t i = 0; i < each; ++i) {
    Value block = member;
    if (blocks) {
      llvm::SmallVector<int64_t> numbers;
      for (int64_t m = 0; m < members; ++m)
        numbers.push_back(blocks[m * each + i]);
      block = rt::buildLookup(builder, loc, member, numbers);
    }
    Value size = builder.create<arith::ConstantIndexOp>(loc, local / each);
    firsts.push_back(builder.create<arith::MulIOp>(loc, block, size));
  }
  return firsts;
}

Value KernelSignature::firstPosition(OpBuilder &builder, Location loc, ArrayAttr positions, int64_t dim,
                                     int64_t local) {
  llvm::SmallVector<Value, 2> firsts = blockPositions(builder, loc, positions, dim, local);
  assert(firsts.size() == 1 && "the part is not contiguous");
  return firsts.front();
}

Value KernelSignature::position(OpBuilder &builder, Location loc, ArrayAttr positions, int64_t dim, int64_t local,
                                Value index) {
  llvm::SmallVector<Value, 2> firsts = blockPositions(builder, loc, positions, dim, local);
  int64_t size = local / static_cast<int64_t>(firsts.size());
  // What is added to the index: the first position of its block less the elements before the block.
  Value shift = firsts.front();
  for (auto [i, first] : llvm::drop_begin(llvm::enumerate(firsts))) {
    Value before = builder.create<arith::ConstantIndexOp>(loc, static_cast<int64_t>(i) * size);
    Value isHere = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::uge, index, before);
    Value moved = builder.create<arith::SubIOp>(loc, first, before);
    shift = builder.create<arith::SelectOp>(loc, isHere, moved, shift);
  }
  return builder.create<arith::AddIOp>(loc, shift, index);
}

void colo::buildScatterKernel(EmbeddingGradOp op, func::FuncOp kernel, KernelSignature &signature) {
  OpBuilder builder = OpBuilder::atBlockBegin(&kernel.getBody().front());
  auto type = cast<RankedTensorType>(op.getResult().getType());
  Value gradient = signature.argument(op.getGradient()), ids = signature.argument(op.getIds());
  Value first = signature.firstPosition(builder, op.getLoc(), op.getPositionsAttr(), 0, type.getDimSize(0));
  Value result = builder.create<rt::ScatterAddOp>(op.getLoc(), type, gradient, ids, first);
  builder.create<func::ReturnOp>(op.getLoc(), result);
}
