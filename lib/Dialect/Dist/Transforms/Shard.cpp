//===- Shard.cpp - give every tensor a sharding -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Partitioner.h"
#include "colo/Dialect/Dist/Passes.h"

namespace colo::dist {
#define GEN_PASS_DEF_SHARDPASS
#include "colo/Dialect/Dist/Passes.h.inc"
} // namespace colo::dist

using namespace mlir;
using namespace colo;
using namespace colo::dist;

namespace {
struct ShardPass : public dist::impl::ShardPassBase<ShardPass> {
  using ShardPassBase::ShardPassBase;

  void runOnOperation() override {
    std::unique_ptr<Policy> policy = makePolicy({mode, size, depth, sequenceParallel, sequenceMode, sequenceSize});
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
