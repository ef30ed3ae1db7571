//===- Assignment.h - mesh axes on the factors of one op --------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How one op is cut: the axes on each of its factors, and the axes over which a
// linear op works on partial sums. The shardings of operands and results
// follow. Values only, no IR.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_DIST_TRANSFORMS_ASSIGNMENT_H
#define COLO_LIB_DIALECT_DIST_TRANSFORMS_ASSIGNMENT_H

#include "colo/Dialect/Dist/Sharding.h"

namespace colo::dist {

struct Assignment {
  llvm::SmallVector<Axes, 6> factors; ///< major to minor, one list a factor
  Axes carried;                       ///< partial sums that pass through the op
  uint32_t carriers = 0;              ///< bit i: operand i is partial over `carried`

  /// The factor that an axis cuts, or -1.
  int factorOf(int axis) const;
};

/// The cut of one tensor. nullopt if a dim would have to be cut inside a factor
/// whose more major factors are not cut completely, or into unequal parts.
std::optional<Sharding> shardingUnder(const Assignment &assignment, const FactorMap &map, const TensorFactors &dims,
                                      const Mesh &mesh);
std::optional<Sharding> operandSharding(const Assignment &assignment, const FactorMap &map, unsigned operand,
                                        const Mesh &mesh);
/// A result that lacks a cut Sum or Max factor is partial over its axes.
std::optional<Sharding> resultSharding(const Assignment &assignment, const FactorMap &map, unsigned result,
                                       const Mesh &mesh);

/// The axes that `sharding` puts on each factor of a tensor; nullopt if the
/// tensor is cut at no boundary of factors.
std::optional<llvm::SmallVector<Axes, 6>> factorAxes(const Sharding &sharding, const FactorMap &map,
                                                     const TensorFactors &dims, const Mesh &mesh);

/// Whether a factor may be cut at all.
bool isCuttable(FactorKind kind);

/// The factors of attention over a sequence that is cut: each rank keeps its
/// part of the rows, and the parts of the keys go round.
struct Ring {
  int rows, keys;
  int heads;                 ///< of keys and values
  std::optional<int> shares; ///< query heads that read one key head, where they are several
};
std::optional<Ring> ringOf(const FactorMap &map);

} // namespace colo::dist

#endif // COLO_LIB_DIALECT_DIST_TRANSFORMS_ASSIGNMENT_H
