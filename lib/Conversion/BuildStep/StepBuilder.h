//===- StepBuilder.h - builds the optimizer step ---------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// BuildStep.cpp has what every program needs, PipelineStep.cpp what pipeline
// ranks do instead of running micro-batches one after the other. Where pipeline
// ranks differ, the step switches over the rank.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_BUILDSTEP_STEPBUILDER_H
#define COLO_CONVERSION_BUILDSTEP_STEPBUILDER_H

#include "StepKernels.h"
#include "colo/Conversion/Mesh.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Colo/StepPhase.h"
#include "colo/Dialect/Pipe/PipeDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"
#include <map>
#include <memory>

namespace colo {

/// Elements [begin, end) of the flat buffers and what is done with them alike.
struct Segment {
  int64_t begin, end;
  bool decay;
  mlir::ArrayAttr reduce, owners;
  llvm::ArrayRef<int64_t> shared; ///< pipeline ranks that hold the same parameters
  bool copy;                      ///< whether another of them counts for these in norms
};

/// What one pipeline rank holds.
struct RankLayout {
  int64_t elements = 0, workspaceBytes = 0;
  llvm::SmallVector<Segment> segments;
  /// Spans that its functions reduce themselves, rising.
  llvm::SmallVector<std::pair<int64_t, int64_t>> reduced;
};

/// The functions of a pipeline by virtual stage and task.
using StageFunctions = std::map<std::pair<int64_t, schedule::ActionKind>, mlir::func::FuncOp>;

enum class Pool;
class PipelineValues;
class RankProgram;

class StepBuilder {
public:
  StepBuilder(mlir::ModuleOp module, const Training &settings);
  ~StepBuilder();

  mlir::LogicalResult run() {
    if (mlir::failed(collect()) || mlir::failed(planPipeline()))
      return mlir::failure();
    startReductions();
    expandTotals();
    awaitCounts();
    buildStep();
    if (evaluate || !evaluateStages.empty())
      buildEvaluate();
    return mlir::success();
  }

private:
  mlir::LogicalResult collect();
  void collectFunction(mlir::func::FuncOp func, llvm::StringRef role);
  void collectSegments(mlir::ArrayAttr table);
  void collectNames();
  /// Turns `rt.gradients_ready` into reductions that run in the last micro-batch.
  void startReductions();
  void startReductions(mlir::func::FuncOp func, RankLayout &layout);
  /// Turns `rt.count` and `rt.metric` into sums of the step.
  void expandTotals();
  void buildStep();
  void buildEvaluate();

  mlir::func::FuncOp createFunction(llvm::StringRef name, llvm::StringRef role);
  void clear(llvm::StringRef name, int64_t elements, mlir::Type element);
  /// Copies totals to where the host reads them.
  void fetch(llvm::StringRef name, int64_t elements, mlir::Type element, int64_t stream = rt::kComputeStream);
  mlir::Value flatten(mlir::Value memref);
  void buildCounts();
  llvm::DenseSet<mlir::func::FuncOp> readersOfCounts();
  void awaitCounts();
  void awaitCounts(mlir::func::FuncOp func, const llvm::DenseSet<mlir::func::FuncOp> &readers);
  /// Waits until the denominators are summed over replicas.
  void awaitCounted();
  void buildInverses();
  void buildMicroBatches(mlir::func::FuncOp microBatch);
  void reduceGradients(mlir::Value span, mlir::ArrayAttr axes, llvm::ArrayRef<int64_t> shared);
  void reduceRest(const RankLayout &layout);
  void reduceMetrics();
  void sumOver(mlir::Value buffer, llvm::ArrayRef<llvm::StringRef> axes, bool replicas, bool stages,
               int64_t stream = rt::kComputeStream);
  void buildSquares(const RankLayout &layout, mlir::func::FuncOp kernel, mlir::Value partials, mlir::Value total);
  void buildGradientNorm();
  void buildUpdate();
  void buildUpdate(const RankLayout &layout, mlir::func::FuncOp kernel, mlir::Value factors);
  /// Runs `body` where this rank's coordinate is 0 on each of these axes.
  void whereOwner(mlir::ArrayAttr axes, llvm::function_ref<void()> body);
  /// Builds `body` once for each pipeline rank, run on that rank only.
  void onEachRank(llvm::function_ref<void(int64_t rank, RankLayout &layout)> body);

  // Pipelines.
  mlir::LogicalResult planPipeline();
  /// Runs the actions of a pipeline rank, once for each run of the schedule's micro-batches.
  void buildActions(const RankProgram &program);
  /// Marks where the action of a case starts or ends; actions of evaluation are not marked.
  void markAction(const RankProgram &program, size_t number, llvm::ArrayRef<mlir::Value> row, bool ends);
  void buildCase(const RankProgram &program, size_t number, llvm::ArrayRef<mlir::Value> row);
  void buildTask(const RankProgram &program, mlir::func::FuncOp func, llvm::ArrayRef<mlir::Value> row);
  /// Records or awaits the event of the slot that a row names of a transferred pool.
  template <typename Op>
  void onSlotEvent(const RankProgram &program, Pool pool, int64_t stream, llvm::ArrayRef<mlir::Value> row);
  void buildTransfer(const RankProgram &program, schedule::ActionKind kind, int64_t stage,
                     llvm::ArrayRef<mlir::Value> row);

  /// Names what is built from now on in traces, counters and errors.
  void name(llvm::StringRef what, StepPhase phase = StepPhase::Update) {
    loc = inPhase(mlir::NameLoc::get(b.getStringAttr(what)), phase);
  }
  mlir::Value index(int64_t value) { return b.create<mlir::arith::ConstantIndexOp>(loc, value); }
  mlir::Value real(double value) { return b.create<mlir::arith::ConstantOp>(loc, b.getF64FloatAttr(value)); }
  mlir::Value buffer(llvm::StringRef name, mlir::MemRefType type, int64_t input = 0) {
    return b.create<rt::BufferOp>(loc, type, b.getStringAttr(name), b.getI64IntegerAttr(input));
  }
  mlir::Value slot(mlir::Value base, int64_t offset, mlir::MemRefType type, mlir::Value dynamic = nullptr) {
    return b.create<rt::SlotOp>(loc, type, base, b.getI64IntegerAttr(offset), dynamic);
  }
  mlir::Value scalar(llvm::StringRef name, mlir::Type type) {
    return b.create<rt::ScalarOp>(loc, type, b.getStringAttr(name));
  }
  mlir::MemRefType flatType() { return mlir::MemRefType::get({elements}, element); }
  bool hasCopies() const { return readAs != element; }
  /// Of parameters in the type in which the program reads them.
  mlir::Value copies() { return buffer("copies", mlir::MemRefType::get({elements}, readAs)); }
  /// What micro-batches take for the parameters.
  mlir::Value readParameters() { return hasCopies() ? copies() : buffer("params", flatType()); }

  mlir::ModuleOp module;
  Training settings;
  Mesh mesh;
  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::func::FuncOp entry, count, evaluate, inverses;
  int64_t elements = 0, workspaceBytes = 0, terms = 0, metrics = 0;
  /// Of transfers between pipeline ranks: the event that starts one, then one for each slot.
  int64_t firstStageEvent = 0;
  mlir::Type element, readAs;
  pipe::ScheduleOp schedule; ///< null without a pipeline
  schedule::ScheduleProblem problem;
  std::vector<RankLayout> ranks; ///< one a pipeline rank
  StageFunctions trainStages, evaluateStages;
  std::unique_ptr<PipelineValues> trainValues, evaluateValues;
  std::vector<std::unique_ptr<RankProgram>> trainPrograms, evaluatePrograms; ///< one a pipeline rank
};

} // namespace colo

#endif // COLO_CONVERSION_BUILDSTEP_STEPBUILDER_H
