//===- Contraction.cpp - an einsum as one batched matrix product -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"
#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace colo;

namespace {

/// Letters of one group that act as one dim; a stride is 0 in a tensor that lacks them.
struct Dim {
  int64_t size, a, b, c;
};

bool holds(StringRef letters, char letter) { return letters.contains(letter); }

int64_t strideOf(StringRef letters, const Strides &strides, char letter) {
  size_t i = letters.find(letter);
  return i == StringRef::npos ? 0 : strides[i];
}

/// Merges neighbours of a group, outermost first by the strides of the tensor that `key` picks.
SmallVector<Dim> collapse(SmallVector<Dim> dims, int64_t Dim::*key) {
  llvm::sort(dims, [&](const Dim &x, const Dim &y) { return x.*key > y.*key; });
  SmallVector<Dim> merged;
  for (const Dim &dim : dims) {
    if (!merged.empty()) {
      Dim &last = merged.back();
      if (last.a == dim.a * dim.size && last.b == dim.b * dim.size && last.c == dim.c * dim.size) {
        last = {last.size * dim.size, dim.a, dim.b, dim.c};
        continue;
      }
    }
    merged.push_back(dim);
  }
  return merged;
}

/// Takes the dim that becomes m (or n): one with a result stride of 1 if there is one, else the largest.
Dim takeMain(SmallVector<Dim> &dims) {
  if (dims.empty())
    return {1, 1, 1, 1};
  auto best = llvm::find_if(dims, [](const Dim &d) { return d.c == 1; });
  if (best == dims.end())
    best = std::max_element(dims.begin(), dims.end(), [](const Dim &x, const Dim &y) { return x.size < y.size; });
  Dim dim = *best;
  dims.erase(best);
  return dim;
}

} // namespace

Contraction::Contraction(EinsumSpec spec, ArrayRef<int64_t> lhsShape, ArrayRef<int64_t> rhsShape) : spec(spec) {
  for (auto [letter, size] : llvm::zip(spec.lhs, lhsShape))
    sizes[static_cast<unsigned char>(letter)] = size;
  for (auto [letter, size] : llvm::zip(spec.rhs, rhsShape))
    sizes[static_cast<unsigned char>(letter)] = size;
  for (char letter : spec.result) {
    bool left = holds(spec.lhs, letter), right = holds(spec.rhs, letter);
    (left && right ? batch : left ? m : n) += letter;
  }
  for (char letter : spec.lhs)
    if (!holds(spec.result, letter))
      k += letter;
}

Strides Contraction::stridesFor(StringRef letters, StringRef order) const {
  Strides strides(letters.size());
  int64_t stride = 1;
  for (char letter : llvm::reverse(order)) {
    strides[letters.find(letter)] = stride;
    stride *= size(letter);
  }
  return strides;
}

std::optional<GemmShape> Contraction::match(const Strides &lhs, const Strides &rhs, const Strides &result) const {
  auto group = [&](StringRef letters, int64_t Dim::*key) {
    SmallVector<Dim> dims;
    for (char letter : letters)
      if (size(letter) != 1)
        dims.push_back({size(letter), strideOf(spec.lhs, lhs, letter), strideOf(spec.rhs, rhs, letter),
                        strideOf(spec.result, result, letter)});
    return collapse(dims, key);
  };
  SmallVector<Dim> batchDims = group(batch, &Dim::c), mDims = group(m, &Dim::c), nDims = group(n, &Dim::c),
                   kDims = group(k, &Dim::a);
  if (kDims.size() > 1)
    return std::nullopt;
  Dim kDim = kDims.empty() ? Dim{1, 1, 1, 0} : kDims.front();
  Dim mDim = takeMain(mDims), nDim = takeMain(nDims);
  bool swapped = nDim.size != 1 && nDim.c != 1;
  if ((swapped ? mDim.c : nDim.c) != 1)
    return std::nullopt;
  // An empty group has stride 1 everywhere.
  if ((mDim.a != 1 && kDim.a != 1) || (nDim.b != 1 && kDim.b != 1))
    return std::nullopt;
  for (SmallVector<Dim> *rest : {&mDims, &nDims})
    batchDims.append(rest->begin(), rest->end());
  if (batchDims.size() > 4)
    return std::nullopt;

  GemmShape shape;
  shape.swapped = swapped;
  for (const Dim &dim : batchDims) {
    shape.batch.push_back(dim.size);
    shape.aBatch.push_back(swapped ? dim.b : dim.a);
    shape.bBatch.push_back(swapped ? dim.a : dim.b);
    shape.cBatch.push_back(dim.c);
  }
  shape.k = kDim.size;
  if (swapped) {
    shape.m = nDim.size, shape.n = mDim.size;
    shape.am = nDim.b, shape.ak = kDim.b, shape.bk = kDim.a, shape.bn = mDim.a;
    shape.cm = nDim.c, shape.cn = mDim.c;
  } else {
    shape.m = mDim.size, shape.n = nDim.size;
    shape.am = mDim.a, shape.ak = kDim.a, shape.bk = kDim.b, shape.bn = nDim.b;
    shape.cm = mDim.c, shape.cn = nDim.c;
  }
  return shape;
}
