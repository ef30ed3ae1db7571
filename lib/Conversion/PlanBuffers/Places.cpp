//===- Places.cpp - where a value lies -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Places.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace colo;

int64_t colo::elementBytes(Type type) {
  if (type.isIndex())
    return 8;
  return std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8);
}

int64_t colo::alignUp(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

SmallVector<int64_t, 6> colo::contiguousStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t, 6> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

SmallVector<int64_t, 6> colo::stridesInOrder(ArrayRef<int64_t> shape, ArrayRef<int64_t> order) {
  SmallVector<int64_t, 6> strides(shape.size());
  int64_t stride = 1;
  for (int64_t dim : llvm::reverse(order)) {
    strides[dim] = stride;
    stride *= shape[dim];
  }
  return strides;
}

SmallVector<int64_t> colo::frontOrder(size_t rank, int64_t dim) {
  SmallVector<int64_t> order{dim};
  for (int64_t i = 0, e = rank; i < e; ++i)
    if (i != dim)
      order.push_back(i);
  return order;
}

bool Place::isContiguous() const {
  for (auto [size, stride, expected] : llvm::zip(shape, strides, contiguousStrides(shape)))
    if (size != 1 && stride != expected)
      return false;
  return true;
}

int64_t Place::elements() const {
  int64_t n = 1;
  for (int64_t size : shape)
    n *= size;
  return n;
}

int64_t Place::span() const {
  int64_t all = 1;
  for (auto [size, stride] : llvm::zip(shape, strides))
    if (size != 1)
      all = std::max(all, size * stride);
  return all;
}

SmallVector<int64_t> Place::memoryOrder() const {
  SmallVector<int64_t> order;
  for (int64_t dim = 0, e = shape.size(); dim < e; ++dim)
    order.push_back(dim);
  // A dim of size 1 has no stride of its own.
  auto strideOf = [&](int64_t dim) {
    while (dim + 1 < static_cast<int64_t>(shape.size()) && shape[dim] == 1)
      ++dim;
    return strides[dim];
  };
  llvm::stable_sort(order, [&](int64_t a, int64_t b) { return strideOf(a) > strideOf(b); });
  return order;
}

MemRefType Place::type() const {
  if (isContiguous())
    return MemRefType::get(shape, element);
  return MemRefType::get(shape, element, StridedLayoutAttr::get(element.getContext(), 0, strides));
}

/// Walks both shapes from the left in groups of equal size; the old dims of a group must act as one.
std::optional<Place> colo::reshape(const Place &place, ArrayRef<int64_t> shape) {
  Place result = place;
  result.shape.assign(shape.begin(), shape.end());
  result.strides.assign(shape.size(), 1);
  SmallVector<std::pair<int64_t, int64_t>> dims;
  for (auto [size, stride] : llvm::zip(place.shape, place.strides))
    if (size != 1)
      dims.push_back({size, stride});
  size_t from = 0, to = 0;
  while (from < dims.size()) {
    size_t fromEnd = from + 1, toEnd = to;
    int64_t old = dims[from].first, fresh = 1;
    while (old != fresh || toEnd == to) {
      if (fresh < old && toEnd < shape.size())
        fresh *= shape[toEnd++];
      else if (old < fresh && fromEnd < dims.size())
        old *= dims[fromEnd++].first;
      else
        return std::nullopt;
    }
    for (size_t i = from + 1; i < fromEnd; ++i)
      if (dims[i - 1].second != dims[i].second * dims[i].first)
        return std::nullopt;
    int64_t stride = dims[fromEnd - 1].second;
    for (size_t i = toEnd; i-- > to;) {
      result.strides[i] = stride;
      stride *= shape[i];
    }
    from = fromEnd, to = toEnd;
  }
  return result;
}

Place colo::transpose(const Place &place, ArrayRef<int64_t> permutation) {
  Place result = place;
  for (auto [i, from] : llvm::enumerate(permutation)) {
    result.shape[i] = place.shape[from];
    result.strides[i] = place.strides[from];
  }
  return result;
}

Place colo::slice(const Place &place, ArrayRef<int64_t> offsets, ArrayRef<int64_t> strides, ArrayRef<int64_t> shape) {
  Place result = place;
  result.shape.assign(shape.begin(), shape.end());
  for (size_t i = 0; i < shape.size(); ++i) {
    result.offset += offsets[i] * place.strides[i];
    result.strides[i] = place.strides[i] * strides[i];
  }
  return result;
}

Place colo::splitDim(const Place &place, int64_t dim, int64_t outer) {
  Place result = place;
  int64_t inner = place.shape[dim] / outer;
  result.shape[dim] = inner;
  result.shape.insert(result.shape.begin() + dim, outer);
  result.strides.insert(result.strides.begin() + dim, inner * place.strides[dim]);
  return result;
}

void colo::mergeDims(Place &a, Place &b) {
  SmallVector<int64_t, 6> shape, strideA, strideB;
  for (auto [size, x, y] : llvm::zip(a.shape, a.strides, b.strides)) {
    if (size == 1)
      continue;
    if (!shape.empty() && strideA.back() == x * size && strideB.back() == y * size) {
      shape.back() *= size;
      strideA.back() = x, strideB.back() = y;
      continue;
    }
    shape.push_back(size), strideA.push_back(x), strideB.push_back(y);
  }
  a.shape = b.shape = shape;
  a.strides = strideA, b.strides = strideB;
}

int64_t colo::packTemporaries(std::deque<Root> &roots) {
  SmallVector<Root *> order;
  for (Root &root : roots)
    if (root.temporary)
      order.push_back(&root);
  // Equal sizes in the order of the program: the same input gives the same offsets.
  llvm::DenseMap<Root *, size_t> index;
  for (auto [i, root] : llvm::enumerate(order))
    index[root] = i;
  llvm::sort(order, [&](Root *a, Root *b) {
    return std::make_pair(-a->bytes, index[a]) < std::make_pair(-b->bytes, index[b]);
  });
  SmallVector<Root *> placed; // by offset
  int64_t total = 0;
  for (Root *root : order) {
    int64_t offset = 0, best = -1, bestGap = INT64_MAX;
    for (Root *other : placed) {
      if (other->last < root->first || root->last < other->first)
        continue;
      int64_t gap = other->offset - offset;
      if (gap >= root->bytes && gap < bestGap)
        best = offset, bestGap = gap;
      offset = std::max(offset, alignUp(other->offset + other->bytes, kAlignment));
    }
    root->offset = best < 0 ? offset : best;
    placed.insert(llvm::upper_bound(placed, root, [](Root *a, Root *b) { return a->offset < b->offset; }), root);
    total = std::max(total, root->offset + root->bytes);
  }
  for (Root *root : order)
    for (rt::SlotOp slot : root->slots) {
      slot.setOffset(slot.getOffset() + root->offset);
      int64_t value[] = {static_cast<int64_t>(index[root]), root->offset, root->offset + root->bytes};
      slot->setAttr(rt::kValueAttr, DenseI64ArrayAttr::get(slot.getContext(), value));
    }
  return alignUp(total, kAlignment);
}
