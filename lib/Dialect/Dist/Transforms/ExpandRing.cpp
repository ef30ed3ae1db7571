//===- ExpandRing.cpp - attention whose keys go round -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Ring attention (Liu et al., 2310.01889) on local shapes. A member of the ring
// keeps its rows. In turn k it holds the keys and values of the member k before
// it, got from its neighbour, and attends to them; `blocks` in the positions of
// the keys says whose they are. Turns are merged by their log-sum-exps: with
// running maximum m, sum l and output o, a turn with output x and lse e gives
//   m' = max(m, e), l' = l exp(m - m') + exp(e - m'), o' = o exp(m - m') + x exp(e - m').
// A turn whose keys are all masked has x = 0 and an e so low that exp(e - m')
// is 0: it leaves m, l and o as they are. A mask of valid keys goes round beside
// its keys.
//
// Backward keys and values go round again. The gradient of a foreign part starts
// at its first user, travels behind the part and takes one more hop, home; that
// of the own part waits there.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/TensorBuilder.h"
#include "colo/Dialect/Dist/Passes.h"

namespace colo::dist {
#define GEN_PASS_DEF_EXPANDRINGPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

/// The dim of attention's positions that is the keys.
static constexpr unsigned kKeys = 3;

/// The axes over which the keys of an attention are cut: its ring.
static ArrayAttr ringAxes(ArrayAttr positions) {
  return positions ? cast<DictionaryAttr>(positions[kKeys]).getAs<ArrayAttr>("axes") : ArrayAttr();
}

namespace {
class RingExpansion {
public:
  RingExpansion(Operation *op, ArrayAttr positions, const Mesh &mesh)
      : builder(op), loc(op->getLoc()), b(builder, loc), mesh(mesh), positions(positions), axes(ringAxes(positions)) {
    for (auto axis : axes.getAsRange<StringAttr>())
      members *= mesh.sizes[*mesh.find(axis)];
    for (int64_t i = 0; i < members; ++i)
      sources.push_back((i + members - 1) % members);
  }

  SmallVector<Value> expand(AttentionOp op) {
    Value result = op.getResult(), lse = op.getLse();
    Value maximum, sum, output, pair = join(op.getKey(), op.getValue()), mask = op.getMask();
    for (int64_t turn = 0; turn < members; ++turn) {
      pair = turn ? pass(pair) : pair;
      mask = turn && mask ? pass(mask) : mask;
      auto [key, value] = turn ? split(pair) : std::pair<Value, Value>(op.getKey(), op.getValue());
      auto block = builder.create<AttentionOp>(loc, result.getType(), lse.getType(), op.getQuery(), key, value, mask,
                                               op.getScaleAttr(), op.getCausalAttr(), op.getDropoutAttr(),
                                               op.getIdAttr(), positionsIn(turn));
      if (!turn) {
        maximum = block.getLse();
        sum = b.constant(maximum, 1.0);
        output = block.getResult();
        continue;
      }
      Value larger = builder.create<MaximumOp>(loc, maximum.getType(), maximum, block.getLse());
      Value kept = b.exp(b.sub(maximum, larger)), added = b.exp(b.sub(block.getLse(), larger));
      maximum = larger;
      sum = b.add(b.mul(sum, kept), added);
      output = b.add(b.mul(output, perElement(kept, output)), b.mul(block.getResult(), perElement(added, output)));
    }
    return {b.div(output, perElement(sum, output)), b.add(maximum, b.log(sum))};
  }

  SmallVector<Value> expand(AttentionGradOp op) {
    Value dquery, own, foreign, pair = join(op.getKey(), op.getValue()), mask = op.getMask();
    for (int64_t turn = 0; turn < members; ++turn) {
      pair = turn ? pass(pair) : pair;
      mask = turn && mask ? pass(mask) : mask;
      auto [key, value] = turn ? split(pair) : std::pair<Value, Value>(op.getKey(), op.getValue());
      SmallVector<Value> operands{op.getQuery(), key, value, op.getOutput(), op.getLse(), op.getGradient()};
      if (mask)
        operands.push_back(mask);
      auto block = builder.create<AttentionGradOp>(loc, op.getResultTypes(), operands, op->getAttrs());
      block.setPositionsAttr(positionsIn(turn));
      dquery = turn ? b.add(dquery, block.getDquery()) : block.getDquery();
      Value gradients = join(block.getDkey(), block.getDvalue());
      if (turn == 0)
        own = gradients;
      else
        foreign = turn == 1 ? gradients : b.add(pass(foreign), gradients);
    }
    auto [dkey, dvalue] = split(b.add(own, pass(foreign)));
    return {dquery, dkey, dvalue};
  }

private:
  /// Key and value, or their gradients, travel as one message.
  Value join(Value key, Value value) {
    SmallVector<int64_t> one{1}, two{2};
    llvm::append_range(one, TensorBuilder::shapeOf(key));
    llvm::append_range(two, TensorBuilder::shapeOf(key));
    return builder.create<ConcatOp>(loc, withShape(key.getType(), two),
                                    ValueRange{b.reshape(key, one), b.reshape(value, one)},
                                    builder.getI64IntegerAttr(0));
  }
  std::pair<Value, Value> split(Value pair) {
    SmallVector<int64_t> shape(TensorBuilder::shapeOf(pair)), offsets(shape.size()), strides(shape.size(), 1);
    auto part = [&](int64_t index) {
      shape[0] = 1;
      offsets[0] = index;
      Value slice = builder.create<SliceOp>(loc, withShape(pair.getType(), shape), pair, offsets, strides);
      return b.reshape(slice, ArrayRef(shape).drop_front());
    };
    Value key = part(0), value = part(1);
    return {key, value};
  }

  /// Every member sends to the next.
  Value pass(Value part) { return builder.create<PermuteOp>(loc, part.getType(), part, sources, mesh.symbol, axes); }

  /// The positions in which the keys are those of the member `turn` before.
  ArrayAttr positionsIn(int64_t turn) {
    SmallVector<int64_t> blocks;
    for (int64_t i = 0; i < members; ++i)
      blocks.push_back((i + members - turn) % members);
    SmallVector<Attribute> dims(positions.getValue());
    NamedAttrList keys(cast<DictionaryAttr>(dims[kKeys]));
    keys.set("blocks", builder.getDenseI64ArrayAttr(blocks));
    dims[kKeys] = keys.getDictionary(builder.getContext());
    return builder.getArrayAttr(dims);
  }

  /// A value a row [b,a,s] beside each element of an output [b,s,a,D].
  Value perElement(Value row, Value output) {
    return b.broadcastTrailing(b.transpose(row, {0, 2, 1}), TensorBuilder::shapeOf(output));
  }

  OpBuilder builder;
  Location loc;
  TensorBuilder b;
  const Mesh &mesh;
  ArrayAttr positions, axes;
  int64_t members = 1;
  SmallVector<int64_t> sources;
};

struct ExpandRingPass : public dist::impl::ExpandRingPassBase<ExpandRingPass> {
  void runOnOperation() override {
    std::optional<Mesh> mesh = findMesh(getOperation());
    if (!mesh)
      return;
    SmallVector<Operation *> rings;
    getOperation().walk([&](Operation *op) {
      if (!isa<AttentionOp, AttentionGradOp>(op))
        return;
      if (ArrayAttr axes = ringAxes(op->getAttrOfType<ArrayAttr>("positions")); axes && !axes.empty())
        rings.push_back(op);
    });
    for (Operation *op : rings) {
      RingExpansion expansion(op, op->getAttrOfType<ArrayAttr>("positions"), *mesh);
      auto forward = dyn_cast<AttentionOp>(op);
      op->replaceAllUsesWith(forward ? expansion.expand(forward) : expansion.expand(cast<AttentionGradOp>(op)));
      op->erase();
    }
  }
};
} // namespace
