//===- IntrinsicsShape.cpp - shapes and reductions --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Intrinsics.h"
#include "colo/Dialect/Colo/Hints.h"

using namespace llvm;

namespace colo::model {
namespace {

Value transpose(Intrinsic &call) {
  Tensor x = call.tensor(0);
  SmallVector<int64_t> permutation;
  for (size_t i = 0; i < x.rank(); ++i)
    permutation.push_back(i);
  int64_t first = call.dim(1, x), second = call.dim(2, x);
  std::swap(permutation[first], permutation[second]);
  return call.emit.permute(x, permutation);
}

Value permute(Intrinsic &call) {
  Tensor x = call.tensor(0);
  SmallVector<int64_t> permutation;
  for (const Size &size : call.sizes(1, "a dim")) {
    int64_t at = size.value < 0 ? size.value + int64_t(x.rank()) : size.value;
    if (at < 0 || at >= int64_t(x.rank()) || is_contained(permutation, at))
      call.fail(1, "the dims of permute() must be 0 to " + Twine(int64_t(x.rank()) - 1) +
                       ", each once; the tensor is " + x.describe());
    permutation.push_back(at);
  }
  if (permutation.size() != x.rank())
    call.fail(1, "permute() needs all " + Twine(x.rank()) + " dims of " + x.describe());
  return call.emit.permute(x, permutation);
}

Value reshape(Intrinsic &call) {
  Tensor x = call.tensor(0);
  Dims dims = call.sizes(1, "a size");
  int64_t known = 1, total = x.type().getNumElements();
  Size *open = nullptr;
  for (Size &dim : dims) {
    if (dim.value != -1) {
      if (dim.value < 1 || MulOverflow(known, dim.value, known))
        call.fail(1, "cannot reshape " + x.describe() + " to " + describeShape(dims));
      continue;
    }
    if (open)
      call.fail(1, "only one size of reshape() may be -1");
    open = &dim;
  }
  if (open) {
    if (total % known)
      call.fail(1, "cannot reshape " + x.describe() + ": its " + Twine(total) + " elements are not a multiple of " +
                       Twine(known));
    *open = Size{total / known};
  }
  return call.emit.reshape(x, dims);
}

/// An op of its own, so that the layout belongs to one value.
Value shard(Intrinsic &call) {
  Tensor x = call.tensor(0);
  int64_t dim = call.dim(1, x);
  auto *axis = call.value(2).get<std::string>();
  if (!axis)
    call.fail(2, "axis must be the text of a mesh axis, not " + call.value(2).describe());
  mlir::OpBuilder &builder = call.importer.builder();
  Tensor result = call.emit.like(x, builder.create<ReshapeOp>(call.emit.location(), x.type(), x.value));
  result.value.getDefiningOp()->setAttr(
      kShardAttr, builder.getDictionaryAttr({builder.getNamedAttr("axis", builder.getStringAttr(*axis)),
                                             builder.getNamedAttr("dim", builder.getI64IntegerAttr(dim))}));
  return result;
}

Value broadcast(Intrinsic &call) {
  Tensor x = call.tensor(0);
  Dims dims = call.sizes(1, "a size");
  Dims common = call.emit.commonShape(x.dims, dims, "broadcast");
  for (size_t i = 0; i < common.size(); ++i)
    if (common.size() != dims.size() || common[i].value != dims[i].value)
      call.fail(1, "cannot broadcast " + x.describe() + " to " + describeShape(dims));
  return call.emit.broadcastTo(x, common);
}

Value concat(Intrinsic &call) {
  size_t last = call.arguments.size() - 1;
  SmallVector<Tensor> parts;
  if (ListValue *list = call.value(0).list()) {
    for (const Value &element : list->elements)
      parts.push_back(call.importer.tensor(element, call.place(0)));
    if (parts.empty())
      call.fail(0, "concat() needs at least one tensor");
  } else {
    for (size_t i = 0; i < last && !call.isNone(i); ++i)
      parts.push_back(call.tensor(i));
  }
  return call.emit.concat(parts, call.dim(last, parts.front()));
}

/// PyTorch's split: one size for all parts (the last may be smaller), or a list
/// of sizes.
Value split(Intrinsic &call) {
  Tensor x = call.tensor(0);
  int64_t dim = call.dim(2, x), whole = x.dims[dim].value;
  Dims wanted = call.sizes(1, "a size");
  int64_t sum = 0;
  for (const Size &size : wanted) {
    if (size.value < 1 || AddOverflow(sum, size.value, sum))
      call.fail(1, "the sizes of split() must be at least 1");
  }
  if (!call.value(1).list()) {
    int64_t step = wanted[0].value;
    if ((whole + step - 1) / step > 100000)
      call.fail(1, "split() would give more than 100000 parts");
    wanted.assign(whole / step, wanted[0]);
    if (whole % step)
      wanted.push_back(Size{whole % step});
  } else if (sum != whole) {
    call.fail(1, "the sizes of split() add up to " + Twine(sum) + ", but dim " + Twine(dim) + " is " +
                     x.dims[dim].describe());
  }
  auto result = std::make_shared<ListValue>();
  result->isTuple = true;
  SmallVector<int64_t> offsets(x.rank(), 0), strides(x.rank(), 1);
  for (const Size &size : wanted) {
    Dims sizes = x.dims;
    sizes[dim] = size;
    result->elements.push_back(call.emit.slice(x, offsets, sizes, strides));
    offsets[dim] += size.value;
  }
  return result;
}

Value mean(Intrinsic &call) {
  Tensor x = call.floats(0);
  return call.emit.mean(x, call.dims(1, x), call.flag(2, "keepdim"));
}

Value sum(Intrinsic &call) {
  Tensor x = call.floats(0);
  return call.emit.reduce(ReduceKind::Sum, x, call.dims(1, x), call.flag(2, "keepdim"));
}

/// Of a tensor over dims, or of two numbers.
Value max(Intrinsic &call) {
  if (!call.value(0).isTensorLike()) {
    bool isLess =
        call.importer.truth(call.importer.binary(Operator::Less, call.value(0), call.value(1), call.loc), call.loc);
    return isLess ? call.value(1) : call.value(0);
  }
  Tensor x = call.floats(0);
  return call.emit.reduce(ReduceKind::Max, x, call.dims(1, x), call.flag(2, "keepdim"));
}

/// Ids below `end` are int32.
void checkIdRange(Intrinsic &call, size_t i, const Size &end, StringRef what) {
  if (end.value < 1 || end.value > INT32_MAX)
    call.fail(i, what + " must be at least 1 and at most " + Twine(INT32_MAX) + ", not " + end.describe(),
              call.importer.whereSet(end));
}

Value arange(Intrinsic &call) {
  Dims dims = call.sizes(0, "the end of arange()");
  if (dims.size() != 1)
    call.fail(0, "arange() needs one size, not " + call.value(0).describe());
  checkIdRange(call, 0, dims[0], "the end of arange()");
  if (dims[0].batch)
    call.emit.failOnSplit("arange() over the batch");
  return call.emit.iota(0, call.importer.builder().getI32Type(), dims);
}

Value oneHot(Intrinsic &call) {
  Tensor ids = call.ids(0);
  Size classes = call.sizes(1, "the number of classes").front();
  checkIdRange(call, 1, classes, "the number of classes");
  if (classes.batch)
    call.emit.failOnSplit("one_hot() with a class for each row of the batch");
  call.importer.constrainIds(ids, classes.value, std::nullopt, call.place(0));
  Dims dims = ids.dims, column = ids.dims;
  dims.push_back(classes);
  column.push_back(Size{1});
  Tensor position = call.emit.iota(dims.size() - 1, ids.elementType(), dims);
  Tensor spread = call.emit.reshape(ids, column);
  Value hit = call.emit.binary(Operator::Equal, spread, position);
  return call.emit.toFloat(*hit.get<Tensor>());
}

} // namespace

void addShapeIntrinsics(IntrinsicTable &table) {
  table["transpose"] = transpose;
  table["permute"] = permute;
  table["reshape"] = reshape;
  table["broadcast"] = broadcast;
  table["shard"] = shard;
  table["concat"] = concat;
  table["split"] = split;
  table["mean"] = mean;
  table["sum"] = sum;
  table["max"] = max;
  table["arange"] = arange;
  table["one_hot"] = oneHot;
}

} // namespace colo::model
