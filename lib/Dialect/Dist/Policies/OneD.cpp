//===- OneD.cpp - column and row products over one axis ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Megatron-LM (Shoeybi et al., 1909.08053): a product whose input features are
// whole cuts its output features (column), one whose input features are cut
// contracts over them (row) and gives partial sums. Lookups and the classifier
// cut the vocabulary. With sequence parallelism (Korthikanti et al.,
// 2205.05198) values between products are cut along the sequence: partial sums
// are scattered there, and products gather.
//
// With fewer key and value heads than ranks, c of p, `tp` is two axes, `kv` of c and
// `rep` of p/c ranks. Both cut what `tp` would, but the parameters of keys and values
// are cut over `kv` only: the ranks of `rep`, whose query heads read the same key
// head, make it alike. Its gradient is partial over `rep` until the end of the step.
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Dist/Policy.h"

using namespace colo;
using namespace colo::dist;

namespace {
class OneDPolicy : public Policy {
public:
  explicit OneDPolicy(const ShardingOptions &options) : size(options.size), sequenceParallel(options.sequenceParallel) {
    if (options.keyHeads > 0 && options.keyHeads < size && size % options.keyHeads == 0)
      keyHeads = options.keyHeads;
  }

  std::vector<std::pair<std::string, int64_t>> axes() const override {
    if (keyHeads == 0)
      return {{"tp", size}};
    return {{"kv", keyHeads}, {"rep", size / keyHeads}};
  }

  Sharding boundary(llvm::ArrayRef<int64_t> shape, const Mesh &mesh) const override {
    Sharding sharding = Sharding::whole(static_cast<int64_t>(shape.size()));
    if (hasSequence(shape))
      for (const auto &[name, _] : axes())
        if (std::optional<int> axis = mesh.find(name))
          sharding.dims[kSequenceDim].push_back(*axis);
    return sharding;
  }

  /// Ranks that hold copies send a part each (Narayanan et al., 2104.04473, section 4.1): of the first dim that
  /// divides, whose parts lie together.
  Sharding transit(llvm::ArrayRef<int64_t> shape, const Sharding &held, const Mesh &mesh) const override {
    Sharding sharding = held;
    for (const auto &[name, _] : axes()) {
      std::optional<int> axis = mesh.find(name);
      if (!axis || sharding.uses(*axis))
        continue;
      for (Axes &cut : sharding.dims) {
        cut.push_back(*axis);
        if (divides(sharding, shape, mesh))
          break;
        cut.pop_back();
      }
    }
    return sharding;
  }

  int scatterDim(llvm::ArrayRef<int64_t> shape, llvm::StringRef) const override {
    return hasSequence(shape) ? kSequenceDim : -1;
  }

  bool cutsParameters(llvm::StringRef) const override { return true; }
  bool mayRepeat(llvm::StringRef axis) const override { return axis == "rep"; }
  AttentionCut attentionCut(llvm::StringRef) const override { return AttentionCut::Local; }

  int parameterFactor(const ParameterUse &use) const override {
    llvm::SmallVector<int> factors;
    for (const DimFactors &dim : use.map.operands[use.operand])
      if (!dim.empty())
        factors.push_back(dim.front());
    auto kindOf = [&](int factor) { return use.map.factors[factor].kind; };
    // Row: the features are cut already.
    for (int factor : factors)
      if (kindOf(factor) == FactorKind::Sum && use.isCutElsewhere(factor))
        return factor;
    // Rows of a table: a factor that only the parameter has.
    for (int factor : factors)
      if (kindOf(factor) == FactorKind::Sum && isInOperandOnly(use, factor))
        return factor;
    // Column: one of the output dims (q|k|v, heads, head size), or heads that several ranks share.
    llvm::erase_if(factors, [&](int factor) { return kindOf(factor) != FactorKind::Parallel; });
    auto isShared = [&](int factor) { return mayRepeat(use.axis) && use.isSharedHeads(factor); };
    auto fits = [&](int factor) {
      return isShared(factor) || use.map.factors[factor].size % (use.partsBefore(factor) * use.axisSize) == 0;
    };
    int chosen = chooseOutputFactor(use.map, factors, fits, use.survives);
    return chosen >= 0 && isShared(chosen) ? kRepeat : chosen;
  }

  int64_t vocabularyShards() const override { return size; }

private:
  /// Values between products are [batch, sequence, features].
  static constexpr int kSequenceDim = 1;
  bool hasSequence(llvm::ArrayRef<int64_t> shape) const { return sequenceParallel && shape.size() == 3; }

  static bool isInOperandOnly(const ParameterUse &use, int factor) {
    for (auto [i, operand] : llvm::enumerate(use.map.operands))
      for (const DimFactors &dim : operand)
        if (i != use.operand && llvm::is_contained(dim, factor))
          return false;
    return true;
  }

  int64_t size;
  bool sequenceParallel;
  int64_t keyHeads = 0; ///< fewer than ranks; 0: `tp` is one axis
};
} // namespace

static ModeDescription describeOneD() {
  ModeDescription mode{"1d"};
  mode.takesSequenceParallel = mode.takesSequenceMode = true;
  return mode;
}

const Mode colo::dist::kOneDMode = {describeOneD(), [](const ShardingOptions &options) -> std::unique_ptr<Policy> {
                                      return std::make_unique<OneDPolicy>(options);
                                    }};
