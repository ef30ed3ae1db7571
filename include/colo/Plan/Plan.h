//===- Plan.h - memory, work and communication of a program -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What one rank holds, computes and sends in one optimizer step, read off the
// program of phase `rt`. Memory in bytes, work in floating-point operations
// (multiply-adds count as two), communication in bytes that leave the first
// rank of the tensor group, by ring algorithms (docs/communication.md).
//
//===----------------------------------------------------------------------===//

#ifndef COLO_PLAN_PLAN_H
#define COLO_PLAN_PLAN_H

#include "mlir/IR/BuiltinOps.h"
#include <functional>
#include <string>
#include <vector>

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace colo {

/// One place in the program that communicates.
struct PlannedCollective {
  std::string kind;              ///< all_reduce, …
  std::string source;            ///< "GPT2.h.attn.proj gpt2.colo:12:9"
  std::vector<std::string> axes; ///< tensor axes; "dp" last if over replicas too
  int64_t bytes;                 ///< of one execution; -1 where it depends on the number of replicas
  int64_t messages;              ///< of one execution; -1 likewise
  int64_t perStep;               ///< executions; 0 where only evaluation gets
  int64_t payload;               ///< bytes of the buffer that is reduced, gathered, exchanged
};

struct Plan {
  int64_t ranks = 1;                                         ///< of the tensor group
  int64_t parameters = 0, gradients = 0, optimizerState = 0; ///< bytes
  int64_t workspace = 0;                                     ///< activations and temporaries
  int64_t activations = 0;                                   ///< of the workspace, what layers save for backward
  int64_t inputs = 0;                                        ///< of one step
  int64_t flops = 0;                                         ///< of one step's products
  int64_t microBatches = 1;                                  ///< per step, as compiled
  std::vector<PlannedCollective> collectives;                ///< in the order of collectivesOf

  int64_t total() const { return parameters + gradients + optimizerState + workspace + inputs; }
};

/// Calls `visit(op, executions)` for each op of the step in the order of the program; a function that is called from
/// two places is visited twice.
void walkStep(mlir::ModuleOp module, llvm::function_ref<void(mlir::Operation *, int64_t)> visit);

/// The places that communicate, each with its executions in a step: first those of the step in its order, then those
/// that only evaluation reaches, with 0. The order of Plan::collectives and of the program's sites.
std::vector<std::pair<mlir::Operation *, int64_t>> collectivesOf(mlir::ModuleOp module);

/// "GPT2.h.attn.qkv gpt2.colo:12:9" for a name over a file, line and column.
std::string describe(mlir::Location loc);

Plan computePlan(mlir::ModuleOp module);
void printPlanText(const Plan &plan, llvm::raw_ostream &os);
void printPlanJSON(const Plan &plan, llvm::raw_ostream &os);

} // namespace colo

#endif // COLO_PLAN_PLAN_H
