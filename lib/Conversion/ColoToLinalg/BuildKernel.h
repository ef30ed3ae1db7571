//===- BuildKernel.h - a cluster as a function of linalg.generics -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel function is a sequence of loop nests (linalg.generic on tensors),
// each a phase: everything that can be computed in one pass over the rows. A
// reduction's value can be read in later phases only. All loops of a phase start
// with the kernel's rows.
//
// Bodies compute scalars from operand elements; what no affine map describes
// (rows of an embedding, elements read under a condition) is a tensor.extract.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_COLOTOLINALG_BUILDKERNEL_H
#define COLO_LIB_CONVERSION_COLOTOLINALG_BUILDKERNEL_H

#include "Clusters.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace colo {

/// Scalars of the run as values of a block of a host function, its body or that of a loop: one op each, at its start.
class HostScalars {
public:
  explicit HostScalars(mlir::Block &block) : block(block) {}

  /// The number of the round of the loop that the block is the body of, or of the one `level` further out.
  mlir::Value round(int64_t level) { return block.getArgument(static_cast<unsigned>(level)); }
  mlir::Value axisIndex(mlir::StringAttr axis);
  mlir::Value integer(llvm::StringRef name);
  mlir::Value real(llvm::StringRef name);
  mlir::Value inverseCount(int64_t term);
  /// Size of a mesh axis; 1 if the module has no such axis.
  int64_t axisSize(mlir::StringAttr axis);

private:
  mlir::Value once(const llvm::Twine &key, llvm::function_ref<mlir::Value(mlir::OpBuilder &)> create);

  mlir::Block &block;
  llvm::StringMap<mlir::Value> values;
};

/// Arguments of a kernel function and the values of the host function that they stand for.
class KernelSignature {
public:
  KernelSignature(mlir::func::FuncOp kernel, HostScalars &scalars) : kernel(kernel), scalars(scalars) {}

  /// The argument for a host value; tensors come before scalars.
  mlir::Value argument(mlir::Value hostValue);
  HostScalars &getScalars() const { return scalars; }
  llvm::SmallVector<mlir::Value> hostValues() const;
  /// First position on `dim` of this rank's part of a positioned shape whose local size is `local`; the part is
  /// contiguous.
  mlir::Value firstPosition(mlir::OpBuilder &builder, mlir::Location loc, mlir::ArrayAttr positions, int64_t dim,
                            int64_t local);
  /// The position of element `index` of the part, which may be made of several blocks.
  mlir::Value position(mlir::OpBuilder &builder, mlir::Location loc, mlir::ArrayAttr positions, int64_t dim,
                       int64_t local, mlir::Value index);

private:
  /// `turn` of a dictionary, with the number of its loop's round added.
  mlir::Value turnOf(mlir::OpBuilder &builder, mlir::Location loc, mlir::DictionaryAttr turn);
  /// This rank's number in the group over the axes of a position, or that of the member whose part it is.
  mlir::Value memberOf(mlir::OpBuilder &builder, mlir::Location loc, mlir::DictionaryAttr position, int64_t members);
  /// First positions of the blocks of which this rank's part is made.
  llvm::SmallVector<mlir::Value, 2> blockPositions(mlir::OpBuilder &builder, mlir::Location loc,
                                                   mlir::ArrayAttr positions, int64_t dim, int64_t local);

  mlir::func::FuncOp kernel;
  HostScalars &scalars;
  llvm::SmallVector<mlir::Value> tensors, numbers;
  llvm::DenseMap<mlir::Value, mlir::Value> arguments;
};

/// Global unpadded size of a positioned dim.
int64_t globalSize(mlir::ArrayAttr positions, int64_t dim, int64_t local);

/// Builds the body of `kernel` (empty, with an entry block and no arguments), whose results are `outputs`. `rowBytes`
/// is the room for what a row keeps between its phases (Phases.h).
void buildKernel(const Clustering &clustering, const Kernel &plan, llvm::ArrayRef<mlir::Value> outputs,
                 mlir::func::FuncOp kernel, KernelSignature &signature, int64_t rowBytes);

/// Attaches OwnKernelBodyOpInterface to the ops that are kernels of their own.
void registerOwnKernels(mlir::DialectRegistry &registry);

} // namespace colo

#endif // COLO_LIB_CONVERSION_COLOTOLINALG_BUILDKERNEL_H
