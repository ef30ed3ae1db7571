//===- BuildStep.cpp - the optimizer step around micro-batches -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Denominators are summed over replicas on stream 2 while the first micro-batch
// starts. Stream 0 computes; stream 1 reduces gradients over replicas (and over the
// tensor axes of their reduction set) as soon as the last micro-batch has
// completed them. What no layer announced is reduced after the last
// micro-batch. Norms, clipping and updates come after all reductions.
//
//===----------------------------------------------------------------------===//

#include "StepBuilder.h"
#include "colo/Conversion/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SetVector.h"

namespace colo {
#define GEN_PASS_DEF_BUILDSTEP
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

using rt::kCompleteEvent, rt::kReducedEvent;
static constexpr int64_t kCommunication = rt::kGradientStream;

//===----------------------------------------------------------------------===//
// What there is
//===----------------------------------------------------------------------===//

/// A function of a micro-batch: of the whole model, or of a virtual stage.
void StepBuilder::collectFunction(func::FuncOp func, StringRef role) {
  int64_t bytes = cast<MemRefType>(func.getArgument(0).getType()).getNumElements();
  auto stage = func->getAttrOfType<IntegerAttr>(pipe::kStageAttr);
  if (!stage) {
    (role == "entry" ? entry : role == "count" ? count : evaluate) = func;
    for (RankLayout &layout : ranks)
      layout.workspaceBytes = std::max(layout.workspaceBytes, bytes);
    return;
  }
  StringRef task = func->getAttrOfType<StringAttr>(pipe::kTaskAttr).getValue();
  schedule::ActionKind kind = *schedule::kindOf(task);
  (role == pipe::kStageRole ? trainStages : evaluateStages)[{stage.getInt(), kind}] = func;
  RankLayout &layout = ranks[problem.rankOf(stage.getInt())];
  layout.workspaceBytes = std::max(layout.workspaceBytes, bytes);
}

void StepBuilder::collectSegments(ArrayAttr table) {
  for (DictionaryAttr entries : table.getAsRange<DictionaryAttr>()) {
    auto rank = entries.getAs<IntegerAttr>("rank");
    auto shared = entries.getAs<DenseI64ArrayAttr>("shared");
    RankLayout &layout = ranks[rank ? rank.getInt() : 0];
    layout.segments.push_back({entries.getAs<IntegerAttr>("begin").getInt(), entries.getAs<IntegerAttr>("end").getInt(),
                               entries.getAs<BoolAttr>("decay").getValue(), entries.getAs<ArrayAttr>("reduce"),
                               entries.getAs<ArrayAttr>("owner_axes"),
                               shared ? shared.asArrayRef() : ArrayRef<int64_t>(), entries.contains("copy")});
    layout.elements = layout.segments.back().end;
  }
  for (RankLayout &layout : ranks) {
    int64_t partials = 0;
    for (const Segment &segment : layout.segments)
      partials += llvm::divideCeil(segment.end - segment.begin, kNormBlock);
    // Partial sums of the norm, then the update's factors lie in the workspace, which is free by then.
    layout.workspaceBytes = std::max<int64_t>({layout.workspaceBytes, partials * 8, kUpdateFactors * 8});
  }
}

LogicalResult StepBuilder::collect() {
  schedule = pipe::findSchedule(module);
  if (schedule)
    problem = pipe::problemOf(schedule);
  ranks.resize(problem.stages);
  for (func::FuncOp func : module.getOps<func::FuncOp>())
    if (auto role = func->getAttrOfType<StringAttr>(kRoleAttr))
      collectFunction(func, role.getValue());
  auto size = module->getAttrOfType<IntegerAttr>(kParamElementsAttr);
  auto table = module->getAttrOfType<ArrayAttr>(kSegmentsAttr);
  if (!entry || !size || !table)
    return module.emitError("needs an entry function on memrefs and laid out parameters; run plan-buffers first");
  elements = size.getInt();
  element = readAs = b.getF32Type();
  for (ParamOp param : module.getOps<ParamOp>()) {
    element = cast<RankedTensorType>(param.getType()).getElementType();
    readAs = param.getReadAs().value_or(element);
  }
  collectSegments(table);
  collectNames();
  return success();
}

void StepBuilder::collectNames() {
  llvm::SetVector<Attribute> names;
  module.walk([&](rt::MetricOp metric) { names.insert(metric.getNameAttr()); });
  module.walk([&](rt::CountOp op) { terms = std::max<int64_t>(terms, op.getTerm() + 1); });
  module.walk([&](rt::InverseCountOp op) { terms = std::max<int64_t>(terms, op.getTerm() + 1); });
  metrics = names.size();
  module->setAttr(kMetricsAttr, b.getArrayAttr(names.getArrayRef()));
  module->setAttr(kTermCountAttr, b.getI64IntegerAttr(terms));
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

void StepBuilder::reduceGradients(Value span, ArrayAttr axes, ArrayRef<int64_t> shared) {
  b.create<rt::RecordOp>(loc, kCompleteEvent, 0);
  b.create<rt::WaitOp>(loc, kCompleteEvent, kCommunication);
  auto reduce = b.create<rt::AllReduceOp>(loc, span, span, axes, b.getUnitAttr(), b.getI64IntegerAttr(kCommunication),
                                          IntegerAttr(), IntegerAttr(), b.getStringAttr("sum"));
  if (!shared.empty())
    reduce->setAttr(rt::kStagesAttr, b.getDenseI64ArrayAttr(shared));
}

/// Elements that one `rt.gradients_ready` covers over all iterations of the loop around it.
static std::pair<int64_t, int64_t> coveredSpan(rt::GradientsReadyOp op) {
  auto slot = op.getGradients().getDefiningOp<rt::SlotOp>();
  int64_t count = cast<MemRefType>(slot.getType()).getNumElements(), offset = slot.getOffset();
  if (auto loop = op->getParentOfType<scf::ForOp>())
    if (slot.getDynamic())
      count *= *getConstantIntValue(loop.getUpperBound());
  return {offset, offset + count};
}

void StepBuilder::startReductions() {
  if (!schedule)
    return startReductions(entry, ranks.front());
  for (auto &[key, func] : trainStages)
    startReductions(func, ranks[problem.rankOf(key.first)]);
}

void StepBuilder::startReductions(func::FuncOp func, RankLayout &layout) {
  SmallVector<rt::GradientsReadyOp> marks;
  func.walk([&](rt::GradientsReadyOp op) { marks.push_back(op); });
  Value last = func.getArguments().back();
  for (rt::GradientsReadyOp mark : marks) {
    layout.reduced.push_back(coveredSpan(mark));
    b.setInsertionPoint(mark);
    loc = inPhase(mark.getLoc(), StepPhase::Update);
    auto guard = b.create<scf::IfOp>(loc, last);
    guard->setAttr(rt::kLastMicroBatchAttr, b.getUnitAttr());
    b.setInsertionPointToStart(guard.thenBlock());
    reduceGradients(mark.getGradients(), mark.getAxes(), {});
    mark.erase();
  }
  loc = module.getLoc();
  llvm::sort(layout.reduced);
}

/// All of the gradients that micro-batches do not reduce.
void StepBuilder::reduceRest(const RankLayout &layout) {
  Value gradients = buffer("grads", flatType());
  for (const Segment &segment : layout.segments) {
    int64_t begin = segment.begin;
    auto reduce = [&](int64_t end) {
      if (begin < end)
        reduceGradients(slot(gradients, begin, MemRefType::get({end - begin}, element)), segment.reduce,
                        segment.shared);
    };
    const auto *span = llvm::lower_bound(layout.reduced, std::make_pair(segment.begin, int64_t(0)));
    for (; span != layout.reduced.end() && span->first < segment.end; ++span)
      if (span->second <= segment.end) {
        reduce(span->first);
        begin = span->second;
      }
    reduce(segment.end);
  }
}

void StepBuilder::sumOver(Value values, ArrayRef<StringRef> axes, bool replicas, bool stages, int64_t stream) {
  stages &= ranks.size() > 1;
  if (axes.empty() && !replicas && !stages)
    return;
  auto reduce =
      b.create<rt::AllReduceOp>(loc, values, values, b.getStrArrayAttr(axes), replicas ? b.getUnitAttr() : UnitAttr(),
                                b.getI64IntegerAttr(stream), IntegerAttr(), IntegerAttr(), b.getStringAttr("sum"));
  if (stages)
    reduce->setAttr(rt::kStagesAttr, b.getDenseI64ArrayAttr(llvm::to_vector(llvm::seq<int64_t>(0, ranks.size()))));
}

/// Stages that have no metric add zeros.
void StepBuilder::reduceMetrics() {
  name("metrics");
  if (!metrics)
    return;
  sumOver(buffer("metrics", MemRefType::get({metrics}, b.getF64Type())), {}, /*replicas=*/true, /*stages=*/true);
  fetch("metrics", metrics, b.getF64Type());
}

void StepBuilder::onEachRank(llvm::function_ref<void(int64_t, RankLayout &)> body) {
  if (ranks.size() == 1)
    return body(0, ranks.front());
  Value stage = b.create<arith::IndexCastOp>(loc, b.getIndexType(), scalar("stage", b.getI64Type()));
  auto cases = llvm::to_vector(llvm::seq<int64_t>(0, ranks.size()));
  auto branch = b.create<scf::IndexSwitchOp>(loc, TypeRange{}, stage, cases, cases.size());
  branch->setAttr(rt::kRankSwitchAttr, b.getUnitAttr());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&branch.getDefaultRegion());
  b.create<scf::YieldOp>(loc);
  for (auto [rank, region] : llvm::enumerate(branch.getCaseRegions())) {
    b.createBlock(&region);
    body(rank, ranks[rank]);
    b.create<scf::YieldOp>(loc);
  }
}

//===----------------------------------------------------------------------===//
// Micro-batches
//===----------------------------------------------------------------------===//

func::FuncOp StepBuilder::createFunction(StringRef name, StringRef role) {
  b.setInsertionPointToEnd(module.getBody());
  auto func = b.create<func::FuncOp>(loc, name, b.getFunctionType({}, {}));
  func->setAttr(kRoleAttr, b.getStringAttr(role));
  b.setInsertionPointToStart(func.addEntryBlock());
  return func;
}

void StepBuilder::clear(StringRef name, int64_t count, Type type) {
  if (count)
    b.create<rt::FillOp>(loc, buffer(name, MemRefType::get({count}, type)));
}

/// Calls `microBatch` once for each micro-batch of the step.
void StepBuilder::buildMicroBatches(func::FuncOp microBatch) {
  Type i64 = b.getI64Type();
  Value count = b.create<arith::IndexCastOp>(loc, b.getIndexType(), scalar("micro_batches", i64));
  Value last = b.create<arith::SubIOp>(loc, count, index(1));
  Value first = scalar("first_row", i64), rows = b.create<arith::ConstantIntOp>(loc, settings.microBatch, 64);
  auto loop = b.create<scf::ForOp>(loc, index(0), count, index(1));
  loop->setAttr(rt::kMicroBatchesAttr,
                b.getI64IntegerAttr(settings.batchSize / settings.microBatch * settings.accumulation));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  Value i = loop.getInductionVar(), number = b.create<arith::IndexCastOp>(loc, i64, i);
  Value row = b.create<arith::AddIOp>(loc, first, b.create<arith::MulIOp>(loc, number, rows));
  Value workspace = buffer("workspace", MemRefType::get({workspaceBytes}, b.getI8Type()));
  SmallVector<Value> arguments{slot(workspace, 0, cast<MemRefType>(microBatch.getArgument(0).getType())),
                               b.create<arith::ConstantIntOp>(loc, 0, 64), row};
  unsigned inputs = microBatch.getNumArguments() - 6;
  for (unsigned input = 0; input < inputs; ++input) {
    auto type = cast<MemRefType>(microBatch.getArgument(3 + input).getType());
    Value offset = b.create<arith::MulIOp>(loc, i, index(type.getNumElements()));
    arguments.push_back(slot(buffer("inputs", type, input), 0, type, offset));
  }
  arguments.push_back(readParameters());
  arguments.push_back(buffer("grads", flatType()));
  arguments.push_back(b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, i, last));
  b.create<func::CallOp>(loc, microBatch, arguments);
}

void StepBuilder::fetch(StringRef name, int64_t count, Type type, int64_t stream) {
  auto memref = MemRefType::get({count}, type);
  b.create<rt::FetchOp>(loc, buffer(name, memref), buffer(("host_" + name).str(), memref), b.getI64IntegerAttr(stream));
}

void StepBuilder::buildStep() {
  func::FuncOp step = createFunction("colo_step", "step");
  b.setInsertionPointToEnd(&step.getBody().front());
  onEachRank([&](int64_t, RankLayout &layout) { clear("grads", layout.elements, element); });
  clear("metrics", metrics, b.getF64Type());
  name("denominators");
  buildCounts();
  name("micro-batches");
  if (schedule)
    onEachRank([&](int64_t rank, RankLayout &) { buildActions(*trainPrograms[rank]); });
  else
    buildMicroBatches(entry);
  awaitCounted();
  name("gradients");
  onEachRank([&](int64_t, RankLayout &layout) { reduceRest(layout); });
  b.create<rt::RecordOp>(loc, kReducedEvent, kCommunication);
  b.create<rt::WaitOp>(loc, kReducedEvent, 0);
  reduceMetrics();
  name("optimizer");
  if (elements) {
    buildGradientNorm();
    buildUpdate();
  }
  b.create<func::ReturnOp>(loc);
}

void StepBuilder::buildEvaluate() {
  createFunction("colo_evaluate", "evaluate_step");
  clear("metrics", metrics, b.getF64Type());
  name("denominators");
  buildCounts();
  name("micro-batches");
  if (schedule)
    onEachRank([&](int64_t rank, RankLayout &) { buildActions(*evaluatePrograms[rank]); });
  else
    buildMicroBatches(evaluate);
  awaitCounted();
  reduceMetrics();
  b.create<func::ReturnOp>(loc);
}

//===----------------------------------------------------------------------===//
// Norm, clipping, update
//===----------------------------------------------------------------------===//

void StepBuilder::whereOwner(ArrayAttr axes, llvm::function_ref<void()> body) {
  if (axes.empty())
    return body();
  Value owner = b.create<arith::ConstantIntOp>(loc, 1, 1);
  for (StringAttr axis : axes.getAsRange<StringAttr>()) {
    Value coordinate = b.create<rt::AxisIndexOp>(loc, b.getIndexType(), axis);
    Value isZero = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, coordinate, index(0));
    owner = b.create<arith::AndIOp>(loc, owner, isZero);
  }
  auto guard = b.create<scf::IfOp>(loc, owner);
  OpBuilder::InsertionGuard insertion(b);
  b.setInsertionPointToStart(guard.thenBlock());
  body();
}

static int64_t bytesOf(Type element) { return rt::bytesOf(MemRefType::get({1}, element)); }

/// Of a launch over part of its operands.
static void setBytes(rt::LaunchOp launch, int64_t bytes) {
  launch->setAttr(rt::kBytesAttr, IntegerAttr::get(IntegerType::get(launch.getContext(), 64), bytes));
}

/// Adds the squares of this rank's part of the gradient to `total`, each parameter counted once.
void StepBuilder::buildSquares(const RankLayout &layout, func::FuncOp kernel, Value partials, Value total) {
  Value gradients = buffer("grads", flatType());
  int64_t first = 0;
  for (const Segment &segment : layout.segments) {
    int64_t rows = llvm::divideCeil(segment.end - segment.begin, kNormBlock);
    if (segment.copy)
      continue;
    whereOwner(segment.owners, [&] {
      SmallVector<Value> inputs{gradients, index(segment.begin), index(segment.end), index(first)};
      auto launch = b.create<rt::LaunchOp>(loc, TypeRange{}, FlatSymbolRefAttr::get(kernel), inputs,
                                           ValueRange{partials}, b.getI64IntegerAttr(rows));
      setBytes(launch, (segment.end - segment.begin) * bytesOf(element) + rows * bytesOf(b.getF64Type()));
      Value parts = slot(partials, first, MemRefType::get({rows}, b.getF64Type()));
      b.create<rt::SumOp>(loc, parts, total, b.getI64IntegerAttr(0));
    });
    first += rows;
  }
}

/// The norm of the summed gradient over tensor group and pipeline; stored for the log.
void StepBuilder::buildGradientNorm() {
  int64_t blocks = 0;
  for (const RankLayout &layout : ranks) {
    int64_t own = 0;
    for (const Segment &segment : layout.segments)
      own += llvm::divideCeil(segment.end - segment.begin, kNormBlock);
    blocks = std::max(blocks, own);
  }
  func::FuncOp kernel = createNormKernel(module, flatType(), blocks);
  Value total = buffer("grad_norm", MemRefType::get({1}, b.getF64Type()));
  b.create<rt::FillOp>(loc, total);
  Value workspace = buffer("workspace", MemRefType::get({workspaceBytes}, b.getI8Type()));
  Value partials = slot(workspace, 0, MemRefType::get({blocks}, b.getF64Type()));
  onEachRank([&](int64_t, RankLayout &layout) { buildSquares(layout, kernel, partials, total); });
  SmallVector<StringRef> axes;
  for (const MeshAxis &axis : mesh)
    axes.push_back(axis.name);
  sumOver(total, axes, /*replicas=*/false, /*stages=*/true);
}

/// The norm and what follows from it stay where the gradients are: the host reads the norm when the step is done.
void StepBuilder::buildUpdate() {
  Type f64 = b.getF64Type();
  Value workspace = buffer("workspace", MemRefType::get({workspaceBytes}, b.getI8Type()));
  Value factors = slot(workspace, 0, MemRefType::get({kUpdateFactors}, f64));
  bool scaled = settings.lossScale != 0;
  SmallVector<Value> inputs{scalar("lr", f64), scalar("bias_correction1", f64), scalar("bias_correction2", f64),
                            scalar(scaled ? "updates" : "step", b.getI64Type())};
  if (scaled)
    inputs.push_back(scalar("loss_scale", f64));
  SmallVector<Value> outs{buffer("grad_norm", MemRefType::get({1}, f64)), factors};
  b.create<rt::LaunchOp>(loc, TypeRange{}, FlatSymbolRefAttr::get(createFactorsKernel(module, settings)), inputs, outs,
                         b.getI64IntegerAttr(1));
  fetch("grad_norm", 1, f64);
  auto copies = hasCopies() ? MemRefType::get({elements}, readAs) : MemRefType();
  func::FuncOp kernel = createUpdateKernel(module, flatType(), copies, settings);
  onEachRank([&](int64_t, RankLayout &layout) { buildUpdate(layout, kernel, factors); });
}

/// Neighbouring segments with one decay rule, and the gaps between them, are one launch.
void StepBuilder::buildUpdate(const RankLayout &layout, func::FuncOp kernel, Value factors) {
  ArrayRef<Segment> segments = layout.segments;
  SmallVector<Value> outs{buffer("params", flatType())};
  static constexpr StringLiteral states[] = {"state0", "state1"};
  for (int64_t i = 0; i < settings.stateBuffers(); ++i)
    outs.push_back(buffer(states[i], flatType()));
  if (hasCopies())
    outs.push_back(copies());
  Value gradients = buffer("grads", flatType());
  for (size_t i = 0; i < segments.size();) {
    size_t end = i;
    while (end < segments.size() && segments[end].decay == segments[i].decay)
      ++end;
    int64_t begin = segments[i].begin, stop = segments[end - 1].end;
    SmallVector<Value> inputs{gradients, index(begin), factors,
                              index(segments[i].decay ? kDecayFactor : kNoDecayFactor)};
    auto launch = b.create<rt::LaunchOp>(loc, TypeRange{}, FlatSymbolRefAttr::get(kernel), inputs, outs,
                                         b.getI64IntegerAttr(stop - begin));
    // Gradients are read, copies written, parameters and the optimizer's state both.
    int64_t moved = bytesOf(element) * (3 + 2 * settings.stateBuffers()) + (hasCopies() ? bytesOf(readAs) : 0);
    setBytes(launch, (stop - begin) * moved);
    i = end;
  }
}

namespace {

struct BuildStep : colo::impl::BuildStepBase<BuildStep> {
  void runOnOperation() override {
    FailureOr<Training> settings = Training::of(getOperation());
    if (failed(settings) || failed(StepBuilder(getOperation(), *settings).run()))
      signalPassFailure();
  }
};

} // namespace
