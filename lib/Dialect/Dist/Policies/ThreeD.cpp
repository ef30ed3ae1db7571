//===- ThreeD.cpp - products on a cube of ranks -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Agarwal et al., 1995; Bian et al., 2105.14450. A product has roles (I, O), which
// are the axes `in` and `out` or the reverse: X [b{wt,I}, k{O}] times
// W [k{O,wt}, n{I}] is Y [b{wt,O}, n{I}]. X is gathered over I, W over wt, and the
// sums over O are scattered over the batch. The roles thus alternate along a path,
// and what cuts the input's features decides them. A value between layers is
// [b{wt,in}, h{out}]; a product whose input is whole takes the roles that make
// its result so.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Policy.h"
#include <cmath>

using namespace colo;
using namespace colo::dist;

namespace {
class ThreeDPolicy : public Policy {
public:
  explicit ThreeDPolicy(int64_t size) : l(std::llround(std::cbrt(static_cast<double>(size)))) {}

  std::vector<std::pair<std::string, int64_t>> axes() const override { return {{"out", l}, {"in", l}, {"wt", l}}; }

  Sharding boundary(llvm::ArrayRef<int64_t> shape, const Mesh &mesh) const override {
    Sharding sharding = Sharding::whole(static_cast<int64_t>(shape.size()));
    if (mesh.empty())
      return sharding;
    if (!shape.empty())
      sharding.dims.front() = {*mesh.find("wt"), *mesh.find("in")};
    if (shape.size() > 1)
      sharding.dims.back() = {*mesh.find("out")};
    return sharding;
  }

  int scatterDim(llvm::ArrayRef<int64_t>, llvm::StringRef) const override { return -1; }
  bool cutsParameters(llvm::StringRef) const override { return false; }
  int parameterFactor(const ParameterUse &) const override { return -1; }
  int64_t vocabularyShards() const override { return l * l; }

  std::optional<ProductPlan> planProduct(const ProductUse &use) const override {
    int tokens = use.tokenFactor();
    if (tokens < 0)
      return std::nullopt;
    int wt = *use.mesh.find("wt");
    size_t count = use.map.factors.size();
    ProductPlan plan{use.held ? *use.held : keep(use), FactorAxes(count), {}};
    // The weight travels over wt; in and out divide what the weight has cut over
    // them, or rows of the batch where the input's features are whole.
    FactorAxes result(count);
    plan.work[tokens] = {wt};
    result[tokens] = {wt};
    for (int axis : {*use.mesh.find("in"), *use.mesh.find("out")}) {
      int factor = cutBy(plan.parameter, axis);
      bool isFeature = factor >= 0 && use.map.factors[factor].kind == FactorKind::Parallel;
      plan.work[factor >= 0 ? factor : tokens].push_back(axis);
      result[isFeature ? factor : tokens].push_back(axis);
    }
    // Kept as another user settled it, a call or a product of two parameters, it may leave more axes to the rows than
    // these have room for.
    auto hasNoRoom = [&](const Axes &axes) { return use.size(tokens) % use.mesh.groupSize(axes) != 0; };
    if (use.held && (hasNoRoom(plan.work[tokens]) || hasNoRoom(result[tokens])))
      return std::nullopt;
    if (!use.isGradient())
      plan.result = result;
    return plan;
  }

private:
  static int cutBy(const FactorAxes &cuts, int axis) {
    for (auto [factor, axes] : llvm::enumerate(cuts))
      if (llvm::is_contained(axes, axis))
        return static_cast<int>(factor);
    return -1;
  }

  FactorAxes keep(const ProductUse &use) const {
    FactorAxes kept(use.map.factors.size());
    int in = *use.mesh.find("in"), out = *use.mesh.find("out"), wt = *use.mesh.find("wt");
    if (int rows = use.tableRows(); rows >= 0) {
      kept[rows] = {in, wt};
      kept[use.parameter.back().front()] = {out};
      return kept;
    }
    const std::optional<FactorAxes> &input = use.operands[use.operand == 0 ? 1 : 0];
    llvm::SmallVector<int> contracted, outputs;
    int cut = -1, reduced = in;
    for (const DimFactors &dim : use.parameter)
      for (int factor : dim) {
        (use.map.factors[factor].kind == FactorKind::Sum ? contracted : outputs).push_back(factor);
        for (int axis : {in, out})
          if (input && use.map.factors[factor].kind == FactorKind::Sum && llvm::is_contained((*input)[factor], axis)) {
            cut = factor;
            reduced = axis;
          }
      }
    if (cut < 0 && !contracted.empty() && use.size(contracted.front()) % l == 0)
      cut = contracted.front();
    if (cut >= 0)
      kept[cut].push_back(reduced);
    auto divides = [&](int factor) { return use.size(factor) % l == 0; };
    if (int feature = chooseOutputFactor(use.map, outputs, divides, use.survives); feature >= 0)
      kept[feature].push_back(reduced == in ? out : in);
    refine(kept, use, cut, contracted, outputs);
    return kept;
  }

  /// wt cuts the weight once more: the factor of the sum if it divides, else
  /// any other. A weight with no such factor is repeated over wt.
  void refine(FactorAxes &kept, const ProductUse &use, int cut, llvm::ArrayRef<int> contracted,
              llvm::ArrayRef<int> outputs) const {
    llvm::SmallVector<int> places;
    if (cut >= 0)
      places.push_back(cut);
    places.append(contracted.begin(), contracted.end());
    places.append(outputs.begin(), outputs.end());
    for (int factor : places)
      if (use.size(factor) % (use.mesh.groupSize(kept[factor]) * l) == 0) {
        kept[factor].push_back(*use.mesh.find("wt"));
        return;
      }
  }

  int64_t l;
};
} // namespace

const Mode colo::dist::kThreeDMode = {{"3d", GroupShape::Cube},
                                      [](const ShardingOptions &options) -> std::unique_ptr<Policy> {
                                        return std::make_unique<ThreeDPolicy>(options.size);
                                      }};
