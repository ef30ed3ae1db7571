//===- GpuMmaTiles.h - products of tiles by tensor cores -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tiles of 16-bit elements, multiplied by `mma.sync` m16n8k16 with f32 sums. A
// warp has 16 own rows or a multiple, all columns of their scores, and all of
// their sums, so what threads must tell each other of a row they tell by shuffles
// of four lanes, and scores become a factor without leaving their registers:
//
//   lane 4 g + t       register: rows           columns
//   sums  C  16 x 8    0, 1: g   2, 3: g + 8    2 t, 2 t + 1
//   left  A  16 x 16   0, 2: g   1, 3: g + 8    0, 1: 2 t, 2 t + 1   2, 3: 2 t + 8, 2 t + 9
//   right B  16 x 8    0: 2 t, 2 t + 1   1: 2 t + 8, 2 t + 9         g
//
// A register of A or B holds two elements, the first in its lower half. So a C of
// 16 columns is an A once its numbers are rounded. `ldmatrix` brings A, and B of a
// tile whose rows are B's columns; transposing, B of a tile whose rows are B's.
// It reads rows of 16 bytes, eight at a time, which lie in different banks because
// rows of a tile are an odd number of 16 bytes apart.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUMMATILES_H
#define COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUMMATILES_H

#include "GpuTiles.h"

namespace colo {

class MmaTiles : public TileEmitter {
public:
  MmaTiles(mlir::OpBuilder &builder, GpuFunction &gpu, mlir::Location loc, mlir::Type stored, int64_t size,
           TileShape shape);

  /// Whether a block finds rows or elements of rows that are not there.
  static bool isPartial(const TileNeed &need, const TileShape &shape);
  /// None for elements of more than 16 bits, and for what neither shared memory nor registers hold.
  static std::optional<TileShape> choose(const TileNeed &need);

  Tile scoresTile() override { return {}; }
  llvm::SmallVector<mlir::Value> scores(const Tile &own, const Tile &other) override;
  llvm::SmallVector<mlir::Value> putScores(const Tile &tile, llvm::ArrayRef<mlir::Value> values) override;
  bool sharesScores() const override { return false; }
  llvm::SmallVector<mlir::Value> addProduct(const Tile &scores, llvm::ArrayRef<mlir::Value> inRegisters,
                                            const Tile &other, llvm::ArrayRef<mlir::Value> sums) override;

  llvm::SmallVector<mlir::Value> ownIndices(mlir::Value first) override;
  llvm::SmallVector<mlir::Value> otherIndices(mlir::Value first) override;
  int64_t ownRun() const override { return 1; }
  int64_t otherRun() const override { return 2; }

protected:
  int64_t sumWidth() const override { return 2; }
  int64_t sumSpan() const override { return 8; }
  mlir::Value sumStart(int64_t group) override;
  mlir::Value placeOfRow(mlir::Value row, bool isOwn) override { return row; }

private:
  /// Four matrices of 8 x 8 elements, `offset` elements behind the lane's place.
  std::array<mlir::Value, 4> loadMatrices(const Tile &tile, mlir::Value place, int64_t offset, bool isTransposed);
  /// Two rows and two columns of `totals`, of rows of `perRow`, from `at` on += left * right.
  void multiply(llvm::ArrayRef<mlir::Value> left, llvm::ArrayRef<mlir::Value> right,
                llvm::MutableArrayRef<mlir::Value> totals, size_t perRow, size_t at);
  mlir::Value divide(mlir::Value a, int64_t b) { return builder.create<mlir::arith::DivUIOp>(loc, a, constant(b)); }
  mlir::Value rest(mlir::Value a, int64_t b) { return builder.create<mlir::arith::RemUIOp>(loc, a, constant(b)); }
  /// Two numbers, rounded, in one register.
  mlir::Value factorOf(mlir::Value low, mlir::Value high);

  mlir::Value ownPlace, rowsPlace, columnsPlace; ///< of the lane: for A, for B transposing, for B
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUMMATILES_H
