//===- PlanCollectives.cpp - collectives on memrefs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NCCL's collectives cut and join the leading dim of contiguous memory. Where a
// dim that is not the leading one is cut or joined, a copy brings the ranks'
// dim to the front before, or back to its place after.
//
//===----------------------------------------------------------------------===//

#include "FunctionPlanner.h"
#include "colo/Conversion/Mesh.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace colo;

/// `dim` moved to the front.
static Place toFront(const Place &place, int64_t dim) {
  SmallVector<int64_t> permutation{dim};
  for (int64_t i = 0, e = place.shape.size(); i < e; ++i)
    if (i != dim)
      permutation.push_back(i);
  return transpose(place, permutation);
}

/// The operand with its `dim` cut into `ranks` parts, which come first in contiguous memory.
Place FunctionPlanner::cutLeading(const Place &place, int64_t dim, int64_t ranks) {
  return contiguous(toFront(splitDim(place, dim, ranks), dim), loc);
}

/// Runs `communicate` on a place of `ranks` blocks of `block`'s shape, which end up side by side along `dim` of
/// `value`.
void FunctionPlanner::joinLeading(Value value, ArrayRef<int64_t> block, int64_t dim, int64_t ranks,
                                  llvm::function_ref<void(Value)> communicate) {
  Place out = allocate(value);
  Place joined = toFront(splitDim(out, dim, ranks), dim);
  if (joined.isContiguous()) {
    communicate(use(out));
  } else {
    SmallVector<int64_t> shape{ranks};
    llvm::append_range(shape, block);
    Place received = temporary(shape, out.element);
    communicate(use(received));
    copy(received, joined, /*accumulate=*/false, loc);
  }
  places[value] = out;
}

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

void FunctionPlanner::planAllReduce(dist::AllReduceOp op) {
  StringAttr kind = builder.getStringAttr(stringifyReduceKind(op.getKind()));
  auto reduce = [&](Value send, Value recv) {
    builder.create<rt::AllReduceOp>(loc, send, recv, op.getAxes(), UnitAttr(), builder.getI64IntegerAttr(0),
                                    IntegerAttr(), IntegerAttr(), kind);
  };
  if (op.getInputs().size() == 1) {
    Place from = contiguous(placeOf(op.getInputs().front()), loc), to = allocate(op.getOutputs().front());
    reduce(use(from), use(to));
    places[op.getOutputs().front()] = to;
    return;
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
  Value buffer = use(message);
  reduce(buffer, buffer);
}

LogicalResult FunctionPlanner::planCollective(Operation *op) {
  Mesh mesh = getMesh(plan.module);
  IntegerAttr stream = builder.getI64IntegerAttr(0);
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case<dist::AllReduceOp>([&](dist::AllReduceOp reduce) {
        planAllReduce(reduce);
        return success();
      })
      .Case<dist::AllGatherOp>([&](dist::AllGatherOp gather) {
        Place from = contiguous(placeOf(gather.getInput()), loc);
        joinLeading(gather.getResult(), from.shape, gather.getDim(), groupSize(mesh, gather.getAxes()), [&](Value to) {
          builder.create<rt::AllGatherOp>(loc, use(from), to, gather.getAxes(), UnitAttr(), stream, IntegerAttr(),
                                          IntegerAttr());
        });
        return success();
      })
      .Case<dist::ReduceScatterOp>([&](dist::ReduceScatterOp scatter) {
        Place from = cutLeading(placeOf(scatter.getInput()), scatter.getDim(), groupSize(mesh, scatter.getAxes()));
        Place to = places[scatter.getResult()] = allocate(scatter.getResult());
        builder.create<rt::ReduceScatterOp>(loc, use(from), use(to), scatter.getAxes(), UnitAttr(), stream,
                                            IntegerAttr(), IntegerAttr(),
                                            builder.getStringAttr(stringifyReduceKind(scatter.getKind())));
        return success();
      })
      .Case<dist::AllToAllOp>([&](dist::AllToAllOp exchange) {
        int64_t ranks = groupSize(mesh, exchange.getAxes());
        Place from = cutLeading(placeOf(exchange.getInput()), exchange.getDim(), ranks);
        joinLeading(exchange.getResult(), ArrayRef(from.shape).drop_front(), exchange.getFrom(), ranks, [&](Value to) {
          builder.create<rt::AllToAllOp>(loc, use(from), to, exchange.getAxes(), UnitAttr(), stream, IntegerAttr(),
                                         IntegerAttr());
        });
        return success();
      })
      .Case<dist::PermuteOp>([&](dist::PermuteOp permute) {
        Place from = contiguous(placeOf(permute.getInput()), loc);
        Place to = places[permute.getResult()] = allocate(permute.getResult());
        builder.create<rt::PermuteOp>(loc, use(from), use(to), permute.getAxes(), UnitAttr(), stream, IntegerAttr(),
                                      IntegerAttr(), permute.getSourcesAttr());
        return success();
      })
      .Case<dist::BroadcastOp>([&](dist::BroadcastOp broadcast) {
        Place from = contiguous(placeOf(broadcast.getInput()), loc);
        Place to = places[broadcast.getResult()] = allocate(broadcast.getResult());
        builder.create<rt::BroadcastOp>(loc, use(from), use(to), broadcast.getAxes(), UnitAttr(), stream, IntegerAttr(),
                                        IntegerAttr(), broadcast.getRootAttr());
        return success();
      })
      .Case<dist::ReduceOp>([&](dist::ReduceOp reduce) {
        // Each member is the root of one round, so all rounds share one place.
        Place from = contiguous(placeOf(reduce.getInput()), loc);
        Place to = reduce.getInto() ? placeOf(reduce.getInto()) : allocate(reduce.getResult());
        places[reduce.getResult()] = to;
        builder.create<rt::ReduceOp>(loc, use(from), use(to), reduce.getAxes(), UnitAttr(), stream, IntegerAttr(),
                                     IntegerAttr(), builder.getStringAttr(stringifyReduceKind(reduce.getKind())),
                                     reduce.getRootAttr());
        return success();
      })
      .Case<dist::AllSliceOp>([&](dist::AllSliceOp keep) {
        Place place = placeOf(keep.getInput());
        int64_t dim = keep.getDim(), size = keep.getResult().getType().getDimSize(dim);
        Value step = constant(size * place.strides[dim]), block = groupIndex(builder, loc, mesh, keep.getAxes());
        if (keep.getBlocks())
          block = rt::buildLookup(builder, loc, block, *keep.getBlocks());
        Value shift = builder.create<arith::MulIOp>(loc, block, step);
        place.dynamic = place.dynamic ? builder.create<arith::AddIOp>(loc, place.dynamic, shift).getResult() : shift;
        place.shape[dim] = size;
        places[keep.getResult()] = place;
        return success();
      })
      .Default([](Operation *other) { return other->emitOpError("is not in its local form"); });
}
