//===- Accesses.cpp - which operand elements an element needs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Accesses.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace colo;

bool colo::isKernelOp(Operation *op) {
  return op && (isa<ScalarBodyOpInterface>(op) ||
                isa<ConstantOp, IotaOp, RandomOp, DropoutOp, BroadcastOp, ReduceOp, TransposeOp, ReshapeOp, SliceOp,
                    PadOp, ConcatOp, EmbeddingOp, InverseCountOp>(op));
}

bool colo::isViewOp(Operation *op) { return isKernelOp(op) && isa<ViewOpInterface>(op); }

llvm::SmallVector<int64_t> colo::rowMajorStrides(llvm::ArrayRef<int64_t> shape) {
  llvm::SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t i = static_cast<int64_t>(shape.size()) - 2; i >= 0; --i)
    strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

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
static llvm::SmallVector<DimGroup> groupDims(llvm::ArrayRef<int64_t> from, llvm::ArrayRef<int64_t> to) {
  llvm::SmallVector<DimGroup> groups;
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
static Indices reshapeIndices(llvm::ArrayRef<int64_t> from, llvm::ArrayRef<int64_t> to,
                              llvm::ArrayRef<AffineExpr> indices, MLIRContext *context) {
  Indices result(from.size(), getAffineConstantExpr(0, context));
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

//===----------------------------------------------------------------------===//
// Accesses
//===----------------------------------------------------------------------===//

static Access padAccess(PadOp pad, llvm::ArrayRef<AffineExpr> indices) {
  Access access{pad.getInput(), {}, {}};
  llvm::ArrayRef<int64_t> in = shapeOf(pad.getInput()), out = shapeOf(pad.getResult());
  for (size_t d = 0; d < indices.size(); ++d) {
    int64_t stride = pad.getStrides()[d];
    AffineExpr shifted = indices[d] - pad.getOffsets()[d];
    access.indices.push_back(shifted.floorDiv(stride));
    if (in[d] != out[d])
      access.guards.push_back({shifted, in[d] * stride, stride});
  }
  return access;
}

static llvm::SmallVector<Access> concatAccesses(ConcatOp concat, llvm::ArrayRef<AffineExpr> indices) {
  llvm::SmallVector<Access> accesses;
  int64_t begin = 0, dim = concat.getDim();
  for (Value input : concat.getInputs()) {
    Access access{input, Indices(indices), {}};
    access.indices[dim] = indices[dim] - begin;
    if (concat.getInputs().size() > 1)
      access.guards.push_back({access.indices[dim], shapeOf(input)[dim], 1});
    begin += shapeOf(input)[dim];
    accesses.push_back(access);
  }
  return accesses;
}

llvm::SmallVector<Access> colo::operandAccesses(Operation *op, llvm::ArrayRef<AffineExpr> indices) {
  MLIRContext *context = op->getContext();
  Indices same(indices);
  return llvm::TypeSwitch<Operation *, llvm::SmallVector<Access>>(op)
      .Case<ConstantOp, IotaOp, RandomOp, InverseCountOp>([](auto) { return llvm::SmallVector<Access>(); })
      .Case([&](BroadcastOp broadcast) -> llvm::SmallVector<Access> {
        Indices in;
        for (int64_t dim : broadcast.getDims())
          in.push_back(indices[dim]);
        return {{broadcast.getInput(), in, {}}};
      })
      .Case([&](TransposeOp transpose) -> llvm::SmallVector<Access> {
        Indices in(indices.size());
        for (auto [i, dim] : llvm::enumerate(transpose.getPermutation()))
          in[dim] = indices[i];
        return {{transpose.getInput(), in, {}}};
      })
      .Case([&](ReshapeOp reshape) -> llvm::SmallVector<Access> {
        Value input = reshape.getInput();
        return {{input, reshapeIndices(shapeOf(input), shapeOf(reshape.getResult()), indices, context), {}}};
      })
      .Case([&](SliceOp slice) -> llvm::SmallVector<Access> {
        Indices in;
        for (auto [index, offset, stride] : llvm::zip(indices, slice.getOffsets(), slice.getStrides()))
          in.push_back(index * stride + offset);
        return {{slice.getInput(), in, {}}};
      })
      .Case([&](PadOp pad) -> llvm::SmallVector<Access> { return {padAccess(pad, indices)}; })
      .Case([&](ConcatOp concat) { return concatAccesses(concat, indices); })
      .Case([&](EmbeddingOp embedding) -> llvm::SmallVector<Access> {
        Indices in(indices.take_front(shapeOf(embedding.getIds()).size()));
        return {{embedding.getIds(), in, {}}};
      })
      .Default([&](Operation *elementwise) {
        llvm::SmallVector<Access> accesses;
        for (Value operand : elementwise->getOperands())
          accesses.push_back({operand, same, {}});
        return accesses;
      });
}

//===----------------------------------------------------------------------===//
// Costs
//===----------------------------------------------------------------------===//

/// Rough cost of one random number, in simple vector instructions.
static constexpr int64_t kRandomWeight = 40;

static int64_t weightOf(Operation *op) {
  if (isa<RandomOpInterface>(op))
    return kRandomWeight;
  auto scalar = dyn_cast<ScalarBodyOpInterface>(op);
  return scalar ? scalar.getWeight() : 0;
}

int64_t colo::expressionWeight(Value value, llvm::function_ref<bool(Value)> isMade) {
  int64_t weight = 0;
  llvm::DenseSet<Value> seen;
  llvm::SmallVector<Value> worklist{value};
  while (!worklist.empty()) {
    Value next = worklist.pop_back_val();
    if (!seen.insert(next).second || (next != value && isMade(next)) || 2 * elementsOf(next) < elementsOf(value))
      continue;
    weight += weightOf(next.getDefiningOp());
    llvm::append_range(worklist, next.getDefiningOp()->getOperands());
  }
  return weight;
}

//===----------------------------------------------------------------------===//
// Views in memory
//===----------------------------------------------------------------------===//

/// Strides of a reshape of a strided tensor, if it has any.
static std::optional<llvm::SmallVector<int64_t>>
reshapeStrides(llvm::ArrayRef<int64_t> from, llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<int64_t> to) {
  llvm::SmallVector<int64_t> result(to.size(), 1);
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

std::optional<StridedView> colo::stridedView(Value value, llvm::function_ref<bool(Value)> isBase) {
  if (isBase(value))
    return StridedView{value, rowMajorStrides(shapeOf(value))};
  Operation *op = value.getDefiningOp();
  if (!isViewOp(op))
    return std::nullopt;
  std::optional<StridedView> source = stridedView(op->getOperand(0), isBase);
  if (!source)
    return std::nullopt;
  llvm::SmallVector<int64_t> strides;
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    for (int64_t dim : transpose.getPermutation())
      strides.push_back(source->strides[dim]);
  } else if (auto slice = dyn_cast<SliceOp>(op)) {
    for (auto [outer, step] : llvm::zip(source->strides, slice.getStrides()))
      strides.push_back(outer * step);
  } else {
    auto reshaped = reshapeStrides(shapeOf(op->getOperand(0)), source->strides, shapeOf(value));
    if (!reshaped)
      return std::nullopt;
    strides = *reshaped;
  }
  return StridedView{source->base, strides};
}
