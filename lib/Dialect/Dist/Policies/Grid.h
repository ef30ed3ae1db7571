//===- Grid.h - products on planes of ranks ---------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// SUMMA on d planes of q x q ranks (van de Geijn and Watts, 1997; Optimus,
// 2104.05343; with d > 1 Tesseract, 2105.14500). Rows of the batch are cut over
// depth and row, features over col; a weight [k, n] is cut once over row and
// once over col and repeated over depth.
//
// Of input X, result Y and weight W of a product, the largest stays and two move.
// A weight kept as [k{row}, n{col}] leaves Y in place, one kept as
// [n{row}, k{col}] leaves X: in both, `col` divides in all three products the
// factor that the weight has cut over it, while the weight or its gradient
// travels over `row`.
//
// Where W stays, both axes divide in all three products the factors that it has
// cut over them. X is cut over the axis of k and has its rows cut over the other;
// Y has it the other way round: the two axes change places from product to
// product, and after two of them a value is back between layers.
//
// The table of a lookup is kept as [V{col}, h{row}], which is the layout in which
// its transpose is a classifier whose logits stay, however few the rows. It does not move: all ranks of
// a plane look up all of the plane's rows, each in its part of the table.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_DIST_POLICIES_GRID_H
#define COLO_LIB_DIALECT_DIST_POLICIES_GRID_H

#include "colo/Dialect/Dist/Policy.h"

namespace colo::dist {

class GridPolicy : public Policy {
public:
  /// q*q*depth ranks.
  GridPolicy(int64_t size, int64_t depth);

  std::vector<std::pair<std::string, int64_t>> axes() const override;
  Sharding boundary(llvm::ArrayRef<int64_t> shape, const Mesh &mesh) const override;
  int scatterDim(llvm::ArrayRef<int64_t>, llvm::StringRef) const override { return -1; }
  bool cutsParameters(llvm::StringRef) const override { return false; }
  int parameterFactor(const ParameterUse &) const override { return -1; }
  std::optional<ProductPlan> planProduct(const ProductUse &use) const override;
  int64_t vocabularyShards() const override { return q; }

private:
  ProductPlan planLookup(const ProductUse &use, int rows, int tokens) const;
  /// Factors of a weight over which `row` and `col` cut it, -1 for none.
  std::pair<int, int> chooseCuts(const ProductUse &use) const;
  bool weightStays(const ProductUse &use) const;
  /// A product whose weight is cut as `plan.parameter` says and stays.
  ProductPlan planAroundWeight(const ProductUse &use, ProductPlan plan, int tokens) const;
  int resultFeature(const ProductUse &use) const;

  int64_t q, depth;
};

} // namespace colo::dist

#endif // COLO_LIB_DIALECT_DIST_POLICIES_GRID_H
