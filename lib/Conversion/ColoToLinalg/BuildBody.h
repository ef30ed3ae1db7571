//===- BuildBody.h - the scalar computation of a phase -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_COLOTOLINALG_BUILDBODY_H
#define COLO_LIB_CONVERSION_COLOTOLINALG_BUILDBODY_H

#include "BuildKernel.h"
#include "Phases.h"
#include <map>
#include <memory>

namespace colo {

/// Builds a linalg body by evaluating values at indices of the phase's loops. Each (value, indices) pair is computed
/// once; each operand element is a block argument with an indexing map. Elements of 16-bit floats are widened when they
/// are read; what is computed from them is not rounded before it is stored.
class BodyBuilder {
public:
  /// `made` maps items of earlier phases to their tensors in the kernel.
  BodyBuilder(const PhasePlan &plan, const Phase &phase, KernelSignature &signature,
              llvm::DenseMap<mlir::Value, mlir::Value> &made);

  mlir::Value evaluate(mlir::Value value, llvm::ArrayRef<mlir::AffineExpr> indices);
  mlir::Value addOperand(mlir::Value tensor, mlir::AffineMap map);
  void setMade(mlir::Value item, mlir::Value tensor) { made[item] = tensor; }

  llvm::ArrayRef<mlir::Value> getOperands() const { return operands; }
  llvm::ArrayRef<mlir::AffineMap> getMaps() const { return maps; }
  /// A computed scalar as an element of memory.
  mlir::Value narrow(mlir::Location loc, mlir::Value scalar, mlir::Type element);
  std::unique_ptr<mlir::Block> takeBlock() { return std::move(block); }

private:
  using Key = std::pair<void *, std::vector<const void *>>;

  mlir::Value compute(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  mlir::Value computeMarked(mlir::Operation *op, llvm::ArrayRef<mlir::AffineExpr> indices);
  mlir::Value load(mlir::Value tensor, llvm::ArrayRef<mlir::AffineExpr> indices);
  mlir::Value widen(mlir::Location loc, mlir::Value element);
  mlir::Value index(mlir::Location loc, mlir::AffineExpr expr);
  mlir::Value position(mlir::Location loc, mlir::ArrayAttr positions, int64_t dim, int64_t local,
                       mlir::AffineExpr expr);
  mlir::Value iota(IotaOp op, llvm::ArrayRef<mlir::AffineExpr> indices);
  /// The random word of an element of dropout or random.
  template <typename OpT> mlir::Value randomWord(OpT op, llvm::ArrayRef<mlir::AffineExpr> indices);
  mlir::Value random(RandomOp op, llvm::ArrayRef<mlir::AffineExpr> indices);
  mlir::Value dropout(DropoutOp op, llvm::ArrayRef<mlir::AffineExpr> indices);
  mlir::Value embedding(EmbeddingOp op, llvm::ArrayRef<mlir::AffineExpr> indices);
  mlir::Value inverseCount(InverseCountOp op);
  mlir::Value guarded(mlir::Location loc, llvm::ArrayRef<ElementAccess> accesses, mlir::Type type);
  /// A condition that holds where all guards do; null if they always do.
  mlir::Value condition(mlir::Location loc, llvm::ArrayRef<ElementGuard> guards);

  const PhasePlan &plan;
  const Phase &phase;
  KernelSignature &signature;
  llvm::DenseMap<mlir::Value, mlir::Value> &made;
  std::unique_ptr<mlir::Block> block;
  mlir::OpBuilder builder;
  llvm::SmallVector<mlir::Value> operands;
  llvm::SmallVector<mlir::AffineMap> maps;
  llvm::SmallVector<mlir::Value> loopIndices;
  std::map<Key, mlir::Value> known;
  int conditions = 0; ///< enclosing scf.ifs
};

} // namespace colo

#endif // COLO_LIB_CONVERSION_COLOTOLINALG_BUILDBODY_H
