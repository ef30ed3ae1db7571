//===- RingReference.cpp - a ring's attention, gathered first ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All members' keys and values are brought together before one product: what the
// turns of a ring are compared with.
//
//===----------------------------------------------------------------------===//

#include "RingExpansion.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

/// All members' parts of `dim`, in order.
Value RingExpansion::gatherDim(Value part, int64_t dim) {
  SmallVector<int64_t> shape(TensorBuilder::shapeOf(part));
  shape[dim] *= members;
  Value all = builder.create<AllGatherOp>(loc, withShape(part.getType(), shape), part, dim, mesh.symbol, axes);
  return blocks.empty() ? all : orderBlocks(builder, all, dim, inverseOrder(blocks));
}

/// The positions in which the keys are whole.
ArrayAttr RingExpansion::positionsOfWholeKeys() {
  SmallVector<Attribute> dims(positions.getValue());
  NamedAttrList entry(cast<DictionaryAttr>(dims[kKeys]));
  entry.erase(position::kBlocks);
  entry.set(position::kAxes, builder.getArrayAttr({}));
  dims[kKeys] = entry.getDictionary(builder.getContext());
  return builder.getArrayAttr(dims);
}

SmallVector<Value> RingExpansion::gather(AttentionOp op) {
  auto [key, value] = unstack(gatherDim(stack(op.getKey(), op.getValue()), kSequenceDim + 1));
  auto all = builder.create<AttentionOp>(loc, op.getResult().getType(), op.getLse().getType(), op.getQuery(), key,
                                         value, gatherMask(op.getMask()), op.getScaleAttr(), op.getCausalAttr(),
                                         op.getDropoutAttr(), op.getIdAttr(), positionsOfWholeKeys());
  return {all.getResult(), all.getLse()};
}

SmallVector<Value> RingExpansion::gather(AttentionGradOp op) {
  auto [key, value] = unstack(gatherDim(stack(op.getKey(), op.getValue()), kSequenceDim + 1));
  auto all = builder.create<AttentionGradOp>(loc, TypeRange{op.getDquery().getType(), key.getType(), value.getType()},
                                             op.getQuery(), key, value, op.getLse(), op.getGradient(), op.getDelta(),
                                             gatherMask(op.getMask()), op.getScaleAttr(), op.getCausalAttr(),
                                             op.getDropoutAttr(), op.getIdAttr(), positionsOfWholeKeys());
  Value gradients = stack(all.getDkey(), all.getDvalue());
  if (!blocks.empty())
    gradients = orderBlocks(builder, gradients, kSequenceDim + 1, blocks);
  SmallVector<int64_t> shape(TensorBuilder::shapeOf(gradients));
  shape[kSequenceDim + 1] /= members;
  Value own = builder.create<ReduceScatterOp>(loc, withShape(gradients.getType(), shape), gradients, ReduceKind::Sum,
                                              kSequenceDim + 1, mesh.symbol, axes);
  auto [dkey, dvalue] = unstack(own);
  return {all.getDquery(), dkey, dvalue};
}
