//===- KernelBase.h - what lowerings of one kernel share -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads a kernel's signature and loop nests: where operands and results are in
// flat memory, which results later nests read, which are one number a row.
// KernelEmitter makes row loops of it, GpuKernelEmitter blocks of threads.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERKERNELS_KERNELBASE_H
#define COLO_LIB_CONVERSION_LOWERKERNELS_KERNELBASE_H

#include "EmitBody.h"
#include "Nest.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace colo {

/// Memory of a tensor argument or result of a kernel; no type for scalars.
struct KernelPlace {
  mlir::MemRefType type;
  llvm::SmallVector<int64_t> strides;
  mlir::Value memory;
  bool accumulate = false;
  /// Of an argument the result that is made in its place, whose memory it has.
  std::optional<size_t> result = std::nullopt;
};

/// Before the kernel, one of its name that takes flat memory and has no body.
mlir::func::FuncOp declareKernel(mlir::func::FuncOp kernel, llvm::ArrayRef<mlir::Type> types);

class KernelBase {
protected:
  explicit KernelBase(mlir::func::FuncOp kernel) : kernel(kernel), builder(kernel.getContext()) {}

  /// Errors are reported at the kernel or the op.
  mlir::LogicalResult readSignature();
  /// Types of arguments, then of destinations, of the lowered kernel.
  llvm::SmallVector<mlir::Type> flatTypes();
  /// Takes the arguments of a function with `flatTypes` for the kernel's.
  void bindArguments(mlir::Block &entry);
  mlir::LogicalResult collect();
  llvm::SmallVector<llvm::SmallVector<int64_t>> resultStrides(mlir::linalg::GenericOp op);

  bool isRowScalar(const Nest &nest, unsigned result);
  bool isReadLater(mlir::Value result);
  mlir::Value initOf(mlir::linalg::GenericOp op, unsigned result);

  /// for %i = lower to upper: body(%i). Restores the insertion point.
  void forLoop(mlir::Value lower, mlir::Value upper, llvm::function_ref<void(mlir::Value)> body, int64_t step = 1);
  /// Splits `number` into digits of the given sizes, major to minor.
  llvm::SmallVector<mlir::Value> digits(mlir::Value number, llvm::ArrayRef<int64_t> sizes);
  /// Indices of the loops of a nest in one row: `position` for the rows, of which one of size 1 needs no index.
  Point rowPoint(mlir::linalg::GenericOp op, llvm::ArrayRef<mlir::Value> position, llvm::ArrayRef<int64_t> sizes);
  mlir::Value constant(int64_t value);
  void store(mlir::Value value, const KernelPlace &place, mlir::AffineMap map, const Point &point);

  mlir::func::FuncOp kernel;
  mlir::OpBuilder builder;
  std::vector<KernelPlace> arguments, results;
  StorageMap storage;
  mlir::IRMapping mapping;
  WordRows words;
  llvm::SmallVector<mlir::linalg::GenericOp> generics;
  rt::ScatterAddOp scatter;
  rt::AttentionOp attention;
  llvm::DenseMap<mlir::Value, unsigned> returned;
  size_t rows = 0;
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERKERNELS_KERNELBASE_H
