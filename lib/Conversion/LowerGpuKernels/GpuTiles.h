//===- GpuTiles.h - products of tiles in shared memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What one block of attention does with tiles: rows of `size` elements, some of
// which stay for the whole kernel, the block's *own*, while the *other* ones come
// tile after tile. A thread holds `ownPer` x `otherPer` neighbouring scores and,
// of what is summed over the others, `ownPer` rows of which it has every
// `otherThreads`-th group of 16 bytes.
//
// Row i of a tile lies at (i / per) + threads * (i % per): threads next to each
// other then read rows next to each other, whose strides are 16 bytes longer
// than the rows, so that no two meet in a bank.
//
// Memory holds elements of type `stored`, sums are of type `computed`.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUTILES_H
#define COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUTILES_H

#include "GpuKernelEmitter.h"

namespace colo {

/// Which rows of a tile and which columns are whose.
struct TileShape {
  int64_t ownThreads, otherThreads, ownPer, otherPer;
  bool oneBuffer = false; ///< both tiles of the other side have one place, in turn

  int64_t own() const { return ownThreads * ownPer; }
  int64_t other() const { return otherThreads * otherPer; }
  int64_t threads() const { return ownThreads * otherThreads; }
};

/// A tensor [b, length, heads, size] in flat memory, and one head of one sample of it.
struct TileSource {
  const Storage *storage;
  mlir::Value batch, head;
  int64_t length;
};

struct Tile {
  mlir::Value memory;
  int64_t stride = 0;
};

class TileEmitter {
public:
  TileEmitter(mlir::OpBuilder &builder, GpuFunction &gpu, mlir::Location loc, mlir::Type stored, int64_t size,
              TileShape shape);

  /// The largest shape for `ownTiles` tiles of own rows and two of others whose tiles a block's shared memory holds.
  /// `allows` may rule out others than the smallest.
  static TileShape choose(mlir::Type stored, int64_t size, int64_t ownTiles, int64_t ownLength, int64_t otherLength,
                          llvm::function_ref<bool(const TileShape &)> allows);
  static mlir::Type computedType(mlir::Type stored);

  /// A new tile of rows of either side, and one of scores.
  Tile rowsTile(int64_t rows);
  Tile scoresTile();

  /// Rows from `first` on; 0 for what is not there. Threads must wait before they read them.
  void fill(const Tile &tile, const TileSource &source, mlir::Value first, bool isOwn);
  /// The thread's scores, row by row: sums over `size` of own * other.
  llvm::SmallVector<mlir::Value> scores(const Tile &own, const Tile &other);
  void putScores(const Tile &tile, llvm::ArrayRef<mlir::Value> values);
  /// sums + scores * other, `sums` as `zeroSums` makes them.
  llvm::SmallVector<mlir::Value> addProduct(const Tile &scores, const Tile &other, llvm::ArrayRef<mlir::Value> sums);
  llvm::SmallVector<mlir::Value> zeroSums();
  /// The thread's part of own rows from `first` on of a tensor [b, length, heads, size], as sums; something for what is
  /// not there.
  llvm::SmallVector<mlir::Value> getSums(const Storage &place, mlir::Value batch, mlir::Value head, mlir::Value first,
                                         int64_t length);
  /// Writes the thread's part of own rows from `first` on.
  void putSums(llvm::ArrayRef<mlir::Value> sums, const KernelPlace &place, mlir::Value batch, mlir::Value head,
               mlir::Value first, int64_t length);

  /// The value, combined over the threads that share own rows.
  mlir::Value overOthers(mlir::Value value, llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);

  /// Places of the thread's rows in a tile, neighbours in memory.
  llvm::SmallVector<mlir::Value> ownIndices(mlir::Value first) { return indices(first, ownThread, shape.ownPer); }
  llvm::SmallVector<mlir::Value> otherIndices(mlir::Value first) { return indices(first, otherThread, shape.otherPer); }

  // Numbers.
  mlir::Value constant(int64_t value) { return gpu.constant(value); }
  mlir::Value sum(mlir::Value a, mlir::Value b) { return builder.create<mlir::arith::AddIOp>(loc, a, b); }
  mlir::Value times(mlir::Value a, int64_t b);
  mlir::Value number(double value);
  mlir::Value add(mlir::Value a, mlir::Value b) {
    return builder.create<mlir::arith::AddFOp>(loc, a, b, kKernelFastMath);
  }
  mlir::Value subtract(mlir::Value a, mlir::Value b) {
    return builder.create<mlir::arith::SubFOp>(loc, a, b, kKernelFastMath);
  }
  mlir::Value multiply(mlir::Value a, mlir::Value b) {
    return builder.create<mlir::arith::MulFOp>(loc, a, b, kKernelFastMath);
  }
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value b) {
    return builder.create<mlir::arith::SelectOp>(loc, condition, a, b);
  }
  mlir::Value load(mlir::Value memory, mlir::Value address);
  void store(mlir::Value value, mlir::Value memory, mlir::Value address);

  using Step = llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, llvm::ArrayRef<mlir::Value>)>;
  /// for i < count: carried = step(i, carried)
  llvm::SmallVector<mlir::Value> loop(mlir::Value count, llvm::ArrayRef<mlir::Value> carried, Step step);

  const TileShape &getShape() const { return shape; }
  mlir::Value ownThread, otherThread;

private:
  llvm::SmallVector<mlir::Value> indices(mlir::Value first, mlir::Value thread, int64_t per);
  /// 16-byte groups of a row that hold elements, and those of one thread's sums.
  int64_t groups() const { return (size + width - 1) / width; }
  int64_t groupsOfThread() const { return (groups() + shape.otherThreads - 1) / shape.otherThreads; }
  /// Group number `number` of this thread of a tile of `rows`: its row and group.
  std::pair<mlir::Value, mlir::Value> placeOf(mlir::Value number);
  llvm::SmallVector<mlir::Value> read(const TileSource &source, mlir::Value base, mlir::Value first, mlir::Value row,
                                      mlir::Value group, bool isWhole);

  mlir::OpBuilder &builder;
  GpuFunction &gpu;
  mlir::Location loc;
  mlir::Type stored, computed;
  int64_t size, width;
  TileShape shape;
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUTILES_H
