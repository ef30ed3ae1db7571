//===- RowPitch.cpp - how far rows of a value lie apart ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Targets' widest accesses start at multiples of `row-alignment` bytes, which rows
// of an odd number of elements, such as scores of 50257 words, do not. Such rows
// lie further apart, in temporaries that a product reads or makes and that else
// kernels alone read: these go by strides. All others are handed on, sent or
// viewed in another shape, for which they must have no gaps. A row is what every
// product of the value takes as one dim, since a gap inside would make it several.
//
//===----------------------------------------------------------------------===//

#include "FunctionPlanner.h"

using namespace mlir;
using namespace colo;

/// A row is at least so many times as long as what its end is rounded up to: gaps are an eighth of it at most.
static constexpr int64_t kUnitsOfRow = 8;

/// Elements of the innermost dims that a product takes as one.
static int64_t innermostOf(EinsumSpec spec, StringRef letters, const Place &place) {
  auto groupOf = [&](char letter) {
    return std::make_tuple(spec.lhs.contains(letter), spec.rhs.contains(letter), spec.result.contains(letter));
  };
  int64_t elements = 1;
  char last = 0;
  for (int64_t dim : llvm::reverse(place.memoryOrder())) {
    if (place.shape[dim] == 1)
      continue;
    if (last && groupOf(letters[dim]) != groupOf(last))
      break;
    last = letters[dim];
    elements *= place.shape[dim];
  }
  return elements;
}

/// Elements of a row; none where no product has rows of the value, or something needs it without gaps.
static std::optional<int64_t> rowOf(Value value, const Place &place) {
  int64_t row = 0;
  auto widen = [&](EinsumSpec spec, StringRef letters) { row = std::max(row, innermostOf(spec, letters, place)); };
  if (auto maker = value.getDefiningOp<EinsumOp>()) {
    // What is read or written beside a result lies as it does.
    if (value != maker.getResult() || maker.getInto() || maker.getAddend() || maker.getAux() || maker.getArgument())
      return std::nullopt;
    EinsumSpec spec = parseEinsumSpec(maker.getSpec());
    widen(spec, spec.result);
  }
  for (OpOperand &use : value.getUses()) {
    auto product = dyn_cast<EinsumOp>(use.getOwner());
    if (product && use.getOperandNumber() < 2) {
      EinsumSpec spec = parseEinsumSpec(product.getSpec());
      widen(spec, use.getOperandNumber() == 0 ? spec.lhs : spec.rhs);
    } else if (!isa<rt::LaunchOp>(use.getOwner()) || madeInPlace(use)) {
      return std::nullopt;
    }
  }
  return row ? std::optional(row) : std::nullopt;
}

Strides FunctionPlanner::withPitch(Value value, ArrayRef<int64_t> strides) {
  Strides result(strides.begin(), strides.end());
  auto type = cast<RankedTensorType>(value.getType());
  Place place;
  place.element = type.getElementType();
  place.shape.assign(type.getShape().begin(), type.getShape().end());
  place.strides = result;
  int64_t unit = plan.rowAlignment, bytes = elementBytes(place.element);
  std::optional<int64_t> row = unit ? rowOf(value, place) : std::nullopt;
  if (!row || *row == place.elements() || *row * bytes % unit == 0 || *row * bytes < kUnitsOfRow * unit)
    return result;
  // Long rows start with a line of the caches.
  if (*row * bytes >= kUnitsOfRow * kUnitsOfRow * unit)
    unit *= kUnitsOfRow;
  int64_t pitch = alignUp(*row * bytes, unit) / bytes;
  for (int64_t &stride : result)
    if (stride >= *row)
      stride = stride / *row * pitch;
  return result;
}

void FunctionPlanner::layOut(Place &place, ArrayRef<int64_t> strides) {
  place.strides.assign(strides.begin(), strides.end());
  place.root->bytes = std::max(place.root->bytes, place.span() * elementBytes(place.element));
}
