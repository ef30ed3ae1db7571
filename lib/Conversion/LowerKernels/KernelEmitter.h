//===- KernelEmitter.h - emits the loops of one kernel -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERKERNELS_KERNELEMITTER_H
#define COLO_LIB_CONVERSION_LOWERKERNELS_KERNELEMITTER_H

#include "KernelBase.h"

namespace colo {

class KernelEmitter : KernelBase {
public:
  explicit KernelEmitter(mlir::func::FuncOp kernel) : KernelBase(kernel) {}

  /// Replaces the kernel by its loops. Errors are reported at the kernel or the op.
  mlir::LogicalResult run();

private:
  void createFunction();

  void emitNests();
  void emitRows();
  void emitFlat(const Nest &nest);
  void emitColumns(const Nest &nest);
  void emitScatter();

  // Scatter.
  /// Calls a body with the place of each feature that the unit of work has in a row of the table.
  using FeatureLoop = llvm::function_ref<void(mlir::Value, llvm::function_ref<void(const Point &)>)>;
  void clearTable(FeatureLoop eachFeature);
  void addToken(const Point &token, FeatureLoop eachFeature);
  mlir::Value addressIn(llvm::ArrayRef<int64_t> strides, const Point &point);

  // Columns.
  struct Columns;
  void emitUnits(const Columns &units, mlir::Value unit);
  /// Adds to the sums of `width` columns from `lower` on, in the loops that are reduced from `depth` on.
  void reduceUnits(const Columns &units, size_t depth, mlir::Value lower, mlir::Value width, Point &point);

  // Rows.
  void placeResults(mlir::linalg::GenericOp op, const Nest &nest);
  void emitRowNest(const Nest &nest, Point point);
  llvm::SmallVector<mlir::Value> emitLoops(const Nest &nest, size_t depth, Point &point,
                                           llvm::ArrayRef<mlir::Value> accumulators);
  /// Makes the random words of elements [lower, lower + count) of the innermost loop.
  void prepareWords(const Nest &nest, const Loop &loop, mlir::Value lower, int64_t count, Point point);

  void parallelLoop(llvm::function_ref<void(mlir::Value)> body) { forLoop(begin, end, body); }
  /// Elements [lower, lower + count) of blocks of `block` in `size`.
  mlir::Value blockEnd(mlir::Value lower, int64_t block, int64_t size);
  mlir::Value stackBuffer(int64_t size, mlir::Type type);

  mlir::func::FuncOp lowered;
  mlir::Value begin, end;
  int64_t extent = 1, work = 0;
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERKERNELS_KERNELEMITTER_H
