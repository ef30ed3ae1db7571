//===- BlockAttention.cpp - attention by blocks of rows ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Scores are [b,a,s,t]: as large as everything else together once s and t are a
// few hundred, and growing with their product. Rows need nothing of each other,
// so attention of many rows is a loop over blocks of them, and what is alive at
// once is [b,a,R,t] with R fixed. Samples need nothing of each other either: a
// loop over few of them keeps what is alive at once in a core's cache between
// one product and the next. Over rows, forward each round gives its part of the
// output; backward its part of the query's gradient, and the products that make
// those of key and value add to them in place, for which the op is decomposed
// here.
//
// Where no block of useful size divides the rows, zeros follow them. Such a row
// gives something that nobody reads, and its gradient, zero, adds zero to those
// of keys and values.
//
//===----------------------------------------------------------------------===//

#include "Blocks.h"
#include "colo/Dialect/Colo/TensorBuilder.h"
#include "colo/Dialect/Colo/WholeHeads.h"
#include "colo/Dialect/Dist/Passes.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

namespace colo::dist {
#define GEN_PASS_DEF_BLOCKATTENTIONPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

/// The dim of samples in all operands and in scores; that of rows in q, k, v, in statistics, and in scores.
static constexpr int64_t kSamplesDim = 0, kSequenceDim = 1, kStatisticsDim = 2, kScoreRowsDim = 2;

/// Blocks with fewer rows are not worth a round: rather a few rows more.
static constexpr int64_t kFewestRows = 16;

namespace {
/// Blocks of equal size along a dim; the last may have elements that are not there.
struct Blocks {
  int64_t all, size, count;

  /// The largest size up to `limit` that divides all.
  static Blocks thatDivide(int64_t all, int64_t limit) {
    int64_t size = std::min(all, limit);
    while (all % size != 0)
      --size;
    return {all, size, all / size};
  }
  /// Rows: where no size worth a round divides them, as many blocks as the limit asks for, with the fewest rows too
  /// many.
  static Blocks ofRows(int64_t all, int64_t limit) {
    Blocks even = thatDivide(all, limit);
    if (even.size >= std::min(all, kFewestRows))
      return even;
    int64_t count = llvm::divideCeil(all, limit);
    return {all, static_cast<int64_t>(llvm::divideCeil(all, count)), count};
  }
  int64_t padded() const { return size * count; }
};

/// What the loops of the two ops have in common: `blocks` rounds of `size` along `scoresDim` of the scores.
class BlockLoop {
public:
  BlockLoop(Operation *op, int64_t scoresDim, Blocks blocks)
      : op(op), builder(op), scoresDim(scoresDim), blocks(blocks) {}

  /// `assembled`: results that have all rows, along `dims`.
  LoopOp create(ValueRange carried, ValueRange assembled, ArrayRef<int64_t> dims) {
    read.insert(op->operand_begin(), op->operand_end());
    SmallVector<Type> types;
    for (auto [value, dim] : llvm::zip(assembled, dims))
      types.push_back(withSize(value, dim, blocks.padded()));
    loop = builder.create<LoopOp>(op->getLoc(), blocks.count, carried, read.getArrayRef(), types, dims);
    builder.setInsertionPointToEnd(&loop.block());
    return loop;
  }

  /// Zeros after the rows of an operand, before the loop is created.
  void pad(OpOperand &operand, int64_t dim) {
    Value value = operand.get();
    if (blocks.padded() == blocks.all || !value)
      return;
    SmallVector<int64_t> zeros(TensorBuilder::shapeOf(value).size(), 0), ones(zeros.size(), 1);
    operand.set(builder.create<PadOp>(op->getLoc(), withSize(value, dim, blocks.padded()), value, zeros, ones));
  }

  /// The rows that are there of an assembled result.
  Value trim(Value value, int64_t dim) {
    builder.setInsertionPoint(op);
    return sliceDim(builder, value, dim, 0, blocks.all);
  }

  /// The body's name for an operand of the op.
  Value inside(Value operand) {
    if (!operand)
      return operand;
    auto it = llvm::find(read, operand);
    return loop.invariantArguments()[static_cast<size_t>(it - read.begin())];
  }

  /// The round's block of an operand.
  Value block(Value operand, int64_t dim) {
    if (!operand)
      return operand;
    return builder.create<PartOp>(op->getLoc(), ofRound(operand, dim), inside(operand), loop.round(), dim, 0);
  }

  /// Positions of scores of the block. Rounds of loops around are one level further out than before.
  ArrayAttr positions(ArrayAttr all, ArrayRef<int64_t> sizes) {
    SmallVector<Attribute> dims;
    for (auto [dim, size] : llvm::enumerate(sizes)) {
      NamedAttrList entry;
      if (all)
        entry = deeper(cast<DictionaryAttr>(all[dim]));
      else
        for (StringRef name : {position::kGlobal, position::kPadded})
          entry.set(name, builder.getI64IntegerAttr(static_cast<int64_t>(dim) == scoresDim ? blocks.all : size));
      if (!all)
        entry.set(position::kAxes, builder.getArrayAttr({}));
      if (static_cast<int64_t>(dim) == scoresDim)
        entry.set(position::kPart, builder.getDictionaryAttr(
                                       {builder.getNamedAttr(position::kLoop, builder.getI64IntegerAttr(0)),
                                        builder.getNamedAttr(position::kOf, builder.getI64IntegerAttr(blocks.all))}));
      dims.push_back(entry.getDictionary(builder.getContext()));
    }
    return builder.getArrayAttr(dims);
  }

  OpBuilder &getBuilder() { return builder; }
  /// The type of a round's block of a value.
  RankedTensorType ofRound(Value value, int64_t dim) const { return withSize(value, dim, blocks.size); }

private:
  static RankedTensorType withSize(Value value, int64_t dim, int64_t size) {
    SmallVector<int64_t> shape(TensorBuilder::shapeOf(value));
    shape[dim] = size;
    return cast<RankedTensorType>(withShape(value.getType(), shape));
  }

  NamedAttrList deeper(DictionaryAttr entry) {
    NamedAttrList result(entry);
    for (NamedAttribute named : entry)
      if (auto nested = dyn_cast<DictionaryAttr>(named.getValue()))
        if (auto level = nested.getAs<IntegerAttr>(position::kLoop)) {
          NamedAttrList moved(nested);
          moved.set(position::kLoop, builder.getI64IntegerAttr(level.getInt() + 1));
          result.set(named.getName(), moved.getDictionary(builder.getContext()));
        }
    return result;
  }

  Operation *op;
  OpBuilder builder;
  int64_t scoresDim;
  Blocks blocks;
  llvm::SetVector<Value> read; ///< the op's operands
  LoopOp loop;
};

/// Sizes of the scores [b,a,s,t].
template <typename Op> SmallVector<int64_t> scoreSizes(Op op) {
  ArrayRef<int64_t> query = TensorBuilder::shapeOf(op.getQuery());
  return {query[0], query[2], query[1], TensorBuilder::shapeOf(op.getKey())[1]};
}

/// Samples need nothing of each other: rounds give their parts of every result.
template <typename Op> SmallVector<Value> overSamples(Op op, BlockLoop samples) {
  SmallVector<int64_t> dims(op->getNumResults(), kSamplesDim);
  LoopOp loop = samples.create({}, op->getResults(), dims);
  OpBuilder &builder = samples.getBuilder();
  IRMapping map;
  for (Value operand : op->getOperands())
    if (!map.contains(operand))
      map.map(operand, samples.block(operand, kSamplesDim));
  auto part = cast<Op>(builder.clone(*op, map));
  part.setPositionsAttr(samples.positions(op.getPositionsAttr(), scoreSizes(op)));
  for (Value result : part->getResults())
    result.setType(samples.ofRound(result, kSamplesDim));
  builder.create<YieldOp>(op.getLoc(), part->getResults());
  return loop.getResults();
}

SmallVector<Value> expand(AttentionOp op, BlockLoop rows) {
  rows.pad(op.getQueryMutable(), kSequenceDim);
  LoopOp loop = rows.create({}, op->getResults(), {kSequenceDim, kStatisticsDim});
  OpBuilder &builder = rows.getBuilder();
  Value query = rows.block(op.getQuery(), kSequenceDim);
  SmallVector<int64_t> sizes = scoreSizes(op), shape(TensorBuilder::shapeOf(query));
  auto block = builder.create<AttentionOp>(
      op.getLoc(), withShape(op.getResult().getType(), shape),
      withShape(op.getLse().getType(), {shape[0], shape[2], shape[1]}), query, rows.inside(op.getKey()),
      rows.inside(op.getValue()), rows.inside(op.getMask()), op.getScaleAttr(), op.getCausalAttr(), op.getDropoutAttr(),
      op.getIdAttr(), rows.positions(op.getPositionsAttr(), sizes));
  builder.create<YieldOp>(op.getLoc(), block->getResults());
  return {rows.trim(loop.getResult(0), kSequenceDim), rows.trim(loop.getResult(1), kStatisticsDim)};
}

/// The sum of `sum` and `value`, in place where a product makes the value.
Value addTo(OpBuilder &builder, Value sum, Value value) {
  auto product = value.getDefiningOp<EinsumOp>();
  if (!product || product.getInto() || !product->use_empty())
    return TensorBuilder(builder, value.getLoc()).add(sum, value);
  product.getIntoMutable().assign(sum);
  return value;
}

SmallVector<Value> expand(AttentionGradOp op, BlockLoop rows) {
  for (OpOperand *operand : {&op.getQueryMutable(), &op.getGradientMutable()})
    rows.pad(*operand, kSequenceDim);
  rows.pad(op.getLseMutable(), kStatisticsDim);
  for (OpOperand &delta : op.getDeltaMutable())
    rows.pad(delta, kStatisticsDim);
  TensorBuilder outside(rows.getBuilder(), op.getLoc());
  // Rounds add up as f32 what has 16 bits.
  auto wideType = [](Value sum) {
    return withShape(arithmeticType(getElementTypeOrSelf(sum)), TensorBuilder::shapeOf(sum));
  };
  Type dkeyType = wideType(op.getDkey()), dvalueType = wideType(op.getDvalue());
  Value starts[] = {outside.zeros(dkeyType), outside.zeros(dvalueType)};
  LoopOp loop = rows.create(starts, op.getDquery(), {kSequenceDim});
  OpBuilder &builder = rows.getBuilder();
  Value query = rows.block(op.getQuery(), kSequenceDim);
  auto block = builder.create<AttentionGradOp>(
      op.getLoc(), TypeRange{rows.ofRound(op.getDquery(), kSequenceDim), dkeyType, dvalueType}, query,
      rows.inside(op.getKey()), rows.inside(op.getValue()), rows.block(op.getLse(), kStatisticsDim),
      rows.block(op.getGradient(), kSequenceDim), rows.block(op.getDelta(), kStatisticsDim), rows.inside(op.getMask()),
      op.getScaleAttr(), op.getCausalAttr(), op.getDropoutAttr(), op.getIdAttr(),
      rows.positions(op.getPositionsAttr(), scoreSizes(op)));
  SmallVector<Value> made = block.decompose(builder);
  block.erase();
  Value dkey = addTo(builder, loop.carriedArguments()[0], made[1]);
  Value dvalue = addTo(builder, loop.carriedArguments()[1], made[2]);
  builder.create<YieldOp>(op.getLoc(), ValueRange{dkey, dvalue, made[0]});
  Value trimmed = rows.trim(loop.getResult(2), kSequenceDim);
  TensorBuilder after(rows.getBuilder(), op.getLoc());
  return {trimmed, after.convertLike(loop.getResult(0), op.getDkey()),
          after.convertLike(loop.getResult(1), op.getDvalue())};
}

struct BlockAttentionPass : public dist::impl::BlockAttentionPassBase<BlockAttentionPass> {
  using BlockAttentionPassBase::BlockAttentionPassBase;

  void runOnOperation() override {
    for (Operation *op : attentions())
      if (auto forward = dyn_cast<AttentionOp>(op))
        cutSamples(forward);
      else
        cutSamples(cast<AttentionGradOp>(op));
    for (Operation *op : attentions()) {
      Blocks blocks = Blocks::ofRows(TensorBuilder::shapeOf(op->getOperand(0))[kSequenceDim], rows);
      if (blocks.count == 1)
        continue;
      BlockLoop loop(op, kScoreRowsDim, blocks);
      if (auto forward = dyn_cast<AttentionOp>(op))
        op->replaceAllUsesWith(expand(forward, loop));
      else
        op->replaceAllUsesWith(expand(cast<AttentionGradOp>(op), loop));
      op->erase();
    }
  }

private:
  SmallVector<Operation *> attentions() {
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      bool isInPlace = llvm::any_of(op->getResults(), [](Value result) { return madeInPlaceOf(result) != Value(); });
      if (isa<AttentionOp, AttentionGradOp>(op) && !isInPlace && !holdsHeads(wholeHeadSize, op->getOperand(0)))
        ops.push_back(op);
    });
    return ops;
  }

  template <typename Op> void cutSamples(Op op) {
    if (scores == 0)
      return;
    SmallVector<int64_t> sizes = scoreSizes(op);
    int64_t sample = sizes[1] * std::min<int64_t>(sizes[2], rows) * sizes[3];
    Blocks blocks = Blocks::thatDivide(sizes[0], std::max<int64_t>(1, scores / sample));
    if (blocks.count == 1)
      return;
    op->replaceAllUsesWith(overSamples(op, BlockLoop(op, kSamplesDim, blocks)));
    op->erase();
  }
};
} // namespace
