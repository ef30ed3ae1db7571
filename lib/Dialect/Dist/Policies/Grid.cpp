//===- Grid.cpp - products on planes of ranks -------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Grid.h"
#include <cmath>

using namespace colo;
using namespace colo::dist;

/// Appends those of `names` that the mesh has; axes of size 1 are not in it.
static void append(Axes &axes, const Mesh &mesh, std::initializer_list<llvm::StringRef> names) {
  for (llvm::StringRef name : names)
    if (std::optional<int> axis = mesh.find(name))
      axes.push_back(*axis);
}

static int64_t squareRoot(int64_t size) { return std::llround(std::sqrt(static_cast<double>(size))); }

/// Whether two factors are cut, by axes of a plane alone: `dep` is free to divide rows. A parameter that was settled as
/// the other operand of a product of two may be kept otherwise.
static bool cutsOnePlane(const Mesh &mesh, const FactorAxes &cuts) {
  std::optional<int> dep = mesh.find("dep");
  if (dep && llvm::any_of(cuts, [&](const Axes &axes) { return llvm::is_contained(axes, *dep); }))
    return false;
  return llvm::count_if(cuts, [](const Axes &axes) { return !axes.empty(); }) == 2;
}

GridPolicy::GridPolicy(int64_t size, int64_t depth) : q(squareRoot(size / depth)), depth(depth) {}

std::vector<std::pair<std::string, int64_t>> GridPolicy::axes() const {
  return {{"dep", depth}, {"row", q}, {"col", q}};
}

Sharding GridPolicy::boundary(llvm::ArrayRef<int64_t> shape, const Mesh &mesh) const {
  Sharding sharding = Sharding::whole(static_cast<int64_t>(shape.size()));
  if (!shape.empty())
    append(sharding.dims.front(), mesh, {"dep", "row"});
  if (shape.size() > 1)
    append(sharding.dims.back(), mesh, {"col"});
  return sharding;
}

std::optional<ProductPlan> GridPolicy::planProduct(const ProductUse &use) const {
  int tokens = use.tokenFactor();
  if (tokens < 0)
    return std::nullopt;
  if (int rows = use.tableRows(); rows >= 0)
    return planLookup(use, rows, tokens);

  size_t count = use.map.factors.size();
  ProductPlan plan{FactorAxes(count), FactorAxes(count), {}, /*summa=*/true};
  if (use.held) {
    plan.parameter = *use.held;
  } else {
    auto [rowFactor, colFactor] = chooseCuts(use);
    if (rowFactor >= 0)
      append(plan.parameter[rowFactor], use.mesh, {"row"});
    if (colFactor >= 0)
      append(plan.parameter[colFactor], use.mesh, {"col"});
  }
  if (cutsOnePlane(use.mesh, plan.parameter) && weightStays(use))
    return planAroundWeight(use, std::move(plan), tokens);
  std::optional<int> col = use.mesh.find("col");
  // Kept as another user settled it, a call or a product of two parameters: nothing says what `col` divides.
  auto isCutOverCol = [&](const Axes &axes) { return llvm::is_contained(axes, *col); };
  if (use.held && col && llvm::none_of(*use.held, isCutOverCol))
    return std::nullopt;
  int feature = -1;
  append(plan.work[tokens], use.mesh, {"dep", "row"});
  for (auto [factor, axes] : llvm::enumerate(plan.parameter))
    if (col && llvm::is_contained(axes, *col)) {
      plan.work[factor].push_back(*col);
      if (use.map.factors[factor].kind == FactorKind::Parallel)
        feature = static_cast<int>(factor);
    }
  if (use.isGradient())
    return plan;
  plan.result.resize(count);
  append(plan.result[tokens], use.mesh, {"dep", "row"});
  if (feature < 0)
    feature = resultFeature(use);
  if (feature >= 0)
    append(plan.result[feature], use.mesh, {"col"});
  return plan;
}

/// By what one plane multiplies. Alike in all three products of a linear: its rows, and what the weight's dims are made
/// of.
bool GridPolicy::weightStays(const ProductUse &use) const {
  int64_t rows = 1, sides[2] = {1, 1};
  const TensorFactors &other = use.map.operands[use.operand == 0 ? 1 : 0];
  for (auto [factor, info] : llvm::enumerate(use.map.factors)) {
    int index = static_cast<int>(factor);
    bool isInOther = dimOfFactor(other, index) >= 0;
    (use.isInParameter(index) ? sides[isInOther] : rows) *= info.size;
  }
  return q > 1 && !use.isTable && rows / depth < std::min(sides[0], sides[1]);
}

ProductPlan GridPolicy::planAroundWeight(const ProductUse &use, ProductPlan plan, int tokens) const {
  append(plan.work[tokens], use.mesh, {"dep"});
  Axes contracted;
  int feature = -1;
  for (auto [factor, axes] : llvm::enumerate(plan.parameter)) {
    llvm::append_range(plan.work[factor], axes);
    if (use.map.factors[factor].kind == FactorKind::Sum)
      llvm::append_range(contracted, axes);
    else if (!axes.empty())
      feature = static_cast<int>(factor);
  }
  if (use.isGradient())
    return plan;
  plan.result.resize(use.map.factors.size());
  append(plan.result[tokens], use.mesh, {"dep"});
  llvm::append_range(plan.result[tokens], contracted);
  if (feature >= 0)
    llvm::append_range(plan.result[feature], plan.parameter[feature]);
  return plan;
}

ProductPlan GridPolicy::planLookup(const ProductUse &use, int rows, int tokens) const {
  size_t count = use.map.factors.size();
  ProductPlan plan{FactorAxes(count), FactorAxes(count), {}};
  int feature = use.parameter.back().front();
  append(plan.parameter[rows], use.mesh, {"col"});
  append(plan.parameter[feature], use.mesh, {"row"});
  plan.work = plan.parameter;
  append(plan.work[tokens], use.mesh, {"dep"});
  if (use.isGradient())
    return plan;
  plan.result.resize(count);
  append(plan.result[tokens], use.mesh, {"dep", "row"});
  append(plan.result[feature], use.mesh, {"col"});
  return plan;
}

int GridPolicy::resultFeature(const ProductUse &use) const {
  llvm::SmallVector<int> outputs;
  for (const DimFactors &dim : use.parameter)
    if (!dim.empty() && use.map.factors[dim.front()].kind == FactorKind::Parallel)
      outputs.push_back(dim.front());
  return chooseOutputFactor(use.map, outputs, [&](int factor) { return use.size(factor) % q == 0; }, use.survives);
}

std::pair<int, int> GridPolicy::chooseCuts(const ProductUse &use) const {
  const std::optional<FactorAxes> &input = use.operands[use.operand == 0 ? 1 : 0];
  std::optional<int> row = use.mesh.find("row"), col = use.mesh.find("col");
  int64_t inputFeatures = 1, outputFeatures = 1;
  int contracted = -1;
  bool isInputCut = false, hasChangedPlaces = false;
  for (const DimFactors &dim : use.parameter)
    for (int factor : dim) {
      bool isSum = use.map.factors[factor].kind == FactorKind::Sum;
      (isSum ? inputFeatures : outputFeatures) *= use.size(factor);
      if (!isSum)
        continue;
      bool isCutHere = input && col && llvm::is_contained((*input)[factor], *col);
      bool isCutOverRow = input && row && llvm::is_contained((*input)[factor], *row);
      isInputCut |= isCutHere;
      hasChangedPlaces |= isCutOverRow;
      if (isCutHere || isCutOverRow || contracted < 0)
        contracted = factor;
    }
  int output = resultFeature(use);
  if (isInputCut && (inputFeatures > outputFeatures || weightStays(use)))
    return {output, contracted};
  // An input that is whole may have any number of features: then the weight is
  // repeated over row, and its gradient summed there.
  if (!isInputCut && !hasChangedPlaces && contracted >= 0 && use.size(contracted) % q != 0)
    contracted = -1;
  return {contracted, output};
}
