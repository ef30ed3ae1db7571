//===- PlanLoops.cpp - rounds on memrefs ------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The body of a loop is planned in place, once. What a round makes of a carried
// value in place stays where it is. Any other carried value has two places and
// changes them from round to round: one is read while the other is written,
// which is double buffering where the writer is a collective in flight.
// Temporaries of the body live within a round; all that rounds share lives to
// the end of the loop.
//
//===----------------------------------------------------------------------===//

#include "FunctionPlanner.h"
#include "colo/Dialect/Dist/DistDialect.h"

using namespace mlir;
using namespace colo;

/// The value that a wait hands on.
static Value beforeWait(Value value) {
  auto wait = value.getDefiningOp<dist::WaitOp>();
  return wait ? wait.getInputs()[cast<OpResult>(value).getResultNumber()] : value;
}

/// The value in whose place this one was made in the end.
static Value originOf(Value value) {
  while (true) {
    value = beforeWait(value);
    auto updated = value.getDefiningOp<dist::UpdatedOp>();
    Value place = updated ? Value(updated.getWhole()) : madeInPlaceOf(value);
    if (!place)
      return value;
    value = place;
  }
}

/// Whether the loop that is the only reader of `value` may write to its place.
static bool isOwned(Value value) {
  if (!value.hasOneUse())
    return false;
  return isa_and_nonnull<EinsumOp, rt::LaunchOp, dist::BroadcastOp, dist::ReduceOp, dist::PermuteOp, dist::EmptyOp,
                         dist::LoopOp>(beforeWait(value).getDefiningOp());
}

/// Whether a collective sends the value, which must be contiguous for it.
static bool isSent(Value value) {
  return llvm::any_of(value.getUsers(), [](Operation *user) { return isa<dist::CollectiveOpInterface>(user); });
}

/// Where a carried value lies: at the start of even rounds in `first`, of odd ones in `second`, if it has two places.
struct FunctionPlanner::CarriedPlace {
  Place first;
  Root *second = nullptr;

  Place atStart(Value odd) const { return alternating(first.root, second, odd); }
  Place atEnd(Value odd) const { return alternating(second, first.root, odd); }
  Place after(int64_t rounds) const {
    Place place = first;
    if (second && rounds % 2)
      place.root = second;
    return place;
  }

private:
  Place alternating(Root *even, Root *other, Value odd) const {
    Place place = first;
    if (second)
      place.root = even, place.other = other, place.isOther = odd;
    return place;
  }
};

FunctionPlanner::CarriedPlace FunctionPlanner::placeCarried(dist::LoopOp op, unsigned index) {
  Value start = op.getCarried()[index];
  CarriedPlace carried{placeOf(start)};
  bool isInPlace = op.isInPlace(index);
  Place &first = carried.first;
  if (!isOwned(start) || first.other || first.dynamic || !(isInPlace || first.root->temporary)) {
    Place from = first;
    first = temporary(from.shape, from.element);
    copy(from, first, /*accumulate=*/false, loc);
  }
  if (!isInPlace)
    carried.second = newTemporary(first.root->bytes);
  return carried;
}

Place FunctionPlanner::partOf(const Place &whole, int64_t dim, int64_t size, int64_t first, Value round) {
  Place part = whole;
  int64_t step = size * whole.strides[dim];
  part.offset += first * step;
  part.shape[dim] = size;
  Value shift = builder.create<arith::MulIOp>(loc, round, constant(step));
  part.dynamic = whole.dynamic ? builder.create<arith::AddIOp>(loc, whole.dynamic, shift).getResult() : shift;
  return part;
}

LogicalResult FunctionPlanner::planLoop(dist::LoopOp op) {
  SmallVector<Root *> shared;
  for (auto [value, argument] : llvm::zip(op.getInvariants(), op.invariantArguments())) {
    Place place = isSent(argument) ? contiguous(placeOf(value), loc) : placeOf(value);
    places[argument] = place;
    shared.push_back(place.root);
    if (place.other)
      shared.push_back(place.other);
  }
  SmallVector<CarriedPlace> carried;
  for (unsigned i = 0; i < op.getCarried().size(); ++i) {
    carried.push_back(placeCarried(op, i));
    shared.push_back(carried.back().first.root);
    if (carried.back().second)
      shared.push_back(carried.back().second);
  }
  for (Value whole : op.assembledResults()) {
    places[whole] = allocate(whole);
    shared.push_back(places[whole].root);
  }
  for (auto [number, argument] : llvm::zip(op.getOuter(), op.rounds().drop_front()))
    scalars[argument] = scalars.lookup(number);
  auto loop = builder.create<scf::ForOp>(loc, constant(0), constant(op.getCount()), constant(1));
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(loop.getBody()->getTerminator());
    scalars[op.round()] = loop.getInductionVar();
    if (failed(planRound(op, carried)))
      return failure();
  }
  for (Root *root : shared)
    root->last = std::max(root->last, now);
  for (auto [place, result] : llvm::zip(carried, op.carriedResults()))
    places[result] = place.after(op.getCount());
  return success();
}

LogicalResult FunctionPlanner::planRound(dist::LoopOp op, ArrayRef<CarriedPlace> carried) {
  Value round = scalars.lookup(op.round()), odd;
  if (llvm::any_of(carried, [](const CarriedPlace &place) { return place.second; }))
    odd = builder.create<arith::TruncIOp>(loc, builder.getI1Type(),
                                          builder.create<arith::IndexCastOp>(loc, builder.getI64Type(), round));
  auto yield = cast<dist::YieldOp>(op.block().getTerminator());
  // Where what the round yields must be at its end, which is where its maker puts it if it can.
  SmallVector<std::pair<Value, Place>> ends;
  for (auto [place, argument, value] : llvm::zip(carried, op.carriedArguments(), yield.getValues())) {
    places[argument] = place.atStart(odd);
    if (place.second)
      ends.push_back({value, place.atEnd(odd)});
  }
  for (auto [whole, dim, value] :
       llvm::zip(op.assembledResults(), op.getDims(), yield.getValues().drop_front(carried.size())))
    ends.push_back(
        {value, partOf(places[whole], dim, cast<RankedTensorType>(value.getType()).getDimSize(dim), 0, round)});
  for (auto &[value, place] : ends) {
    Value maker = beforeWait(value);
    std::optional<Place> made = place;
    for (auto view = maker.getDefiningOp<ReshapeOp>(); view && made; view = maker.getDefiningOp<ReshapeOp>()) {
      maker = view.getInput();
      made = reshape(*made, cast<RankedTensorType>(maker.getType()).getShape());
    }
    if (made)
      for (Value value : {maker, originOf(maker)})
        if (cast<RankedTensorType>(value.getType()).getShape() == ArrayRef<int64_t>(made->shape))
          claimed.try_emplace(value, *made);
  }
  for (Operation &inner : op.block().without_terminator()) {
    ++now;
    loc = inner.getLoc();
    if (failed(planOp(&inner)))
      return failure();
  }
  ++now;
  for (auto &[value, place] : ends) {
    const Place &made = placeOf(value);
    if (made.root != place.root || made.other != place.other || made.dynamic != place.dynamic)
      copy(made, place, /*accumulate=*/false, yield.getLoc());
  }
  return success();
}
