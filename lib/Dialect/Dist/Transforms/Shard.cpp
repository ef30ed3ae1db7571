//===- Shard.cpp - give every tensor a sharding -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"
#include "colo/Dialect/Dist/Passes.h"
#include "llvm/ADT/SetVector.h"
#include <numeric>

namespace colo::dist {
#define GEN_PASS_DEF_SHARDPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

/// The largest number that divides the key and value heads of every attention whose query heads share them; 0 without.
static int64_t keyHeadsOf(ModuleOp module) {
  int64_t heads = 0;
  module.walk([&](ShardingRuleOpInterface op) {
    FactorMap map = op.getFactorMap();
    if (std::optional<Ring> ring = ringOf(map); ring && ring->shares)
      heads = std::gcd(heads, map.factors[ring->heads].size);
  });
  return heads;
}

/// Where a rank has all keys of its heads it sums delta over the probabilities: neither the output nor delta goes over.
static void dropDeltas(ModuleOp module) {
  llvm::SmallSetVector<Operation *, 8> unused;
  module.walk([&](AttentionGradOp op) {
    if (op.getDelta())
      unused.insert(op.getDelta().getDefiningOp());
    op.getDeltaMutable().clear();
  });
  while (!unused.empty()) {
    Operation *op = unused.pop_back_val();
    if (!op || !isOpTriviallyDead(op))
      continue;
    for (Value operand : op->getOperands())
      unused.insert(operand.getDefiningOp());
    op->erase();
  }
}

namespace {
struct ShardPass : public dist::impl::ShardPassBase<ShardPass> {
  using ShardPassBase::ShardPassBase;

  void runOnOperation() override {
    std::unique_ptr<Policy> policy =
        makePolicy({mode, size, depth, sequenceParallel, sequenceMode, sequenceSize, keyHeadsOf(getOperation())});
    if (!policy) {
      getOperation().emitError("unknown parallel mode '") << mode << "'; there are " << supportedModes();
      return signalPassFailure();
    }
    WalkResult causal = getOperation().walk(
        [](AttentionOp op) { return op.getCausal() ? WalkResult::interrupt() : WalkResult::advance(); });
    Mesh mesh = makeMesh(*policy, causal.wasInterrupted());
    if (llvm::any_of(mesh.names, [&](StringRef axis) { return policy->attentionCut(axis) == AttentionCut::Heads; }))
      dropDeltas(getOperation());
    if (!mesh.empty() && failed(Partitioner(getOperation(), mesh, *policy).run()))
      signalPassFailure();
  }
};
} // namespace
