//===- Blocks.cpp - local dims as blocks of equal size ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Blocks.h"
#include "colo/Dialect/Colo/ColoDialect.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

Value dist::joinBlocks(OpBuilder &builder, ArrayRef<Value> parts, int64_t dim) {
  if (parts.size() == 1)
    return parts.front();
  SmallVector<int64_t> shape(typeOf(parts.front()).getShape());
  for (Value part : parts.drop_front())
    shape[dim] += typeOf(part).getDimSize(dim);
  return builder.create<ConcatOp>(parts.front().getLoc(), withShape(parts.front().getType(), shape), parts,
                                  builder.getI64IntegerAttr(dim));
}

Value dist::sliceDim(OpBuilder &builder, Value value, int64_t dim, int64_t offset, int64_t size) {
  SmallVector<int64_t> shape(typeOf(value).getShape()), offsets(shape.size()), strides(shape.size(), 1);
  if (shape[dim] == size)
    return value;
  shape[dim] = size;
  offsets[dim] = offset;
  return builder.create<SliceOp>(value.getLoc(), withShape(value.getType(), shape), value, offsets, strides);
}

Value dist::orderBlocks(OpBuilder &builder, Value value, int64_t dim, ArrayRef<int64_t> order) {
  int64_t size = typeOf(value).getDimSize(dim) / static_cast<int64_t>(order.size());
  SmallVector<Value> parts;
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    for (end = begin + 1; end < order.size() && order[end] == order[end - 1] + 1;)
      ++end;
    parts.push_back(sliceDim(builder, value, dim, order[begin] * size, static_cast<int64_t>(end - begin) * size));
  }
  return joinBlocks(builder, parts, dim);
}

SmallVector<int64_t> dist::inverseOrder(ArrayRef<int64_t> order) {
  SmallVector<int64_t> inverse(order.size());
  for (auto [i, block] : llvm::enumerate(order))
    inverse[block] = static_cast<int64_t>(i);
  return inverse;
}
