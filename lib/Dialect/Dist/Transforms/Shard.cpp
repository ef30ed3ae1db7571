//===- Shard.cpp - give every tensor a sharding -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"
#include "colo/Dialect/Dist/Passes.h"
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
    Mesh mesh = makeMesh(*policy);
    if (!mesh.empty() && failed(Partitioner(getOperation(), mesh, *policy).run()))
      signalPassFailure();
  }
};
} // namespace
