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

/// blocks[shard]: a ring is short, and its members differ by nothing but this.
static Value blockOf(OpBuilder &builder, Location loc, Value shard, ArrayRef<int64_t> blocks) {
  Value block = builder.create<arith::ConstantIndexOp>(loc, blocks.front());
  for (auto [member, number] : llvm::drop_begin(llvm::enumerate(blocks))) {
    Value here = builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, shard,
                                               builder.create<arith::ConstantIndexOp>(loc, member));
    block = builder.create<arith::SelectOp>(loc, here, builder.create<arith::ConstantIndexOp>(loc, number), block);
  }
  return block;
}

Value KernelSignature::firstPosition(OpBuilder &builder, Location loc, ArrayAttr positions, int64_t dim,
                                     int64_t local) {
  Value shard;
  DictionaryAttr position = positionOf(positions, dim);
  auto axes = position ? position.getAs<ArrayAttr>("axes") : ArrayAttr();
  if (axes)
    for (auto axis : axes.getAsRange<StringAttr>()) {
      Value coordinate = argument(scalars.axisIndex(axis));
      if (shard) {
        Value size = builder.create<arith::ConstantIndexOp>(loc, scalars.axisSize(axis));
        shard = builder.create<arith::MulIOp>(loc, shard, size);
        shard = builder.create<arith::AddIOp>(loc, shard, coordinate);
      } else {
        shard = coordinate;
      }
    }
  if (!shard)
    return builder.create<arith::ConstantIndexOp>(loc, 0);
  if (auto blocks = position.getAs<DenseI64ArrayAttr>("blocks"))
    shard = blockOf(builder, loc, shard, blocks);
  return builder.create<arith::MulIOp>(loc, shard, builder.create<arith::ConstantIndexOp>(loc, local));
}

void colo::buildScatterKernel(EmbeddingGradOp op, func::FuncOp kernel, KernelSignature &signature) {
  OpBuilder builder = OpBuilder::atBlockBegin(&kernel.getBody().front());
  auto type = cast<RankedTensorType>(op.getResult().getType());
  Value gradient = signature.argument(op.getGradient()), ids = signature.argument(op.getIds());
  Value first = signature.firstPosition(builder, op.getLoc(), op.getPositionsAttr(), 0, type.getDimSize(0));
  Value result = builder.create<rt::ScatterAddOp>(op.getLoc(), type, gradient, ids, first);
  builder.create<func::ReturnOp>(op.getLoc(), result);
}
