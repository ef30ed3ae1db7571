//===- Assignment.cpp - shardings that follow from an assignment -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Assignment.h"

using namespace mlir;
using namespace colo;
using namespace colo::dist;

int Assignment::factorOf(int axis) const {
  for (auto [factor, axes] : llvm::enumerate(factors))
    if (llvm::is_contained(axes, axis))
      return static_cast<int>(factor);
  return -1;
}

bool dist::isCuttable(FactorKind kind) { return kind != FactorKind::Replicated && kind != FactorKind::Ring; }

std::optional<Ring> dist::ringOf(const FactorMap &map) {
  for (auto [i, factor] : llvm::enumerate(map.factors)) {
    if (factor.kind != FactorKind::Ring)
      continue;
    const TensorFactors &query = map.operands[0];
    Ring ring{query[1].front(), static_cast<int>(i), query[2].front(), std::nullopt};
    if (query[2].size() > 1)
      ring.shares = query[2].back();
    return ring;
  }
  return std::nullopt;
}

std::optional<Sharding> dist::shardingUnder(const Assignment &assignment, const FactorMap &map,
                                            const TensorFactors &dims, const Mesh &mesh) {
  Sharding sharding = Sharding::whole(static_cast<int64_t>(dims.size()));
  for (auto [dim, axes] : llvm::zip(dims, sharding.dims)) {
    bool majorsAreCut = true;
    for (int factor : dim) {
      ArrayRef<int> cut = assignment.factors[factor];
      int64_t parts = mesh.groupSize(cut), size = map.factors[factor].size;
      if (!cut.empty() && (!majorsAreCut || size % mesh.granule(cut) != 0))
        return std::nullopt;
      majorsAreCut &= parts == size;
      axes.append(cut.begin(), cut.end());
    }
  }
  return sharding;
}

std::optional<Sharding> dist::operandSharding(const Assignment &assignment, const FactorMap &map, unsigned operand,
                                              const Mesh &mesh) {
  std::optional<Sharding> sharding = shardingUnder(assignment, map, map.operands[operand], mesh);
  if (sharding && (assignment.carriers >> operand & 1))
    sharding->partial = assignment.carried;
  return sharding;
}

std::optional<Sharding> dist::resultSharding(const Assignment &assignment, const FactorMap &map, unsigned result,
                                             const Mesh &mesh) {
  std::optional<Sharding> sharding = shardingUnder(assignment, map, map.results[result], mesh);
  if (!sharding)
    return std::nullopt;
  for (int axis : assignment.carried)
    sharding->addPartial(axis);
  for (int factor = 0; factor < static_cast<int>(assignment.factors.size()); ++factor) {
    const Axes &axes = assignment.factors[factor];
    FactorKind kind = map.factors[factor].kind;
    bool isInResult =
        llvm::any_of(map.results[result], [&](const DimFactors &dim) { return llvm::is_contained(dim, factor); });
    if (axes.empty() || isInResult || (kind != FactorKind::Sum && kind != FactorKind::Max))
      continue;
    // In a ring an axis cuts rows and keys, and the sum over rows goes round with the keys.
    for (int axis : axes)
      if (!sharding->uses(axis))
        sharding->addPartial(axis);
    if (kind == FactorKind::Max)
      sharding->kind = ReduceKind::Max;
  }
  return sharding;
}

std::optional<SmallVector<Axes, 6>> dist::factorAxes(const Sharding &sharding, const FactorMap &map,
                                                     const TensorFactors &dims, const Mesh &mesh) {
  SmallVector<Axes, 6> result(map.factors.size());
  for (auto [axes, factors] : llvm::zip(sharding.dims, dims)) {
    const int *factor = factors.begin();
    int64_t parts = 1;
    for (int axis : axes) {
      while (factor != factors.end() && parts == map.factors[*factor].size) {
        ++factor;
        parts = 1;
      }
      if (factor == factors.end())
        return std::nullopt;
      parts *= mesh.sizes[axis];
      result[*factor].push_back(axis);
      if (map.factors[*factor].size % mesh.granule(result[*factor]) != 0)
        return std::nullopt;
    }
  }
  return result;
}
