//===- Subscript.cpp - indexing and slicing ---------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Python's rules: negative positions count from the end, the ends of slices are
// clamped, an index out of range is an error. Steps are positive.
//
//===----------------------------------------------------------------------===//

#include "Emitter.h"
#include "Importer.h"

using namespace llvm;

namespace colo::model {

Value Importer::subscript(const SubscriptExpr &expr, Scope &scope) {
  Value base = eval(*expr.base, scope);
  if (auto *type = base.get<TypeValue>())
    return subscriptType(*type, expr, scope);
  if (ListValue *list = base.list())
    return subscriptList(*list, expr, scope);
  if (base.isTensorLike())
    return subscriptTensor(tensor(base, expr.base->loc), expr, scope);
  fail(expr.loc, base.describe() + " cannot be indexed");
}

Value Importer::subscriptType(const TypeValue &type, const SubscriptExpr &expr, Scope &scope) {
  TypeValue result = type;
  result.isShaped = true;
  for (const Subscript &entry : expr.subscripts) {
    if (entry.isSlice)
      fail(expr.loc, "the sizes of a type are integers");
    Value value = eval(*entry.index, scope);
    if (integer(value, entry.index->loc, "a size") < 1)
      fail(entry.index->loc, "a size must be at least 1, but this is " + value.get<Size>()->describe(),
           whereSet(value));
    result.dims.push_back(*value.get<Size>());
  }
  return result;
}

/// Start, number of elements and step of a slice of `size` elements.
Importer::Range Importer::sliceRange(const Subscript &entry, int64_t size, Scope &scope) {
  auto bound = [&](const ExprPtr &expr, int64_t byDefault) {
    if (!expr)
      return byDefault;
    Value value = eval(*expr, scope);
    if (value.isNone())
      return byDefault;
    int64_t at = integer(value, expr->loc, "the bound of a slice");
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  Range range;
  range.start = bound(entry.start, 0);
  int64_t stop = bound(entry.stop, size);
  if (entry.step)
    range.step = integer(eval(*entry.step, scope), entry.step->loc, "the step of a slice");
  if (range.step < 1)
    fail(entry.step->loc, "the step of a slice must be at least 1");
  range.count = stop > range.start ? (stop - range.start - 1) / range.step + 1 : 0;
  return range;
}

int64_t Importer::position(const Value &index, int64_t size, SMLoc loc, const Twine &what) {
  int64_t at = integer(index, loc, "an index");
  if (at < -size || at >= size)
    fail(loc, "index " + Twine(at) + " is outside " + what + "; legal are " + Twine(-size) + " to " + Twine(size - 1));
  return at < 0 ? at + size : at;
}

Value Importer::subscriptList(ListValue &list, const SubscriptExpr &expr, Scope &scope) {
  if (expr.subscripts.size() != 1)
    fail(expr.loc, "a list takes one index");
  const Subscript &entry = expr.subscripts[0];
  int64_t size = list.elements.size();
  if (!entry.isSlice) {
    Value index = eval(*entry.index, scope);
    return list.elements[position(index, size, entry.index->loc, "a list of " + Twine(size))];
  }
  Range range = sliceRange(entry, size, scope);
  auto result = std::make_shared<ListValue>();
  result->isTuple = list.isTuple;
  for (int64_t i = 0; i < range.count; ++i)
    result->elements.push_back(list.elements[range.start + i * range.step]);
  return result;
}

Value Importer::subscriptTensor(const Tensor &x, const SubscriptExpr &expr, Scope &scope) {
  if (x.isShare)
    fail(expr.loc, "a mean over the batch is a scalar and has no dims to index");
  SmallVector<int64_t> offsets, strides;
  Dims sizes, dims;
  for (const Subscript &entry : expr.subscripts) {
    Value index = entry.isSlice ? Value() : eval(*entry.index, scope);
    if (!entry.isSlice && index.isNone()) {
      dims.push_back(Size{1});
      continue;
    }
    size_t i = sizes.size();
    if (i >= x.rank())
      fail(expr.loc, "too many indices for " + x.describe() + ", which has " + Twine(x.rank()) + " dims");
    const Size &dim = x.dims[i];
    if (!entry.isSlice) {
      offsets.push_back(
          position(index, dim.value, entry.index->loc, "dim " + Twine(i) + ", which is " + dim.describe()));
      if (dim.batch)
        fail(entry.index->loc,
             "taking one of the batch rows depends on how the batch is split over micro-batches and replicas");
      strides.push_back(1);
      sizes.push_back(Size{1});
      continue;
    }
    Range range = sliceRange(entry, dim.value, scope);
    if (range.count == 0)
      fail(expr.loc, "this slice of dim " + Twine(i) + ", which is " + dim.describe() + ", is empty");
    offsets.push_back(range.start);
    strides.push_back(range.step);
    sizes.push_back(range.count == dim.value ? dim : Size{range.count});
    dims.push_back(sizes.back());
  }
  for (size_t i = sizes.size(); i < x.rank(); ++i) {
    offsets.push_back(0);
    strides.push_back(1);
    sizes.push_back(x.dims[i]);
    dims.push_back(x.dims[i]);
  }
  Emitter emitter(*this, expr.loc);
  Tensor part = emitter.slice(x, offsets, sizes, strides);
  // Dropping and adding dims of one element moves no batch row.
  auto type = emitter.typeOf(dims, part.elementType());
  if (type == part.type())
    return part;
  return Tensor{builder().create<ReshapeOp>(emitter.location(), type, part.value), dims};
}

} // namespace colo::model
