//===- GpuTiles.h - products of tiles in shared memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What one block of attention does with tiles: rows of `size` elements, some of
// which stay for the whole kernel, the block's *own*, while the *other* ones come
// tile after tile. A thread holds `ownPer` x `otherPer` scores and, of what is
// summed over the others, `ownPer` rows of which it has groups of neighbours.
// Memory holds elements of type `stored`, sums are of type `computed`.
//
// TileEmitter multiplies by FMAs. Scores of a thread are neighbours, of its sums
// it has every `otherThreads`-th group of 16 bytes. Row i of a tile lies at
// (i / per) + threads * (i % per): threads next to each other then read rows next
// to each other, whose strides are 16 bytes longer than the rows, so that no two
// meet in a bank. GpuMmaTiles.h does the same by tensor cores.
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

/// What a kernel keeps: tiles of own rows beside two of others, tiles of sums, and of scores at the same time.
struct TileNeed {
  mlir::Type stored;
  int64_t size, ownLength, otherLength;
  int64_t ownTiles, sums, scores;
  bool draws;           ///< random numbers
  int64_t reserved = 0; ///< bytes of shared memory for something else
};

class TileEmitter {
public:
  TileEmitter(mlir::OpBuilder &builder, GpuFunction &gpu, mlir::Location loc, mlir::Type stored, int64_t size,
              TileShape shape);
  virtual ~TileEmitter() = default;

  /// The body for a need, of the largest shape whose tiles a block's shared memory holds. `allows` may rule out others
  /// than the smallest of those that have no use for tensor cores.
  static std::unique_ptr<TileEmitter> create(mlir::OpBuilder &builder, GpuFunction &gpu, mlir::Location loc,
                                             const TileNeed &need, llvm::function_ref<bool(const TileShape &)> allows);
  static mlir::Type computedType(mlir::Type stored);

  /// A new tile of rows of either side, and one of scores.
  Tile rowsTile(int64_t rows);
  virtual Tile scoresTile();

  /// Rows from `first` on; 0 for what is not there. Threads must wait before they read them.
  void fill(const Tile &tile, const TileSource &source, mlir::Value first, bool isOwn);
  /// The thread's scores, row by row: sums over `size` of own * other.
  virtual llvm::SmallVector<mlir::Value> scores(const Tile &own, const Tile &other);
  /// Makes scores a factor: in the tile, which threads must wait for, or in the registers that it returns.
  virtual llvm::SmallVector<mlir::Value> putScores(const Tile &tile, llvm::ArrayRef<mlir::Value> values);
  virtual bool sharesScores() const { return true; }
  /// sums + scores * other, `sums` as `zeroSums` makes them.
  virtual llvm::SmallVector<mlir::Value> addProduct(const Tile &scores, llvm::ArrayRef<mlir::Value> inRegisters,
                                                    const Tile &other, llvm::ArrayRef<mlir::Value> sums);
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

  /// Rows of the thread's scores and their columns, behind the tile's first; `ownRun` and `otherRun` of them at a time
  /// are neighbours.
  virtual llvm::SmallVector<mlir::Value> ownIndices(mlir::Value first);
  virtual llvm::SmallVector<mlir::Value> otherIndices(mlir::Value first);
  virtual int64_t ownRun() const { return shape.ownPer; }
  virtual int64_t otherRun() const { return shape.otherPer; }

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
  /// The thread, as `fill` is to know it.
  mlir::Value fillThread;

protected:
  /// Neighbours of a group of sums, what all threads hold of groups of one number, the groups of a thread and the first
  /// element of one.
  virtual int64_t sumWidth() const { return width; }
  virtual int64_t sumSpan() const { return width * shape.otherThreads; }
  int64_t sumGroups() const { return (groups * width + sumSpan() - 1) / sumSpan(); }
  virtual mlir::Value sumStart(int64_t group);
  /// Where a row of a tile lies.
  virtual mlir::Value placeOfRow(mlir::Value row, bool isOwn);

  mlir::OpBuilder &builder;
  GpuFunction &gpu;
  mlir::Location loc;
  mlir::Type stored, computed;
  /// Elements of a row and of 16 bytes; groups of 16 bytes that a row has in shared memory, and its stride.
  int64_t size, width, groups, stride;
  TileShape shape;

private:
  llvm::SmallVector<mlir::Value> indices(mlir::Value first, mlir::Value thread, int64_t per);
  /// Group number `number` of this thread of a tile of `rows`: its row and group.
  std::pair<mlir::Value, mlir::Value> placeOf(mlir::Value number);
  llvm::SmallVector<mlir::Value> read(const TileSource &source, mlir::Value base, mlir::Value first, mlir::Value row,
                                      mlir::Value group, bool isWhole);
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUTILES_H
