//===- Pipelines.cpp - the phases sharded and spmd --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Colo/Passes.h"
#include "colo/Dialect/Dist/Passes.h"
#include "mlir/Pass/PassManager.h"

using namespace mlir;
using namespace colo;

void dist::buildShardPipeline(OpPassManager &pm, const ShardingOptions &options) {
  // Vocabularies are known while the classification ops are whole; everything
  // after them is primitive.
  pm.addPass(createFoldLookupsPass());
  pm.addPass(createPadPass({options.mode, options.size, options.depth, options.sequenceParallel, options.sequenceMode,
                            options.sequenceSize}));
  pm.addPass(createDecomposePass());

  pm.addPass(createShardPass({options.mode, options.size, options.depth, options.sequenceParallel, options.sequenceMode,
                              options.sequenceSize}));

  pm.addPass(createReshardToCollectivesPass());
  pm.addPass(createCombineCollectivesPass());
  pm.addPass(createVerifyPass());
}

void dist::buildSpmdPipeline(OpPassManager &pm, const ShardingOptions &options) {
  pm.addPass(createLocalizePass());
  pm.addPass(createExpandRingPass({options.algorithm, options.wholeHeadSize}));
  BlockAttentionPassOptions attention;
  attention.scores = options.scoresOfRound;
  attention.wholeHeadSize = options.wholeHeadSize;
  pm.addPass(createBlockAttentionPass(attention));
}
