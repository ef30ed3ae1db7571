//===- Accesses.h - which operand elements an element needs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Clustering follows what ops say of the elements that an element reads to find
// out what fuses; kernel bodies are built along the same accesses, so the two
// cannot disagree. Views in memory and costs are followed likewise.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_COLOTOLINALG_ACCESSES_H
#define COLO_LIB_CONVERSION_COLOTOLINALG_ACCESSES_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include <optional>

namespace colo {

/// True for ops whose elements kernels compute: reductions, and those that say what an element reads (embedding_grad, a
/// scatter, is not among them).
bool isKernelOp(mlir::Operation *op);

/// True for kernel ops whose result can lie where their operand does.
bool isViewOp(mlir::Operation *op);

/// What the result of a kernel op other than `reduce` reads at `indices`.
llvm::SmallVector<ElementAccess> operandAccesses(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);

/// Strides of a value reached from `base`'s row-major elements through views, or
/// nothing if its elements are not evenly strided. Stops at the first value for
/// which `isBase` holds and returns it.
struct StridedView {
  mlir::Value base;
  llvm::SmallVector<int64_t> strides;
};
std::optional<StridedView> stridedView(mlir::Value value, llvm::function_ref<bool(mlir::Value)> isBase);

/// Rough cost of an element of an op's result, once its operands' are there, in simple vector instructions.
int64_t weightOf(mlir::Operation *op);

/// Rough cost of an element of `value` in simple vector instructions, down to what is made elsewhere and without what
/// is the same for a whole row.
int64_t expressionWeight(mlir::Value value, llvm::function_ref<bool(mlir::Value)> isMade);
/// The cost above which a value is kept rather than computed twice: one exponential or more.
constexpr int64_t kDear = 8;

/// Strides of a row-major tensor.
llvm::SmallVector<int64_t> rowMajorStrides(llvm::ArrayRef<int64_t> shape);

inline llvm::ArrayRef<int64_t> shapeOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType()).getShape();
}
inline int64_t elementsOf(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType()).getNumElements();
}

} // namespace colo

#endif // COLO_LIB_CONVERSION_COLOTOLINALG_ACCESSES_H
