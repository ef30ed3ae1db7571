//===- GpuAttention.h - attention without scores in memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// FlashAttention-2 (Dao, 2307.08691, algorithms 1 and 2), one head of one sample
// and one tile of *own* rows a block, which goes through the tiles of the others:
//
//   forward      own: queries  others: keys     m, l, o of a row, rescaled as its maximum m grows
//   dquery       own: queries  others: keys     dq += ds k
//   dkey_dvalue  own: keys     others: queries  dv += p' do, dk += ds q, over all heads that read the key head
//
// With `into` registers start with what was made of other keys or rows: m with its log-sum-exp, l with 1 and o with its
// output, which is already divided by its sum; gradients with their sums. So the output needs no state but log-sum-exp,
// which the backward reads in any case.
//
// With s = scale q k, p = exp(s - lse), p' = p after dropout, dp' = do v, dp the same
// after dropout, ds = scale p (dp - delta). Each sum belongs to one block and has
// one order, so scores are made three times, but nothing is added up between
// blocks. Dropout draws the numbers of the whole [b,a,s,t] wherever it is made.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUATTENTION_H
#define COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUATTENTION_H

#include "GpuMmaTiles.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace colo {

/// Where more sums than these, or on tensor cores heads larger than this, take more than a narrow thread's registers.
inline constexpr int64_t kMostNarrowSums = 100, kMostNarrowSize = 80;
/// Registers of a thread's scores beside which there are some for two calls of Philox a row.
inline constexpr int64_t kMostScoreRegisters = 8;
/// Rows of the others of which there may be one tile alone.
inline constexpr int64_t kFewOthers = 64;

class AttentionEmitter {
  using Values = llvm::SmallVector<mlir::Value>;

  enum Dim : unsigned { Batch, Head, Row, Key };

public:
  AttentionEmitter(mlir::OpBuilder &builder, GpuFunction &gpu, rt::AttentionOp op, const StorageMap &storage,
                   llvm::ArrayRef<KernelPlace> results, const mlir::IRMapping &mapping)
      : builder(builder), gpu(gpu), op(op), loc(op.getLoc()), storage(storage), results(results), mapping(mapping),
        query(shapeOf(op.getQuery())), key(shapeOf(op.getKey())), isForward(op.getPart() == rt::AttentionPart::Forward),
        ownIsRows(op.getPart() != rt::AttentionPart::DKeyDValue), ownLength(ownIsRows ? query[1] : key[1]),
        otherLength(ownIsRows ? key[1] : query[1]),
        body(TileEmitter::create(builder, gpu, loc, need(), [&](const TileShape &shape) { return canDraw(shape); })),
        tiles(*body) {}

  void emit();
  int64_t threads() const { return tiles.getShape().threads(); }
  /// Whether a thread takes more than kNarrowRegisters.
  bool isWide() {
    if (mlir::getElementTypeOrSelf(op.getQuery()).isF64() || !op.getRandom().empty())
      return true;
    int64_t sums = (ownIsRows ? 1 : 2) * static_cast<int64_t>(tiles.zeroSums().size());
    const TileShape &shape = tiles.getShape();
    bool isPartial = isUneven() || ownLength % shape.own() || otherLength % shape.other();
    return tiles.sharesScores() ? sums > kMostNarrowSums || isPartial
                                : query[3] > kMostNarrowSize || MmaTiles::isPartial(need(), tiles.getShape());
  }
  int64_t blocks() const { return query[0] * ownHeads() * ownTileCount(); }

private:
  static llvm::ArrayRef<int64_t> shapeOf(mlir::Value tensor) {
    return mlir::cast<mlir::RankedTensorType>(tensor.getType()).getShape();
  }
  /// Whether rows of scores start at multiples of four, so that four keys take one call of Philox; else they take two.
  bool isAligned() { return op.getRun() % 4 == 0 && op.getSizes()[Key] % 4 == 0; }
  /// Keys of this rank that follow each other wherever four, two or one begin.
  int64_t neighbours() {
    int64_t run = op.getRun();
    return run == key[1] || run % 4 == 0 ? 4 : run % 2 == 0 ? 2 : 1;
  }
  /// Whether a thread's keys follow each other, so that their random numbers are drawn together, and registers are left
  /// to draw them with.
  bool canDraw(const TileShape &shape) {
    mlir::Type computed = TileEmitter::computedType(mlir::getElementTypeOrSelf(op.getQuery()));
    int64_t registers = shape.ownPer * shape.otherPer * computed.getIntOrFloatBitWidth() / 32;
    return op.getRandom().empty() || ((ownIsRows ? shape.otherPer : shape.ownPer) <= neighbours() &&
                                      (isAligned() || registers <= kMostScoreRegisters));
  }
  TileNeed need() {
    int64_t ownTiles = isForward ? 1 : 2;
    return {mlir::getElementTypeOrSelf(op.getQuery()),
            query[3],
            ownLength,
            otherLength,
            ownTiles,
            ownIsRows ? 1 : 2,
            ownTiles,
            !op.getRandom().empty(),
            isScarce() ? kAccessBytes : 0};
  }
  /// Whether registers would not do if a thread held what is the same for all tiles: the keys of Philox and the places
  /// that it fills. LLVM makes those once, unless they are made of what has come from shared memory since.
  /// Of one tile alone LLVM would leave the sums to where they are written, and hold all that they are made of until
  /// then.
  bool isScarce() { return (!op.getRandom().empty() && !isAligned()) || isUneven() || otherLength <= kFewOthers; }
  /// Whether 16 bytes do not divide a head.
  bool isUneven() {
    return query[3] * mlir::getElementTypeOrSelf(op.getQuery()).getIntOrFloatBitWidth() % (8 * kAccessBytes) != 0;
  }
  int64_t ownHeads() const { return ownIsRows ? query[2] : key[2]; }
  int64_t ownTileCount() const { return llvm::divideCeil(ownLength, tiles.getShape().own()); }
  int64_t otherTileCount() const { return llvm::divideCeil(otherLength, tiles.getShape().other()); }

  void findBlock();
  void readOwn();
  /// Before a tile is filled: the seed and the number of the thread, again where registers are scarce.
  void knowAgain();
  Values start();
  Values turn(mlir::Value number, llvm::ArrayRef<mlir::Value> carried);
  Values forwardTile(llvm::ArrayRef<mlir::Value> before);
  Values gradientTile(llvm::ArrayRef<mlir::Value> before);
  void finishForward(llvm::ArrayRef<mlir::Value> carried);
  /// What one of the results is made into, or what there is before anything is added up.
  Values startOf(unsigned result);

  TileSource source(mlir::Value tensor, bool isRows) {
    return {&storage.find(tensor)->second, batch, isRows ? queryHead : keyHead, isRows ? query[1] : key[1]};
  }
  /// Makes sure that a tile of the others is in its place, where two share one; else only waits.
  void bring(unsigned which);
  Values scaledScores();
  mlir::Value exp(mlir::Value x) {
    return builder.create<mlir::math::ExpOp>(
        loc, x, mlir::arith::FastMathFlagsAttr::get(builder.getContext(), kKernelFastMath));
  }
  mlir::Value both(mlir::Value a, mlir::Value b) {
    return a && b ? builder.create<mlir::arith::AndIOp>(loc, a, b).getResult() : a ? a : b;
  }

  /// A position in a sequence, in the registers of a thread.
  mlir::Value narrow(mlir::Value position) {
    return builder.create<mlir::arith::TruncIOp>(loc, builder.getI32Type(), position);
  }
  /// The position of an index of a dim, i64.
  mlir::Value position(Dim dim, mlir::Value index);
  Values positions(Dim dim, llvm::ArrayRef<mlir::Value> indices);
  /// Whether positions of rows and keys matter.
  bool usesPositions() { return op.getCausal() || !op.getRandom().empty(); }
  /// Numbers of a row and head, one an index.
  Values statistics(mlir::Value tensor, llvm::ArrayRef<mlir::Value> rows);
  /// Of each key whether it may be read; empty where there is no mask.
  Values validKeys(llvm::ArrayRef<mlir::Value> keys);
  void readOther(mlir::Value number);
  /// For each of the thread's scores whether it counts; null where all do.
  Values allowed();
  /// For each of the thread's keys whether dropout keeps it in a row, own or other; empty without dropout.
  Values keptKeys(size_t row);
  Values words(mlir::Value row, llvm::ArrayRef<mlir::Value> keys);
  Values wordsOfNeighbours(mlir::Value row, llvm::ArrayRef<mlir::Value> keys);
  mlir::Value dropOut(mlir::Value x, llvm::ArrayRef<mlir::Value> keeps, size_t i);
  /// Whether any score of the tile of the others can count.
  mlir::Value mayCount(mlir::Value firstOther);

  mlir::OpBuilder &builder;
  GpuFunction &gpu;
  rt::AttentionOp op;
  mlir::Location loc;
  const StorageMap &storage;
  llvm::ArrayRef<KernelPlace> results;
  const mlir::IRMapping &mapping;
  llvm::ArrayRef<int64_t> query, key;
  bool isForward, ownIsRows;
  int64_t ownLength, otherLength;
  std::unique_ptr<TileEmitter> body;
  TileEmitter &tiles;

  Tile own[2], other[2], weights;
  mlir::Value zeroPlace; ///< in shared memory, where registers are scarce: 0
  mlir::Value seed;
  unsigned inPlace = 0; ///< of two tiles of others in one place, the one that is there
  mlir::Value batch, queryHead, keyHead, firstOwn, firstOther;
  // One an own row, one an other row of the tile at hand.
  Values ownPositions, otherPositions, ownLse, ownDelta, otherLse, otherDelta, ownValid, otherValid, otherIndex;
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUATTENTION_H
