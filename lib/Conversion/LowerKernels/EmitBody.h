//===- EmitBody.h - one element of a loop nest -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERKERNELS_EMITBODY_H
#define COLO_LIB_CONVERSION_LOWERKERNELS_EMITBODY_H

#include "Nest.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"

namespace colo {

/// What an element is in memory: a mask's is a byte, because loops over single bits are not vectorised.
mlir::Type storedType(mlir::Type element);

/// A float as another type of floats.
mlir::Value convertFloat(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, mlir::Type type);

/// What kernels may assume of floating-point arithmetic: NaN and infinity keep their meaning.
inline constexpr mlir::arith::FastMathFlags kKernelFastMath =
    mlir::arith::FastMathFlags::reassoc | mlir::arith::FastMathFlags::nsz | mlir::arith::FastMathFlags::arcp |
    mlir::arith::FastMathFlags::contract | mlir::arith::FastMathFlags::afn;

/// Values of a nest's dims at a point; null stands for 0.
using Point = llvm::SmallVector<mlir::Value, 6>;

/// The value of an affine expression at a point.
mlir::Value emitAffine(mlir::OpBuilder &builder, mlir::Location loc, mlir::AffineExpr expr, const Point &point);

mlir::Value emitLoad(mlir::OpBuilder &builder, mlir::Location loc, const Storage &storage, mlir::AffineMap map,
                     const Point &point);

/// Random words of the innermost loop's elements, made four at a time before the loop: element i reads
/// buffer[shift + i - lower].
struct WordRow {
  mlir::Value buffer, shift, lower; ///< lower: null for 0
  unsigned dim;
};
using WordRows = llvm::DenseMap<mlir::Operation *, WordRow>;

/// How much a value of a body grows with each step of a loop; nothing if that is not known or not constant.
std::optional<int64_t> stepOf(mlir::Value value, unsigned dim, mlir::Block *body);

/// Emits what a value of a body is made of, for values that `stepOf` understands.
mlir::Value emitIndexValue(mlir::OpBuilder &builder, mlir::Value value, mlir::Block *body, const Point &point,
                           const mlir::IRMapping &mapping);

/// Emits the body of `nest` at `point`. `accumulators` are the values of the result arguments; returns what the body
/// yields. `mapping` holds the kernel's scalar arguments.
llvm::SmallVector<mlir::Value> emitBody(mlir::OpBuilder &builder, const Nest &nest, const Point &point,
                                        const StorageMap &storage, llvm::ArrayRef<mlir::Value> accumulators,
                                        const mlir::IRMapping &mapping, const WordRows &words);

/// The four words of Philox4x32-10 for block `block` (i64), and the word of one element.
llvm::SmallVector<mlir::Value> emitPhilox(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value seed,
                                          mlir::Value block, mlir::Value instance, mlir::Value step);
/// The words of `count` elements, four at most, that follow each other from anywhere on: two calls of Philox.
llvm::SmallVector<mlir::Value> emitRandomWords(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value seed,
                                               mlir::Value first, mlir::Value instance, mlir::Value step,
                                               int64_t count);
mlir::Value emitRandomWord(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value seed, mlir::Value index,
                           mlir::Value instance, mlir::Value step);

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERKERNELS_EMITBODY_H
