//===- Passes.h - partitioning ----------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_DIST_PASSES_H
#define COLO_DIALECT_DIST_PASSES_H

#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Dist/Policy.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace colo::dist {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "colo/Dialect/Dist/Passes.h.inc"

/// From the differentiated global program, high-level ops still whole, to the
/// `sharded` phase: lookups folded, vocabularies padded, high-level ops
/// decomposed, shardings chosen, collectives inserted and verified in global form.
void buildShardPipeline(mlir::OpPassManager &pm, const ShardingOptions &options);

/// From `sharded` to local shapes. Decomposing attention on them, which ends
/// the `spmd` phase, is left to the caller.
void buildSpmdPipeline(mlir::OpPassManager &pm, const ShardingOptions &options);

} // namespace colo::dist

#endif // COLO_DIALECT_DIST_PASSES_H
