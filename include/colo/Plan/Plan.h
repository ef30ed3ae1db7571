//===- Plan.h - memory, work and communication of a program -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What one rank holds, computes and sends in one optimizer step, read off the
// program of phase `rt`. Memory in bytes, work in floating-point operations
// (multiply-adds count as two), communication in bytes and messages that leave
// each rank, by the rule of docs/communication.md: what the run's own counters
// will say, rank by rank.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_PLAN_PLAN_H
#define COLO_PLAN_PLAN_H

#include "colo/Dialect/Colo/StepPhase.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <optional>
#include <string>
#include <vector>

namespace llvm {
class raw_ostream;
namespace json {
class OStream;
} // namespace json
} // namespace llvm

namespace colo {

/// One place in the program that communicates.
struct PlannedCollective {
  std::string kind;   ///< all_reduce, …
  std::string source; ///< "GPT2.h.attn.proj gpt2.colo:12:9"
  StepPhase phase;
  std::vector<std::string> axes;    ///< "pp" or "pp:0:3" first if over stages, tensor axes, "dp" last if over replicas
  std::optional<GroupTraffic> sent; ///< in `rounds` executions; nothing where an unknown number of replicas decides
  std::vector<int64_t> executions;  ///< a step, one number a pipeline rank; 0 where only evaluation gets
  int64_t payload;                  ///< bytes of the buffer that is reduced, gathered, exchanged
  int64_t rounds = 1;               ///< executions that belong together: each round of a loop may have another root
  int64_t most = -1;                ///< bytes in one execution of the member that sends most; -1 as `sent`

  /// Executions in a step of the pipeline rank that has most.
  int64_t perStep() const;
  /// What the members that lie on a pipeline rank send in a step.
  std::optional<GroupTraffic> sentPerStep(int64_t stage) const {
    return sent ? std::optional(*sent * (executions[stage] / rounds)) : std::nullopt;
  }
  /// Of the member that sends most bytes; of several, of one with most messages.
  std::optional<Traffic> mostPerStep() const;
};

/// Everything that is sent over one list of axes in a step.
struct AxesTotal {
  std::vector<std::string> axes;
  /// Of the members on each pipeline rank; nothing where an unknown number of replicas decides.
  std::optional<std::vector<GroupTraffic>> sent;

  std::optional<Traffic> most() const;
};

/// What one pipeline rank holds and computes.
struct PlannedStage {
  int64_t parameters = 0, copies = 0, workspace = 0; ///< bytes
  int64_t saved = 0; ///< of the workspace, what forwards keep for backwards in all live micro-batches
  int64_t flops = 0; ///< of one step's products
  Traffic transfers; ///< what one rank sends to other pipeline ranks in a step, reductions apart
};

/// Of one rank and one optimizer step. Bytes are those of the pipeline rank that holds most in all, flops of that which
/// computes most.
struct Plan {
  std::vector<std::pair<std::string, int64_t>> mesh;         ///< tensor axes and sizes, major to minor
  int64_t tensorRanks = 1;                                   ///< of the tensor group
  int64_t replicas = 0;                                      ///< 0: unknown before launch
  int64_t parameters = 0, gradients = 0, optimizerState = 0; ///< bytes
  int64_t stateBuffers = 0;                                  ///< of the optimizer, each as large as the parameters
  int64_t copies = 0;                                        ///< of parameters, in the type in which they are read
  int64_t workspace = 0;                                     ///< activations and temporaries
  int64_t activations = 0;                                   ///< of the workspace, what is saved for backward
  int64_t inputs = 0;                                        ///< of one step
  int64_t staging = 0;                                       ///< inputs of the next step, on GPUs
  int64_t flops = 0;                                         ///< of one step's products
  int64_t microBatches = 1;                                  ///< per step and replica
  std::vector<PlannedStage> pipeline;                        ///< one a pipeline rank
  int64_t largest = 0, busiest = 0;                          ///< the pipeline ranks that bytes and flops are of
  std::vector<PlannedCollective> collectives;                ///< in the order of collectivesOf
  std::vector<AxesTotal> totals;                             ///< in the order of first use in a step

  int64_t total() const { return parameters + copies + gradients + optimizerState + workspace + inputs + staging; }
  /// Of one replica.
  int64_t ranks() const { return tensorRanks * stages(); }
  int64_t stages() const { return std::max<int64_t>(1, static_cast<int64_t>(pipeline.size())); }
  /// Bytes of a rank of one pipeline rank.
  int64_t totalOf(const PlannedStage &stage) const;
  /// What the rank of the world that sends most bytes sends in a step; of several, one with most messages. What unknown
  /// replicas decide is left out.
  Traffic mostSent() const;
};

/// Calls `visit(op, executions)` for each op of the step in the order of the program; a function that is called from
/// two places is visited twice. `microBatches` of a step, 0: as compiled; `rank` of the pipeline, -1: all of them.
void walkStep(mlir::ModuleOp module, llvm::function_ref<void(mlir::Operation *, int64_t)> visit,
              int64_t microBatches = 0, int64_t rank = -1);

/// The places that communicate: first those of the step in its order, then those that only evaluation reaches. The
/// order of Plan::collectives and of the program's sites.
std::vector<rt::CommunicationOpInterface> collectivesOf(mlir::ModuleOp module);

/// "GPT2.h.attn.qkv gpt2.colo:12:9" for a name over a file, line and column.
std::string describe(mlir::Location loc);

/// `replicas` 0: those that the configuration asks for, if it does.
Plan computePlan(mlir::ModuleOp module, int64_t replicas = 0);
/// As --plan shows it: a table of each kind.
void printPlanText(const Plan &plan, llvm::raw_ostream &os);
/// As --plan=json: one object; of what unknown replicas decide, -1 or null.
void printPlanJSON(const Plan &plan, llvm::raw_ostream &os);
/// Adds the attribute "memory", bytes by what they are for, to the object that is open.
void printMemoryJSON(const Plan &plan, llvm::json::OStream &json);

} // namespace colo

#endif // COLO_PLAN_PLAN_H
