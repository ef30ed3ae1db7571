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
    OpBuilder builder = OpBuilder::atBlockBegin(&block);
    value = create(builder);
  }
  return value;
}

Value HostScalars::axisIndex(StringAttr axis) {
  return once("axis " + axis.getValue(), [&](OpBuilder &builder) -> Value {
    return builder.create<rt::AxisIndexOp>(block.getParentOp()->getLoc(), builder.getIndexType(), axis);
  });
}

Value HostScalars::integer(StringRef name) {
  return once("scalar " + name, [&](OpBuilder &builder) -> Value {
    return builder.create<rt::ScalarOp>(block.getParentOp()->getLoc(), builder.getI64Type(),
                                        builder.getStringAttr(name));
  });
}

Value HostScalars::real(StringRef name) {
  return once("scalar " + name, [&](OpBuilder &builder) -> Value {
    return builder.create<rt::ScalarOp>(block.getParentOp()->getLoc(), builder.getF64Type(),
                                        builder.getStringAttr(name));
  });
}

Value HostScalars::inverseCount(int64_t term) {
  return once("count " + llvm::Twine(term), [&](OpBuilder &builder) -> Value {
    return builder.create<rt::InverseCountOp>(block.getParentOp()->getLoc(), builder.getF64Type(),
                                              builder.getI64IntegerAttr(term));
  });
}

int64_t HostScalars::axisSize(StringAttr axis) {
  for (auto mesh : block.getParentOp()->getParentOfType<ModuleOp>().getOps<dist::MeshOp>())
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
  auto global = position ? position.getAs<IntegerAttr>(position::kGlobal) : IntegerAttr();
  return global ? global.getInt() : local;
}

Value KernelSignature::turnOf(OpBuilder &builder, Location loc, DictionaryAttr turn) {
  Value number = builder.create<arith::ConstantIndexOp>(loc, turn.getAs<IntegerAttr>(position::kTurn).getInt());
  auto loop = turn.getAs<IntegerAttr>(position::kLoop);
  return loop ? builder.create<arith::AddIOp>(loc, number, argument(scalars.round(loop.getInt()))).getResult() : number;
}

/// What a ring needs: in turn k the part may be that of the member k before, `before`.
Value KernelSignature::memberOf(OpBuilder &builder, Location loc, DictionaryAttr position, int64_t members) {
  Value member;
  for (auto axis : position.getAs<ArrayAttr>(position::kAxes).getAsRange<StringAttr>()) {
    Value coordinate = argument(scalars.axisIndex(axis));
    if (member) {
      Value size = builder.create<arith::ConstantIndexOp>(loc, scalars.axisSize(axis));
      member = builder.create<arith::MulIOp>(loc, member, size);
      member = builder.create<arith::AddIOp>(loc, member, coordinate);
    } else {
      member = coordinate;
    }
  }
  auto before = position.getAs<DictionaryAttr>(position::kBefore);
  if (!before)
    return member;
  Value count = builder.create<arith::ConstantIndexOp>(loc, members);
  Value around = builder.create<arith::AddIOp>(loc, member, count);
  return builder.create<arith::RemUIOp>(loc, builder.create<arith::SubIOp>(loc, around, turnOf(builder, loc, before)),
                                        count);
}

llvm::SmallVector<Value, 2> KernelSignature::blockPositions(OpBuilder &builder, Location loc, ArrayAttr positions,
                                                            int64_t dim, int64_t local) {
  int64_t members = 1;
  DictionaryAttr position = positionOf(positions, dim);
  auto axes = position ? position.getAs<ArrayAttr>(position::kAxes) : ArrayAttr();
  if (!axes || axes.empty())
    return {builder.create<arith::ConstantIndexOp>(loc, 0)};
  for (auto axis : axes.getAsRange<StringAttr>())
    members *= scalars.axisSize(axis);
  Value member = memberOf(builder, loc, position, members);
  auto blocks = position.getAs<DenseI64ArrayAttr>(position::kBlocks);
  int64_t each = blocks ? blocks.size() / members : 1;
  llvm::SmallVector<Value, 2> numbers;
  for (int64_t i = 0; i < each; ++i) {
    llvm::SmallVector<int64_t> ofMembers;
    for (int64_t m = 0; blocks && m < members; ++m)
      ofMembers.push_back(blocks[m * each + i]);
    numbers.push_back(blocks ? rt::buildLookup(builder, loc, member, ofMembers) : member);
  }
  if (auto half = position.getAs<DictionaryAttr>(position::kHalf)) {
    // See dist.half.
    if (!blocks)
      numbers = {builder.create<arith::ConstantIndexOp>(loc, 0), builder.create<arith::ConstantIndexOp>(loc, 1)};
    DictionaryAttr own = DictionaryAttr::get(builder.getContext(), {builder.getNamedAttr(position::kAxes, axes)});
    auto isFirst = half.contains(position::kRowsTravel) ? arith::CmpIPredicate::ult : arith::CmpIPredicate::uge;
    Value rowsAreLater =
        builder.create<arith::CmpIOp>(loc, isFirst, memberOf(builder, loc, own, members), turnOf(builder, loc, half));
    numbers = {builder.create<arith::SelectOp>(loc, rowsAreLater, numbers[0], numbers[1])};
  }
  llvm::SmallVector<Value, 2> firsts;
  for (Value number : numbers) {
    Value size = builder.create<arith::ConstantIndexOp>(loc, local / static_cast<int64_t>(numbers.size()));
    firsts.push_back(builder.create<arith::MulIOp>(loc, number, size));
  }
  return firsts;
}

Value KernelSignature::firstPosition(OpBuilder &builder, Location loc, ArrayAttr positions, int64_t dim,
                                     int64_t local) {
  llvm::SmallVector<Value, 2> firsts = blockPositions(builder, loc, positions, dim, local);
  assert(firsts.size() == 1 && "verified of ops that need contiguous rows");
  return firsts.front();
}

Value KernelSignature::position(OpBuilder &builder, Location loc, ArrayAttr positions, int64_t dim, int64_t local,
                                Value index) {
  DictionaryAttr entry = positionOf(positions, dim);
  if (auto part = entry ? entry.getAs<DictionaryAttr>(position::kPart) : DictionaryAttr()) {
    Value round = argument(scalars.round(part.getAs<IntegerAttr>(position::kLoop).getInt()));
    Value before = builder.create<arith::MulIOp>(loc, round, builder.create<arith::ConstantIndexOp>(loc, local));
    index = builder.create<arith::AddIOp>(loc, index, before);
    local = part.getAs<IntegerAttr>(position::kOf).getInt();
  }
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
