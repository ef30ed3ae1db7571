//===- Pipelines.h - the phases as pass pipelines --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TOOLS_PIPELINES_H
#define COLO_TOOLS_PIPELINES_H

#include "colo/Tools/Compile.h"

#include "colo/Conversion/Training.h"
#include "colo/Dialect/Dist/Policy.h"

namespace mlir {
class OpPassManager;
} // namespace mlir

namespace colo {

struct ParallelConfig;

/// The parts of the configuration that partitioning and the step read.
dist::ShardingOptions shardingOptions(const ParallelConfig &config);
/// The inverse: makes the tensor group of a configuration this one.
void setTensorGroup(ParallelConfig &config, const dist::ShardingOptions &group);
/// Why the rows of a micro-batch cannot be cut as the mode cuts them; empty if they can.
std::string describeBatchError(const ParallelConfig &config);
/// What the optimizer step is built from. Parameters without weight decay are marked in the program
/// (ModelOptions::decayExempt) instead.
Training trainingSettings(const ParallelConfig &config);

/// Adds the passes that lead from the phase before to `phase`, verify passes included. `phase` lies between Staged
/// and LLVM; `algorithm`, `target` and `epilogues` as in CompileRequest. With `remarks`, passes tell what they found
/// out.
void buildPhasePipeline(mlir::OpPassManager &pm, Phase phase, const ParallelConfig &config, llvm::StringRef algorithm,
                        Target target, bool epilogues = true, bool remarks = false);

} // namespace colo

#endif // COLO_TOOLS_PIPELINES_H
