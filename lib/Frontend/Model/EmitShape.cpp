//===- EmitShape.cpp - shapes, slices and reductions ------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;

namespace colo::model {

Tensor Emitter::dropUnitDims(const Tensor &x, ArrayRef<bool> dropped) {
  Dims dims;
  for (auto [dim, drop] : zip(x.dims, dropped))
    if (!drop)
      dims.push_back(dim);
  if (dims.size() == x.rank())
    return x;
  return {importer.builder().create<ReshapeOp>(loc, typeOf(dims, x.elementType()), x.value), dims};
}

/// Batch rows keep their place if they stay the outermost factor of one dim:
/// [batch, a, b] may become [batch, a * b] or [batch * a, b], and back.
Tensor Emitter::reshape(const Tensor &x, Dims dims) {
  auto mark = find_if(x.dims, [](const Size &dim) { return dim.batch; });
  if (mark != x.dims.end()) {
    int64_t rows = importer.getOptions().batch;
    int64_t before = 1, passed = 1;
    for (auto it = x.dims.begin(); it != mark; ++it)
      before *= it->value;
    // The result's dim that starts where the batch rows start.
    size_t at = 0;
    while (at < dims.size() && passed < before)
      passed *= dims[at++].value;
    while (at < dims.size() && dims[at].value == 1 && rows != 1)
      ++at;
    if (rows == 1)
      for (size_t i = at; i < dims.size() && (dims[i].value == 1 || i == at); ++i)
        if (dims[i].batch) {
          at = i;
          break;
        }
    if (passed != before || at >= dims.size() || dims[at].value % rows != 0)
      failOnSplit("reshaping " + describeShape(x.dims) + " to " + describeShape(dims) +
                  " mixes batch rows with other dims: the result");
    for (Size &dim : dims)
      dim.batch = false;
    dims[at].batch = true;
  } else {
    for (Size &dim : dims)
      dim.batch = false;
  }
  auto type = typeOf(dims, x.elementType());
  if (type.getNumElements() != x.type().getNumElements())
    fail("cannot reshape " + describeShape(x.dims) + ", which has " + Twine(x.type().getNumElements()) +
         " elements, to " + describeShape(dims) + ", which has " + Twine(type.getNumElements()));
  if (type == x.type())
    return {x.value, dims};
  return {importer.builder().create<ReshapeOp>(loc, type, x.value), dims};
}

Tensor Emitter::permute(const Tensor &x, ArrayRef<int64_t> permutation) {
  Dims dims;
  for (int64_t from : permutation)
    dims.push_back(x.dims[from]);
  if (is_sorted(permutation))
    return x;
  return {importer.builder().create<TransposeOp>(loc, typeOf(dims, x.elementType()), x.value, permutation), dims};
}

Tensor Emitter::slice(const Tensor &x, ArrayRef<int64_t> offsets, ArrayRef<Size> sizes, ArrayRef<int64_t> strides) {
  bool isWhole = true;
  Dims dims(sizes);
  for (size_t i = 0; i < x.rank(); ++i) {
    bool isWholeDim = sizes[i].value == x.dims[i].value && strides[i] == 1;
    if (!isWholeDim && x.dims[i].batch)
      failOnSplit("taking some of the batch rows");
    isWhole &= isWholeDim;
    dims[i].batch = x.dims[i].batch;
  }
  if (isWhole)
    return x;
  return {importer.builder().create<SliceOp>(loc, typeOf(dims, x.elementType()), x.value, offsets, strides), dims};
}

Tensor Emitter::concat(ArrayRef<Tensor> parts, int64_t dim) {
  const Tensor &first = parts.front();
  Dims dims = first.dims;
  SmallVector<mlir::Value> values;
  for (auto [number, part] : enumerate(parts)) {
    values.push_back(part.value);
    if (part.rank() != first.rank() || part.elementType() != first.elementType())
      fail("concat() needs tensors of one kind: the first is " + first.describe() + ", number " + Twine(number + 1) +
           " is " + part.describe());
    for (size_t i = 0; i < dims.size(); ++i) {
      if (int64_t(i) == dim)
        continue;
      if (part.dims[i].value != first.dims[i].value)
        fail("concat() along dim " + Twine(dim) + " needs all other sizes equal, but dim " + Twine(i) + " is " +
             first.dims[i].describe() + " in the first tensor and " + part.dims[i].describe() + " in number " +
             Twine(number + 1));
      if (part.dims[i].batch != first.dims[i].batch)
        failOnSplit("joining tensors with and without batch rows");
    }
    if (number == 0)
      continue;
    Value sum = importer.binary(Operator::Add, dims[dim], part.dims[dim], at);
    dims[dim] = *sum.get<Size>();
  }
  if (any_of(parts, [&](const Tensor &part) { return part.dims[dim].batch; }))
    failOnSplit("joining along the batch");
  if (parts.size() == 1)
    return first;
  return {importer.builder().create<ConcatOp>(loc, typeOf(dims, first.elementType()), values, dim), dims};
}

Tensor Emitter::reduce(ReduceKind kind, const Tensor &input, ArrayRef<int64_t> reduced, bool keep) {
  Tensor x = toFloat(input);
  Dims dims, kept;
  for (auto [i, dim] : enumerate(x.dims)) {
    if (!is_contained(reduced, int64_t(i))) {
      dims.push_back(dim);
      kept.push_back(dim);
      continue;
    }
    if (dim.batch)
      failOnSplit(kind == ReduceKind::Max ? "a maximum over the batch"
                                          : "a sum over the batch (only mean() over all dims reduces it)");
    kept.push_back(Size{1});
  }
  if (reduced.empty())
    return x;
  Tensor result{importer.builder().create<ReduceOp>(loc, typeOf(dims, x.elementType()), x.value, kind, reduced), dims};
  if (!keep)
    return result;
  return {importer.builder().create<ReshapeOp>(loc, typeOf(kept, x.elementType()), result.value), kept};
}

Tensor Emitter::weightedMean(const Tensor &values, const Tensor &weights) {
  auto type = typeOf({}, values.elementType());
  Tensor result{importer.builder().create<WeightedMeanOp>(loc, type, values.value, weights.value, -1,
                                                          /*scaled=*/false),
                {}};
  result.isShare = true;
  importer.currentBody().hasMean = true;
  return result;
}

Tensor Emitter::mean(const Tensor &input, ArrayRef<int64_t> reduced, bool keep) {
  Tensor x = toFloat(input);
  bool overBatch = any_of(reduced, [&](int64_t dim) { return x.dims[dim].batch; });
  if (overBatch && (reduced.size() != x.rank() || keep))
    failOnSplit("a mean over the batch that is not over all dims");
  if (overBatch)
    return weightedMean(x, constant(1, x.elementType(), x.dims));
  int64_t count = 1;
  for (int64_t dim : reduced)
    count *= x.dims[dim].value;
  Tensor sum = reduce(ReduceKind::Sum, x, reduced, keep);
  return elementwise<MulOp>(sum, constant(1.0 / count, x.elementType(), sum.dims));
}

} // namespace colo::model
