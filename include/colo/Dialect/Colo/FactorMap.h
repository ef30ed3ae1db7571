//===- FactorMap.h - how an op's dims are made of factors ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An op is seen as a loop nest over factors, as in an einsum: each dim of each
// operand and result is a product of factors, major to minor. A dim that two
// tensors share is one factor in both.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_FACTORMAP_H
#define COLO_DIALECT_COLO_FACTORMAP_H

#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace colo {

/// What cutting a factor over a mesh axis means.
enum class FactorKind {
  Parallel,   ///< each shard computes its part of the results
  Sum,        ///< results are partial sums over the axis
  Max,        ///< results are partial maxima over the axis
  Replicated, ///< must be whole on every rank (a normalised or sliced dim)
  Ring,       ///< must be whole unless the op is expanded as a ring
};

/// One loop of an op's nest, of `size` iterations.
struct Factor {
  int64_t size;
  FactorKind kind;
};

/// The factors that one dim is made of, major to minor, as indices into
/// FactorMap::factors. Empty for a dim of size 1 that stands for nothing.
using DimFactors = llvm::SmallVector<int, 1>;
using TensorFactors = llvm::SmallVector<DimFactors, 4>;

/// The factors of one op, and which of them each dim of its tensors is made of.
struct FactorMap {
  llvm::SmallVector<Factor, 6> factors;
  llvm::SmallVector<TensorFactors, 3> operands; ///< one per operand
  llvm::SmallVector<TensorFactors, 2> results;  ///< one per result
  /// An op that is linear in an operand lets that operand be a partial sum, if
  /// all other operands are complete (or, for sums, partial alike): bit i for
  /// operand i. `allPartialAlike` asks all marked operands to be partial over the same
  /// axes (add, sub), otherwise exactly one may be (mul, einsum).
  uint32_t linearOperands = 0;
  bool allPartialAlike = false;
};

} // namespace colo

#endif // COLO_DIALECT_COLO_FACTORMAP_H
