//===- TensorBuilder.cpp - short names for building colo ops -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The builders of TensorBuilder.h whose result shape takes a loop to find.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/TensorBuilder.h"

using namespace mlir;
using namespace colo;

Value TensorBuilder::broadcastTrailing(Value x, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> dims;
  for (int64_t d = 0; d < typeOf(x).getRank(); ++d)
    dims.push_back(d);
  return broadcast(x, shape, dims);
}

Value TensorBuilder::reduce(ReduceKind kind, Value x, ArrayRef<int64_t> dims) {
  if (dims.empty())
    return widen(x);
  SmallVector<int64_t> kept;
  for (auto [d, size] : llvm::enumerate(shapeOf(x)))
    if (!llvm::is_contained(dims, static_cast<int64_t>(d)))
      kept.push_back(size);
  Type element = arithmeticType(getElementTypeOrSelf(x));
  return builder.create<ReduceOp>(loc, RankedTensorType::get(kept, element), x, kind, dims);
}

Value TensorBuilder::transpose(Value x, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> shape;
  for (int64_t d : permutation)
    shape.push_back(shapeOf(x)[d]);
  return builder.create<TransposeOp>(loc, withShape(x.getType(), shape), x, permutation);
}

Value TensorBuilder::einsum(StringRef lhs, Value a, StringRef rhs, Value b, StringRef result, Type element) {
  SmallVector<int64_t> shape;
  for (char letter : result) {
    size_t at = lhs.find(letter);
    shape.push_back(at != StringRef::npos ? shapeOf(a)[at] : shapeOf(b)[rhs.find(letter)]);
  }
  std::string spec = (lhs + "," + rhs + "->" + result).str();
  Type type = withShape(element ? element : a.getType(), shape);
  return builder.create<EinsumOp>(loc, type, a, b, builder.getStringAttr(spec)).getResult();
}
