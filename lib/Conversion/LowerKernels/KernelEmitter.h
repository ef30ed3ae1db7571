//===- KernelEmitter.h - emits the loops of one kernel -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERKERNELS_KERNELEMITTER_H
#define COLO_LIB_CONVERSION_LOWERKERNELS_KERNELEMITTER_H

#include "EmitBody.h"
#include "Nest.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace colo {

/// Memory of a tensor argument or result; no type for scalars.
struct Place {
  mlir::MemRefType type;
  llvm::SmallVector<int64_t> strides;
  mlir::Value memory;
  bool accumulate = false;
};

class KernelEmitter {
public:
  explicit KernelEmitter(mlir::func::FuncOp kernel) : kernel(kernel), builder(kernel.getContext()) {}

  /// Replaces the kernel by its loops. Errors are reported at the kernel or the op.
  mlir::LogicalResult run();

private:
  mlir::LogicalResult readSignature();
  void createFunction();
  mlir::LogicalResult collect();
  llvm::SmallVector<llvm::SmallVector<int64_t>> resultStrides(mlir::linalg::GenericOp op);

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

  // Rows.
  void placeResults(mlir::linalg::GenericOp op, const Nest &nest);
  void emitRowNest(const Nest &nest, Point point);
  llvm::SmallVector<mlir::Value> emitLoops(const Nest &nest, size_t depth, Point &point,
                                           llvm::ArrayRef<mlir::Value> accumulators);
  /// Makes the random words of elements [lower, lower + count) of the innermost loop.
  void prepareWords(const Nest &nest, const Loop &loop, mlir::Value lower, int64_t count, Point point);
  bool isRowScalar(const Nest &nest, unsigned result);
  bool isReadLater(mlir::Value result);

  /// for %i = 0 to size: body(%i); null for size 1. Restores the insertion point.
  void forLoop(mlir::Value lower, mlir::Value upper, llvm::function_ref<void(mlir::Value)> body);
  void parallelLoop(llvm::function_ref<void(mlir::Value)> body) { forLoop(begin, end, body); }
  /// Splits `number` into digits of the given sizes, major to minor.
  llvm::SmallVector<mlir::Value> digits(mlir::Value number, llvm::ArrayRef<int64_t> sizes);
  /// Elements [lower, lower + count) of blocks of `block` in `size`.
  mlir::Value blockEnd(mlir::Value lower, int64_t block, int64_t size);
  mlir::Value stackBuffer(int64_t size, mlir::Type type);
  mlir::Value constant(int64_t value);
  void store(mlir::Value value, const Place &place, mlir::AffineMap map, const Point &point);
  Place &placeOf(unsigned result) { return results[result]; }
  mlir::Value initOf(mlir::linalg::GenericOp op, unsigned result);

  mlir::func::FuncOp kernel, lowered;
  mlir::OpBuilder builder;
  std::vector<Place> arguments, results;
  StorageMap storage;
  mlir::IRMapping mapping;
  WordRows words;
  llvm::SmallVector<mlir::linalg::GenericOp> generics;
  rt::ScatterAddOp scatter;
  llvm::DenseMap<mlir::Value, unsigned> returned;
  mlir::Value begin, end;
  size_t rows = 0;
  int64_t extent = 1, work = 0;
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERKERNELS_KERNELEMITTER_H
