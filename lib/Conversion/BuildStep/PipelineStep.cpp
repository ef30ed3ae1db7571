//===- PipelineStep.cpp - the actions of pipeline ranks -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Actions run in their order on stream 0, transfers in their order on a stream of
// their own. A transfer starts when what stands before it in the list has been
// computed; an action waits for the transfers of its slots, all of which stand
// before it. So whatever waits, waits for what stands before it or for the
// counterpart of a transfer, and the proof of the schedule holds, in which
// everything waits for all that stands before it.
//
//===----------------------------------------------------------------------===//

#include "RankProgram.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace colo;
using schedule::ActionKind;

StepBuilder::StepBuilder(ModuleOp module, const Training &settings)
    : module(module), settings(settings), mesh(getMesh(module)), b(module.getContext()), loc(module.getLoc()) {}

StepBuilder::~StepBuilder() = default;

/// Forward only: a rank runs its virtual stages for one micro-batch after the other.
static schedule::Schedule forwardSchedule(const schedule::ScheduleProblem &problem) {
  schedule::Schedule result;
  result.ranks.resize(problem.stages);
  for (int64_t microBatch = 0; microBatch < problem.microBatches; ++microBatch)
    for (int64_t stage = 0; stage < problem.numVirtualStages(); ++stage) {
      int32_t rank = problem.rankOf(stage), chunk = problem.chunkOf(stage);
      auto add = [&](ActionKind kind, int32_t peer) {
        result.ranks[rank].push_back({kind, /*grouped=*/false, static_cast<int32_t>(microBatch), chunk, peer});
      };
      if (stage > 0 && problem.rankOf(stage - 1) != rank)
        add(ActionKind::ReceiveActivation, problem.rankOf(stage - 1));
      add(ActionKind::Forward, -1);
      if (stage + 1 < problem.numVirtualStages() && problem.rankOf(stage + 1) != rank)
        add(ActionKind::SendActivation, problem.rankOf(stage + 1));
    }
  return result;
}

LogicalResult StepBuilder::planPipeline() {
  if (schedule) {
    FailureOr<schedule::Schedule> actions = pipe::scheduleOf(schedule);
    if (failed(actions))
      return failure();
    auto plan = [&](const StageFunctions &functions, const schedule::Schedule &lists,
                    std::unique_ptr<PipelineValues> &values, std::vector<std::unique_ptr<RankProgram>> &programs) {
      values = std::make_unique<PipelineValues>(functions);
      for (auto [rank, list] : llvm::enumerate(lists.ranks))
        programs.push_back(
            std::make_unique<RankProgram>(problem, functions, *values, rank, list, ranks[rank].workspaceBytes));
    };
    plan(trainStages, *actions, trainValues, trainPrograms);
    plan(evaluateStages, forwardSchedule(problem), evaluateValues, evaluatePrograms);
    for (auto [layout, train, evaluate] : llvm::zip(ranks, trainPrograms, evaluatePrograms))
      layout.workspaceBytes = std::max(train->workspaceBytes(), evaluate->workspaceBytes());
  }
  firstStageEvent = rt::kFirstLayerEvent;
  module.walk(
      [&](rt::RecordOp op) { firstStageEvent = std::max<int64_t>(firstStageEvent, op.getEvent() + op.getCount()); });
  SmallVector<int64_t> bytes, saved;
  for (const RankLayout &layout : ranks)
    bytes.push_back(layout.workspaceBytes);
  workspaceBytes = *llvm::max_element(bytes);
  module->setAttr(kWorkspaceBytesAttr, b.getI64IntegerAttr(workspaceBytes));
  if (!schedule)
    return success();
  for (const auto &program : trainPrograms)
    saved.push_back(program->savedBytes());
  module->setAttr(kRankWorkspaceBytesAttr, b.getDenseI64ArrayAttr(bytes));
  module->setAttr(kRankSavedBytesAttr, b.getDenseI64ArrayAttr(saved));
  return success();
}

void StepBuilder::buildActions(const RankProgram &program) {
  OpBuilder::InsertionGuard guard(b);
  Type i64 = b.getI64Type();
  Value batches = b.create<arith::IndexCastOp>(loc, b.getIndexType(), scalar("micro_batches", i64));
  Value runs = b.create<arith::DivUIOp>(loc, batches, index(problem.microBatches));
  Value lastRun = b.create<arith::SubIOp>(loc, runs, index(1));
  Value table =
      b.create<rt::TableOp>(loc, MemRefType::get({program.numRows(), RankProgram::kColumns}, i64), program.rows());
  auto outer = b.create<scf::ForOp>(loc, index(0), runs, index(1));
  outer->setAttr(rt::kMicroBatchesAttr, b.getI64IntegerAttr(settings.accumulation));
  outer->setAttr(rt::kRoundAttr, b.getI64IntegerAttr(problem.microBatches));
  b.setInsertionPoint(outer.getBody()->getTerminator());
  auto loop = b.create<scf::ForOp>(loc, index(0), index(program.numRows()), index(1));
  b.setInsertionPoint(loop.getBody()->getTerminator());
  SmallVector<Value> row;
  for (unsigned column = 0; column < RankProgram::kColumns; ++column) {
    Value entry = b.create<memref::LoadOp>(loc, table, ValueRange{loop.getInductionVar(), index(column)});
    row.push_back(b.create<arith::IndexCastOp>(loc, b.getIndexType(), entry));
  }
  Value before = b.create<arith::MulIOp>(loc, outer.getInductionVar(), index(problem.microBatches));
  row[RankProgram::kMicroBatch] = b.create<arith::AddIOp>(loc, before, row[RankProgram::kMicroBatch]);
  Value isLastRun = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, outer.getInductionVar(), lastRun);
  Value isLast = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ne, row[RankProgram::kLast], index(0));
  row[RankProgram::kLast] = b.create<arith::AndIOp>(loc, isLastRun, isLast);
  auto numbers = llvm::to_vector(llvm::seq<int64_t>(0, program.cases().size()));
  auto branch = b.create<scf::IndexSwitchOp>(loc, TypeRange{}, row[RankProgram::kCase], numbers, numbers.size());
  branch->setAttr(rt::kExecutionsAttr, b.getDenseI64ArrayAttr(program.executions()));
  b.createBlock(&branch.getDefaultRegion());
  b.create<scf::YieldOp>(loc);
  for (auto [i, region] : llvm::enumerate(branch.getCaseRegions())) {
    b.createBlock(&region);
    buildCase(program, i, row);
    b.create<scf::YieldOp>(loc);
  }
  // Nothing is in flight when the slots are given out anew.
  b.setInsertionPointAfter(loop);
  b.create<rt::RecordOp>(loc, firstStageEvent, rt::kStageStream);
  b.create<rt::WaitOp>(loc, firstStageEvent, rt::kComputeStream);
}

void StepBuilder::buildCase(const RankProgram &program, size_t number, ArrayRef<Value> row) {
  const RankProgram::Case &which = program.cases()[number];
  switch (which.what) {
  case RankProgram::Case::GroupStart:
    b.create<rt::GroupStartOp>(loc);
    return;
  case RankProgram::Case::GroupEnd:
    b.create<rt::GroupEndOp>(loc);
    return;
  case RankProgram::Case::Finish:
    markAction(program, number, row, /*ends=*/true);
    for (Pool pool : program.transferredPools(which))
      onSlotEvent<rt::RecordOp>(program, pool, rt::kStageStream, row);
    return;
  case RankProgram::Case::Act:
    break;
  }
  if (!schedule::isCompute(which.kind)) {
    b.create<rt::RecordOp>(loc, firstStageEvent, rt::kComputeStream);
    b.create<rt::WaitOp>(loc, firstStageEvent, rt::kStageStream);
    markAction(program, number, row, /*ends=*/false);
    return buildTransfer(program, which.kind, which.stage, row);
  }
  for (Pool pool : program.transferredPools(which))
    onSlotEvent<rt::WaitOp>(program, pool, rt::kComputeStream, row);
  markAction(program, number, row, /*ends=*/false);
  for (func::FuncOp func : program.functionsOf(which.kind, which.stage))
    buildTask(program, func, row);
  markAction(program, number, row, /*ends=*/true);
}

template <typename Op>
void StepBuilder::onSlotEvent(const RankProgram &program, Pool pool, int64_t stream, ArrayRef<Value> row) {
  b.create<Op>(loc, b.getI64IntegerAttr(firstStageEvent + 1), b.getI64IntegerAttr(stream),
               row[RankProgram::kEvents + static_cast<unsigned>(pool)], b.getI64IntegerAttr(program.numEvents()));
}

/// The virtual stage that a transfer of another one goes to or comes from: activations go up and gradients down.
static int64_t otherStage(ActionKind kind, int64_t stage) {
  bool up = kind == ActionKind::SendActivation || kind == ActionKind::ReceiveGradient;
  return up ? stage + 1 : stage - 1;
}

static int64_t peerOf(const schedule::ScheduleProblem &problem, ActionKind kind, int64_t stage) {
  return schedule::isCompute(kind) ? -1 : problem.rankOf(otherStage(kind, stage));
}

void StepBuilder::markAction(const RankProgram &program, size_t number, ArrayRef<Value> row, bool ends) {
  const RankProgram::Case &which = program.cases()[number];
  if (&program.pipelineValues() != trainValues.get())
    return;
  int64_t stream = schedule::isCompute(which.kind) ? rt::kComputeStream : rt::kStageStream;
  b.create<rt::ActionOp>(loc, b.getStringAttr(schedule::mnemonic(which.kind)), b.getI64IntegerAttr(which.stage),
                         row[RankProgram::kMicroBatch], b.getI64IntegerAttr(peerOf(problem, which.kind, which.stage)),
                         b.getI64IntegerAttr(stream), ends ? b.getUnitAttr() : UnitAttr(), IntegerAttr());
}

static Value slotColumn(ArrayRef<Value> row, Pool pool) {
  return row[RankProgram::kPools + static_cast<unsigned>(pool)];
}

void StepBuilder::buildTask(const RankProgram &program, func::FuncOp func, ArrayRef<Value> row) {
  Type i64 = b.getI64Type();
  Value workspace = buffer("workspace", MemRefType::get({workspaceBytes}, b.getI8Type()));
  Value microBatch = row[RankProgram::kMicroBatch];
  Value number = b.create<arith::IndexCastOp>(loc, i64, microBatch);
  Value rows = b.create<arith::ConstantIntOp>(loc, settings.microBatch, 64);
  Value firstRow = b.create<arith::AddIOp>(loc, scalar("first_row", i64), b.create<arith::MulIOp>(loc, number, rows));
  SmallVector<Value> arguments{slot(workspace, 0, cast<MemRefType>(func.getArgument(0).getType())),
                               b.create<arith::ConstantIntOp>(loc, 0, 64), firstRow};
  const PipelineValues &values = program.pipelineValues();
  auto place = [&](const PipelineValue &value) {
    arguments.push_back(slot(workspace, value.offset, value.type, slotColumn(row, value.pool)));
  };
  for (int64_t read : func->getAttrOfType<DenseI64ArrayAttr>(pipe::kReadsAttr).asArrayRef()) {
    if (read >= 0) {
      place(values.read(read));
      continue;
    }
    auto type = cast<MemRefType>(func.getArgument(arguments.size()).getType());
    Value offset = b.create<arith::MulIOp>(loc, microBatch, index(type.getNumElements()));
    arguments.push_back(slot(buffer("inputs", type, -1 - read), 0, type, offset));
  }
  for (int64_t written : func->getAttrOfType<DenseI64ArrayAttr>(pipe::kWritesAttr).asArrayRef())
    place(values.made(written));
  arguments.push_back(readParameters());
  arguments.push_back(buffer("grads", flatType()));
  arguments.push_back(row[RankProgram::kLast]);
  b.create<func::CallOp>(loc, func, arguments);
}

void StepBuilder::buildTransfer(const RankProgram &program, ActionKind kind, int64_t stage, ArrayRef<Value> row) {
  bool activation = kind == ActionKind::SendActivation || kind == ActionKind::ReceiveActivation;
  bool sends = schedule::isSend(kind);
  Pool pool =
      activation ? (sends ? Pool::Outputs : Pool::Inputs) : (sends ? Pool::InputGradients : Pool::OutputGradients);
  int64_t peer = peerOf(problem, kind, stage);
  Value workspace = buffer("workspace", MemRefType::get({workspaceBytes}, b.getI8Type()));
  IntegerAttr stream = b.getI64IntegerAttr(rt::kStageStream);
  IntegerAttr own = b.getI64IntegerAttr(problem.rankOf(stage));
  int64_t other = otherStage(kind, stage);
  std::string way = llvm::formatv("stage {0} to {1}", sends ? stage : other, sends ? other : stage);
  const PipelineValues &values = program.pipelineValues();
  auto all = b.getDenseI64ArrayAttr(llvm::to_vector(llvm::seq<int64_t>(0, ranks.size())));
  for (int64_t number : values.numbersIn(pool, stage)) {
    const PipelineValue &value = sends ? values.made(number) : values.read(number);
    loc = inPhase(NameLoc::get(b.getStringAttr(way), values.sourceOf(number)),
                  activation ? StepPhase::Forward : StepPhase::Backward);
    Value place = slot(workspace, value.offset, value.type, slotColumn(row, pool));
    Operation *op;
    if (sends)
      op = b.create<rt::SendOp>(loc, place, b.getI64IntegerAttr(peer), own, b.getArrayAttr({}), stream, IntegerAttr(),
                                IntegerAttr());
    else
      op = b.create<rt::ReceiveOp>(loc, place, b.getI64IntegerAttr(peer), own, b.getArrayAttr({}), stream,
                                   IntegerAttr(), IntegerAttr());
    op->setAttr(rt::kStagesAttr, all);
  }
}
