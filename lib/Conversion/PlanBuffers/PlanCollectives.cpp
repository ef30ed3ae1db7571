//===- PlanCollectives.cpp - collectives on memrefs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NCCL's collectives cut and join the leading dim of contiguous memory. Where a
// dim that is not the leading one is cut or joined, the value is stored with it
// outermost (StorageOrder.cpp), or a copy brings the ranks' dim to the front
// before, or back to its place after.
//
//===----------------------------------------------------------------------===//

#include "FunctionPlanner.h"
#include "colo/Conversion/Mesh.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace colo;

/// `dim` moved to the front.
static Place toFront(const Place &place, int64_t dim) { return transpose(place, frontOrder(place.shape.size(), dim)); }

/// The operand with its `dim` cut into `ranks` parts, which come first in contiguous memory.
Place FunctionPlanner::cutLeading(const Place &place, int64_t dim, int64_t ranks) {
  return contiguous(toFront(splitDim(place, dim, ranks), dim), loc);
}

static bool isInFlight(Operation *op) { return llvm::any_of(op->getUsers(), llvm::IsaPred<dist::WaitOp>); }

void FunctionPlanner::communicate(Operation *op, const Place &from, const Place &to,
                                  llvm::function_ref<void(Value, Value, IntegerAttr)> emit) {
  Value send = use(from), recv = use(to);
  if (!isInFlight(op))
    return emit(send, recv, builder.getI64IntegerAttr(rt::kComputeStream));
  auto isTaken = [&](int64_t event) {
    return llvm::any_of(flights, [&](const auto &entry) { return entry.second.event == event; });
  };
  int64_t event = rt::kFirstLayerEvent;
  while (isTaken(event))
    ++event;
  flights[op] = {event, {from.root, to.root}, nullptr};
  builder.create<rt::RecordOp>(loc, rt::kStartEvent, rt::kComputeStream);
  builder.create<rt::WaitOp>(loc, rt::kStartEvent, rt::kLayerStream);
  emit(send, recv, builder.getI64IntegerAttr(rt::kLayerStream));
  builder.create<rt::RecordOp>(loc, event, rt::kLayerStream);
}

LogicalResult FunctionPlanner::planWait(dist::WaitOp op) {
  auto it = flights.find(op.getInputs().front().getDefiningOp());
  Flight flight = std::move(it->second);
  flights.erase(it);
  builder.create<rt::WaitOp>(loc, flight.event, rt::kComputeStream);
  for (Root *root : flight.roots)
    root->last = std::max(root->last, now);
  if (flight.unpack)
    flight.unpack();
  for (auto [from, to] : llvm::zip(op.getInputs(), op.getOutputs())) {
    places[to] = Place(placeOf(from));
    if (storedOrders.count(from))
      storedOrders[to] = SmallVector<int64_t>(storedOrders[from]);
  }
  return success();
}

/// Receives `ranks` blocks of `block`'s shape, which end up side by side along `dim` of the only result.
void FunctionPlanner::joinLeading(Operation *op, const Place &from, ArrayRef<int64_t> block, int64_t dim, int64_t ranks,
                                  llvm::function_ref<void(Value, Value, IntegerAttr)> emit) {
  Value value = op->getResult(0);
  auto isOne = [](int64_t size) { return size == 1; };
  if (llvm::all_of(block.take_front(dim), isOne)) {
    Place out = places[value] = allocateContiguous(value);
    return communicate(op, from, out, emit);
  }
  SmallVector<int64_t> shape{ranks};
  llvm::append_range(shape, block);
  Place received = temporary(shape, from.element);
  communicate(op, from, received, emit);
  auto unpack = [=] {
    Place out = allocate(value);
    copy(received, toFront(splitDim(out, dim, ranks), dim), /*accumulate=*/false, loc);
    places[value] = out;
  };
  if (isInFlight(op))
    flights[op].unpack = unpack;
  else
    unpack();
}

bool FunctionPlanner::joinsOutermost(Operation *op, int64_t dim) {
  Value value = op->getResult(0);
  return !claimed.count(value) && isStoredOutermost(cast<RankedTensorType>(value.getType()).getShape(), dim);
}

int64_t FunctionPlanner::ranksOver(ArrayAttr axes) { return groupSize(getMesh(plan.module), axes); }

/// This rank's number in the group over `axes`.
static Value groupIndex(OpBuilder &builder, Location loc, const Mesh &mesh, ArrayAttr axes) {
  Value index = builder.create<arith::ConstantIndexOp>(loc, 0);
  for (StringAttr axis : axes.getAsRange<StringAttr>()) {
    int64_t size = groupSize(mesh, builder.getArrayAttr({axis}));
    Value scaled = builder.create<arith::MulIOp>(loc, index, builder.create<arith::ConstantIndexOp>(loc, size));
    Value coordinate = builder.create<rt::AxisIndexOp>(loc, builder.getIndexType(), axis);
    index = builder.create<arith::AddIOp>(loc, scaled, coordinate);
  }
  return index;
}

void FunctionPlanner::lower(dist::AllReduceOp op) {
  StringAttr kind = builder.getStringAttr(stringifyReduceKind(op.getKind()));
  auto reduce = [&](Value send, Value recv, IntegerAttr stream) {
    builder.create<rt::AllReduceOp>(loc, send, recv, op.getAxes(), UnitAttr(), stream, IntegerAttr(), IntegerAttr(),
                                    kind);
  };
  if (op.getInputs().size() == 1) {
    Value input = op.getInputs().front(), output = op.getOutputs().front();
    Place from = contiguous(placeOf(input), loc);
    // A sum takes the place of its terms where nothing else reads them.
    bool inPlace = input.hasOneUse() && isFreshResult(input) && from.root->temporary && !claimed.count(output);
    Place to = places[output] = inPlace ? from : allocateContiguous(output);
    return communicate(op, from, to, reduce);
  }
  // Several operands travel as one message.
  int64_t elements = 0;
  for (Value input : op.getInputs())
    elements += placeOf(input).elements();
  Place message = temporary({elements}, placeOf(op.getInputs().front()).element);
  int64_t offset = 0;
  for (auto [input, output] : llvm::zip(op.getInputs(), op.getOutputs())) {
    Place from = placeOf(input), part = message;
    part.offset = offset;
    part.shape = from.shape;
    part.strides = contiguousStrides(from.shape);
    offset += from.elements();
    copy(from, part, /*accumulate=*/false, loc);
    places[output] = part;
  }
  communicate(op, message, message, reduce);
}

void FunctionPlanner::lower(dist::AllGatherOp op) {
  auto gather = [&](Value send, Value recv, IntegerAttr stream) {
    builder.create<rt::AllGatherOp>(loc, send, recv, op.getAxes(), UnitAttr(), stream, IntegerAttr(), IntegerAttr());
  };
  int64_t dim = op.getDim();
  if (joinsOutermost(op, dim)) {
    Place from = contiguous(toFront(placeOf(op.getInput()), dim), loc);
    Place to = allocateInOrder(op.getResult(), frontOrder(from.shape.size(), dim));
    places[op.getResult()] = to;
    return communicate(op, from, toFront(to, dim), gather);
  }
  Place from = contiguous(placeOf(op.getInput()), loc);
  joinLeading(op, from, from.shape, dim, ranksOver(op.getAxes()), gather);
}

void FunctionPlanner::lower(dist::ReduceScatterOp op) {
  StringAttr kind = builder.getStringAttr(stringifyReduceKind(op.getKind()));
  auto reduce = [&](Value send, Value recv, IntegerAttr stream) {
    builder.create<rt::ReduceScatterOp>(loc, send, recv, op.getAxes(), UnitAttr(), stream, IntegerAttr(), IntegerAttr(),
                                        kind);
  };
  int64_t dim = op.getDim();
  Place input = placeOf(op.getInput());
  if (joinsOutermost(op, dim) && toFront(input, dim).isContiguous()) {
    Place to = allocateInOrder(op.getResult(), frontOrder(input.shape.size(), dim));
    places[op.getResult()] = to;
    return communicate(op, toFront(input, dim), toFront(to, dim), reduce);
  }
  Place from = cutLeading(input, dim, ranksOver(op.getAxes()));
  Place to = places[op.getResult()] = allocateContiguous(op.getResult());
  communicate(op, from, to, reduce);
}

void FunctionPlanner::lower(dist::AllToAllOp op) {
  auto exchange = [&](Value send, Value recv, IntegerAttr stream) {
    builder.create<rt::AllToAllOp>(loc, send, recv, op.getAxes(), UnitAttr(), stream, IntegerAttr(), IntegerAttr());
  };
  int64_t ranks = ranksOver(op.getAxes()), dim = op.getDim(), joined = op.getFrom();
  if (joinsOutermost(op, joined)) {
    Place parts = toFront(splitDim(placeOf(op.getInput()), dim, ranks), dim);
    SmallVector<int64_t> order = frontOrder(parts.shape.size(), joined + 1);
    std::swap(order[0], order[1]); // the ranks stay first
    Place from = contiguous(transpose(parts, order), loc);
    Place to = allocateInOrder(op.getResult(), frontOrder(parts.shape.size() - 1, joined));
    places[op.getResult()] = to;
    return communicate(op, from, toFront(to, joined), exchange);
  }
  Place from = cutLeading(placeOf(op.getInput()), dim, ranks);
  joinLeading(op, from, ArrayRef(from.shape).drop_front(), joined, ranks, exchange);
}

void FunctionPlanner::lower(dist::PermuteOp op) {
  Place from = contiguous(placeOf(op.getInput()), loc);
  Place to = places[op.getResult()] = allocateContiguous(op.getResult());
  communicate(op, from, to, [&](Value send, Value recv, IntegerAttr stream) {
    builder.create<rt::PermuteOp>(loc, send, recv, op.getAxes(), UnitAttr(), stream, IntegerAttr(), IntegerAttr(),
                                  op.getSourcesAttr());
  });
}

void FunctionPlanner::lower(dist::BroadcastOp op) {
  Place from = contiguous(placeOf(op.getInput()), loc);
  Place to = places[op.getResult()] = allocateContiguous(op.getResult());
  communicate(op, from, to, [&](Value send, Value recv, IntegerAttr stream) {
    builder.create<rt::BroadcastOp>(loc, send, recv, op.getAxes(), UnitAttr(), stream, IntegerAttr(), IntegerAttr(),
                                    op.getRootAttr(), scalars.lookup(op.getRound()));
  });
}

/// Each member is the root of one round, so all rounds share one place.
void FunctionPlanner::lower(dist::ReduceOp op) {
  Place from = contiguous(placeOf(op.getInput()), loc);
  Place to = op.getInto() ? placeOf(op.getInto()) : allocateContiguous(op.getResult());
  places[op.getResult()] = to;
  StringAttr kind = builder.getStringAttr(stringifyReduceKind(op.getKind()));
  communicate(op, from, to, [&](Value send, Value recv, IntegerAttr stream) {
    builder.create<rt::ReduceOp>(loc, send, recv, op.getAxes(), UnitAttr(), stream, IntegerAttr(), IntegerAttr(), kind,
                                 op.getRootAttr(), scalars.lookup(op.getRound()));
  });
}

/// A view: nothing moves.
void FunctionPlanner::lower(dist::AllSliceOp op) {
  Place place = placeOf(op.getInput());
  int64_t dim = op.getDim(), size = op.getResult().getType().getDimSize(dim);
  Value step = constant(size * place.strides[dim]);
  Value block = groupIndex(builder, loc, getMesh(plan.module), op.getAxes());
  if (op.getBlocks())
    block = rt::buildLookup(builder, loc, block, *op.getBlocks());
  Value shift = builder.create<arith::MulIOp>(loc, block, step);
  place.dynamic = place.dynamic ? builder.create<arith::AddIOp>(loc, place.dynamic, shift).getResult() : shift;
  place.shape[dim] = size;
  places[op.getResult()] = place;
}

void FunctionPlanner::lower(dist::PartOp op) {
  int64_t dim = op.getDim(), size = op.getResult().getType().getDimSize(dim);
  places[op.getResult()] = partOf(placeOf(op.getInput()), dim, size, op.getNumber(), scalars.lookup(op.getIndex()));
}

void FunctionPlanner::lower(dist::HalfOp op) {
  Value turn = constant(op.getTurn()), member = groupIndex(builder, loc, getMesh(plan.module), op.getAxes());
  if (op.getRound())
    turn = builder.create<arith::AddIOp>(loc, turn, scalars.lookup(op.getRound()));
  auto isFirst = op.getRowsTravel() ? arith::CmpIPredicate::ult : arith::CmpIPredicate::uge;
  Value rowsAreLater = builder.create<arith::CmpIOp>(loc, isFirst, member, turn);
  scalars[op.getResult()] = builder.create<arith::SelectOp>(loc, rowsAreLater, constant(0), constant(1));
}

void FunctionPlanner::lower(dist::EmptyOp op) { places[op.getResult()] = allocateContiguous(op.getResult()); }

/// Where it was: those who made its parts have written them there.
void FunctionPlanner::lower(dist::UpdatedOp op) { places[op.getResult()] = placeOf(op.getWhole()); }

LogicalResult FunctionPlanner::planCollective(Operation *op) {
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<dist::AllReduceOp, dist::AllGatherOp, dist::ReduceScatterOp, dist::AllToAllOp, dist::PermuteOp,
            dist::BroadcastOp, dist::ReduceOp, dist::AllSliceOp, dist::PartOp, dist::HalfOp, dist::EmptyOp,
            dist::UpdatedOp>([&](auto collective) {
        lower(collective);
        return success();
      })
      .Default([](Operation *other) { return other->emitOpError("is not in its local form"); });
}
