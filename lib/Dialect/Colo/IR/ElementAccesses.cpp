//===- ElementAccesses.cpp - what elements of each op read ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Colo/ElementAccess.h"
#include "colo/Dialect/Colo/TensorBuilder.h"

using namespace mlir;
using namespace colo;

SmallVector<ElementAccess> colo::accessSameElements(Operation *op, ArrayRef<AffineExpr> indices) {
  SmallVector<ElementAccess> accesses;
  for (Value operand : op->getOperands())
    accesses.push_back({operand, ElementIndices(indices), {}});
  return accesses;
}

static ArrayRef<int64_t> shapeOf(Value value) { return TensorBuilder::shapeOf(value); }

//===----------------------------------------------------------------------===//
// Reshape
//===----------------------------------------------------------------------===//

namespace {
/// Dims [fromBegin, fromEnd) of one shape hold the same elements as dims
/// [toBegin, toEnd) of the other.
struct DimGroup {
  size_t fromBegin, fromEnd, toBegin, toEnd;
};
} // namespace

/// The finest grouping of two shapes of equal element count. Dims of size 1 left
/// over at the end join the last group.
static SmallVector<DimGroup> groupDims(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  SmallVector<DimGroup> groups;
  size_t i = 0, j = 0;
  while (i < from.size() && j < to.size()) {
    DimGroup group{i, i + 1, j, j + 1};
    int64_t a = from[i++], b = to[j++];
    while (a != b) {
      if (a < b && i < from.size())
        a *= from[i++];
      else if (b < a && j < to.size())
        b *= to[j++];
      else
        break;
    }
    group.fromEnd = i;
    group.toEnd = j;
    groups.push_back(group);
  }
  if (groups.empty())
    groups.push_back({0, 0, 0, 0});
  groups.back().fromEnd = from.size();
  groups.back().toEnd = to.size();
  return groups;
}

/// Indices into a tensor of shape `from` of element `indices` of its reshape.
static ElementIndices reshapeIndices(ArrayRef<int64_t> from, ArrayRef<int64_t> to, ArrayRef<AffineExpr> indices,
                                     MLIRContext *context) {
  ElementIndices result(from.size(), getAffineConstantExpr(0, context));
  for (const DimGroup &group : groupDims(from, to)) {
    AffineExpr linear = getAffineConstantExpr(0, context);
    for (size_t j = group.toBegin; j < group.toEnd; ++j)
      linear = linear * to[j] + indices[j];
    // The major-most dim needs no remainder: the element lies in the group.
    int64_t stride = 1, major = group.fromBegin;
    while (major + 1 < static_cast<int64_t>(group.fromEnd) && from[major] == 1)
      ++major;
    for (int64_t i = static_cast<int64_t>(group.fromEnd) - 1; i >= static_cast<int64_t>(group.fromBegin); --i) {
      AffineExpr index = linear.floorDiv(stride);
      if (from[i] != 1)
        result[i] = i == major ? index : index % from[i];
      stride *= from[i];
    }
  }
  return result;
}

/// Strides of a reshape of a strided tensor, if it has any.
static std::optional<SmallVector<int64_t>> reshapeStrides(ArrayRef<int64_t> from, ArrayRef<int64_t> strides,
                                                          ArrayRef<int64_t> to) {
  SmallVector<int64_t> result(to.size(), 1);
  for (const DimGroup &group : groupDims(from, to)) {
    int64_t inner = 0, covered = 1;
    for (int64_t i = static_cast<int64_t>(group.fromEnd) - 1; i >= static_cast<int64_t>(group.fromBegin); --i) {
      if (from[i] == 1)
        continue;
      if (covered == 1)
        inner = strides[i];
      else if (strides[i] != inner * covered)
        return std::nullopt;
      covered *= from[i];
    }
    int64_t stride = inner ? inner : 1;
    for (int64_t j = static_cast<int64_t>(group.toEnd) - 1; j >= static_cast<int64_t>(group.toBegin); --j) {
      result[j] = stride;
      stride *= to[j];
    }
  }
  return result;
}

SmallVector<ElementAccess> ReshapeOp::getElementAccesses(ArrayRef<AffineExpr> indices) {
  return {{getInput(), reshapeIndices(shapeOf(getInput()), shapeOf(getResult()), indices, getContext()), {}}};
}

std::optional<SmallVector<int64_t>> ReshapeOp::getStridesOver(ArrayRef<int64_t> strides) {
  return reshapeStrides(shapeOf(getInput()), strides, shapeOf(getResult()));
}

//===----------------------------------------------------------------------===//
// Other ops
//===----------------------------------------------------------------------===//

SmallVector<ElementAccess> BroadcastOp::getElementAccesses(ArrayRef<AffineExpr> indices) {
  ElementIndices in;
  for (int64_t dim : getDims())
    in.push_back(indices[dim]);
  return {{getInput(), in, {}}};
}

SmallVector<ElementAccess> TransposeOp::getElementAccesses(ArrayRef<AffineExpr> indices) {
  ElementIndices in(indices.size());
  for (auto [i, dim] : llvm::enumerate(getPermutation()))
    in[dim] = indices[i];
  return {{getInput(), in, {}}};
}

std::optional<SmallVector<int64_t>> TransposeOp::getStridesOver(ArrayRef<int64_t> strides) {
  return llvm::map_to_vector(getPermutation(), [&](int64_t dim) { return strides[dim]; });
}

SmallVector<ElementAccess> SliceOp::getElementAccesses(ArrayRef<AffineExpr> indices) {
  ElementIndices in;
  for (auto [index, offset, stride] : llvm::zip(indices, getOffsets(), getStrides()))
    in.push_back(index * stride + offset);
  return {{getInput(), in, {}}};
}

std::optional<SmallVector<int64_t>> SliceOp::getStridesOver(ArrayRef<int64_t> strides) {
  SmallVector<int64_t> result;
  for (auto [outer, step] : llvm::zip(strides, getStrides()))
    result.push_back(outer * step);
  return result;
}

SmallVector<ElementAccess> PadOp::getElementAccesses(ArrayRef<AffineExpr> indices) {
  ElementAccess access{getInput(), {}, {}};
  ArrayRef<int64_t> in = shapeOf(getInput()), out = shapeOf(getResult());
  for (size_t d = 0; d < indices.size(); ++d) {
    int64_t stride = getStrides()[d];
    AffineExpr shifted = indices[d] - getOffsets()[d];
    access.indices.push_back(shifted.floorDiv(stride));
    if (in[d] != out[d])
      access.guards.push_back({shifted, in[d] * stride, stride});
  }
  return {access};
}

SmallVector<ElementAccess> ConcatOp::getElementAccesses(ArrayRef<AffineExpr> indices) {
  SmallVector<ElementAccess> accesses;
  int64_t begin = 0, dim = getDim();
  for (Value input : getInputs()) {
    ElementAccess access{input, ElementIndices(indices), {}};
    access.indices[dim] = indices[dim] - begin;
    if (getInputs().size() > 1)
      access.guards.push_back({access.indices[dim], shapeOf(input)[dim], 1});
    begin += shapeOf(input)[dim];
    accesses.push_back(access);
  }
  return accesses;
}

SmallVector<ElementAccess> EmbeddingOp::getElementAccesses(ArrayRef<AffineExpr> indices) {
  return {{getIds(), ElementIndices(indices.take_front(shapeOf(getIds()).size())), {}}};
}
