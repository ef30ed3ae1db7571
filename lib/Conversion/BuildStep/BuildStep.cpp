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

#include "StepKernels.h"
#include "colo/Conversion/Mesh.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

namespace colo {
#define GEN_PASS_DEF_BUILDSTEP
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

using rt::kCompleteEvent, rt::kReducedEvent;
static constexpr int64_t kCommunication = rt::kGradientStream;

namespace {

/// Elements [begin, end) of the flat buffers and what is done with them alike.
struct Segment {
  int64_t begin, end;
  bool decay;
  ArrayAttr reduce, owners;
};

class StepBuilder {
public:
  StepBuilder(ModuleOp module, const Training &settings)
      : module(module), settings(settings), mesh(getMesh(module)), b(module.getContext()), loc(module.getLoc()) {}

  LogicalResult run() {
    if (failed(collect()))
      return failure();
    startReductions();
    expandCounts();
    name("denominators");
    awaitCounts(entry);
    awaitCounts(evaluate);
    loc = module.getLoc();
    buildStep();
    if (evaluate)
      buildEvaluate();
    return success();
  }

private:
  LogicalResult collect();
  void collectNames();
  /// Turns `rt.gradients_ready` into reductions that run in the last micro-batch.
  void startReductions();
  /// Turns `rt.count` into a loop that adds weights to the denominators.
  void expandCounts();
  void buildStep();
  void buildEvaluate();

  func::FuncOp createFunction(StringRef name, StringRef role);
  void clear(StringRef name, int64_t elements, Type element);
  void buildCounts();
  llvm::DenseSet<func::FuncOp> readersOfCounts();
  void awaitCounts(func::FuncOp microBatch);
  void buildInverses();
  void buildMicroBatches(func::FuncOp microBatch);
  void reduceGradients(Value span, ArrayAttr axes);
  void reduceRest();
  void reduceOverReplicas(Value buffer, int64_t stream = rt::kComputeStream);
  Value buildGradientNorm();
  Value buildClip(Value norm);
  void buildUpdate(Value clip);
  /// Runs `body` where this rank's coordinate is 0 on each of these axes.
  void whereOwner(ArrayAttr axes, llvm::function_ref<void()> body);

  /// Names what is built from now on in traces, counters and errors.
  void name(StringRef what) { loc = NameLoc::get(b.getStringAttr(what)); }
  Value index(int64_t value) { return b.create<arith::ConstantIndexOp>(loc, value); }
  Value real(double value) { return b.create<arith::ConstantOp>(loc, b.getF64FloatAttr(value)); }
  Value buffer(StringRef name, MemRefType type, int64_t input = 0) {
    return b.create<rt::BufferOp>(loc, type, b.getStringAttr(name), b.getI64IntegerAttr(input));
  }
  Value slot(Value base, int64_t offset, MemRefType type, Value dynamic = nullptr) {
    return b.create<rt::SlotOp>(loc, type, base, b.getI64IntegerAttr(offset), dynamic);
  }
  Value scalar(StringRef name, Type type) { return b.create<rt::ScalarOp>(loc, type, b.getStringAttr(name)); }
  MemRefType flatType() { return MemRefType::get({elements}, element); }

  ModuleOp module;
  Training settings;
  Mesh mesh;
  OpBuilder b;
  Location loc;
  func::FuncOp entry, count, evaluate;
  int64_t elements = 0, workspaceBytes = 0, terms = 0, metrics = 0;
  Type element;
  SmallVector<Segment> segments;
  /// Spans that entry reduces itself, rising.
  SmallVector<std::pair<int64_t, int64_t>> reduced;
};

} // namespace

//===----------------------------------------------------------------------===//
// What there is
//===----------------------------------------------------------------------===//

LogicalResult StepBuilder::collect() {
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    auto role = func->getAttrOfType<StringAttr>(kRoleAttr);
    if (!role)
      continue;
    (role.getValue() == "entry" ? entry : role.getValue() == "count" ? count : evaluate) = func;
    workspaceBytes = std::max(workspaceBytes, cast<MemRefType>(func.getArgument(0).getType()).getNumElements());
  }
  auto size = module->getAttrOfType<IntegerAttr>("colo.param_elements");
  auto table = module->getAttrOfType<ArrayAttr>("colo.segments");
  if (!entry || !size || !table)
    return module.emitError("needs an entry function on memrefs and laid out parameters; run plan-buffers first");
  elements = size.getInt();
  element = b.getF32Type();
  for (ParamOp param : module.getOps<ParamOp>())
    element = cast<RankedTensorType>(param.getType()).getElementType();
  int64_t partials = 0;
  for (DictionaryAttr entries : table.getAsRange<DictionaryAttr>()) {
    Segment segment{entries.getAs<IntegerAttr>("begin").getInt(), entries.getAs<IntegerAttr>("end").getInt(),
                    entries.getAs<BoolAttr>("decay").getValue(), entries.getAs<ArrayAttr>("reduce"),
                    entries.getAs<ArrayAttr>("owner_axes")};
    segments.push_back(segment);
    partials += llvm::divideCeil(segment.end - segment.begin, kNormBlock);
  }
  // Partial sums of the norm lie in the workspace, which is free by then.
  workspaceBytes = std::max(workspaceBytes, partials * 8);
  collectNames();
  return success();
}

void StepBuilder::collectNames() {
  llvm::SetVector<Attribute> names;
  module.walk([&](rt::MetricOp metric) { names.insert(metric.getNameAttr()); });
  module.walk([&](rt::CountOp op) { terms = std::max<int64_t>(terms, op.getTerm() + 1); });
  module.walk([&](rt::InverseCountOp op) { terms = std::max<int64_t>(terms, op.getTerm() + 1); });
  metrics = names.size();
  module->setAttr("colo.metrics", b.getArrayAttr(names.getArrayRef()));
  module->setAttr("colo.term_count", b.getI64IntegerAttr(terms));
  module->setAttr("colo.workspace_bytes", b.getI64IntegerAttr(workspaceBytes));
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

void StepBuilder::reduceGradients(Value span, ArrayAttr axes) {
  b.create<rt::RecordOp>(loc, kCompleteEvent, 0);
  b.create<rt::WaitOp>(loc, kCompleteEvent, kCommunication);
  b.create<rt::AllReduceOp>(loc, span, span, axes, b.getUnitAttr(), b.getI64IntegerAttr(kCommunication), IntegerAttr(),
                            IntegerAttr(), b.getStringAttr("sum"));
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
  SmallVector<rt::GradientsReadyOp> marks;
  entry.walk([&](rt::GradientsReadyOp op) { marks.push_back(op); });
  Value last = entry.getArguments().back();
  for (rt::GradientsReadyOp mark : marks) {
    reduced.push_back(coveredSpan(mark));
    b.setInsertionPoint(mark);
    loc = mark.getLoc();
    auto guard = b.create<scf::IfOp>(loc, last);
    guard->setAttr(rt::kLastMicroBatchAttr, b.getUnitAttr());
    b.setInsertionPointToStart(guard.thenBlock());
    reduceGradients(mark.getGradients(), mark.getAxes());
    mark.erase();
  }
  loc = module.getLoc();
  llvm::sort(reduced);
}

/// All of the gradients that entry does not reduce.
void StepBuilder::reduceRest() {
  Value gradients = buffer("grads", flatType());
  for (const Segment &segment : segments) {
    int64_t begin = segment.begin;
    auto reduce = [&](int64_t end) {
      if (begin < end)
        reduceGradients(slot(gradients, begin, MemRefType::get({end - begin}, element)), segment.reduce);
    };
    for (auto [from, to] : reduced)
      if (from >= segment.begin && to <= segment.end) {
        reduce(from);
        begin = to;
      }
    reduce(segment.end);
  }
  b.create<rt::RecordOp>(loc, kReducedEvent, kCommunication);
  b.create<rt::WaitOp>(loc, kReducedEvent, 0);
}

void StepBuilder::reduceOverReplicas(Value values, int64_t stream) {
  b.create<rt::AllReduceOp>(loc, values, values, b.getArrayAttr({}), b.getUnitAttr(), b.getI64IntegerAttr(stream),
                            IntegerAttr(), IntegerAttr(), b.getStringAttr("sum"));
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
  arguments.push_back(buffer("params", flatType()));
  arguments.push_back(buffer("grads", flatType()));
  arguments.push_back(b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, i, last));
  b.create<func::CallOp>(loc, microBatch, arguments);
}

void StepBuilder::expandCounts() {
  SmallVector<rt::CountOp> ops;
  module.walk([&](rt::CountOp op) { ops.push_back(op); });
  for (rt::CountOp op : ops) {
    b.setInsertionPoint(op);
    auto type = cast<MemRefType>(op.getWeights().getType());
    Value weights = slot(op.getWeights(), 0, MemRefType::get({type.getNumElements()}, type.getElementType()));
    auto loop = b.create<scf::ForOp>(loc, index(0), index(type.getNumElements()), index(1), ValueRange{real(0)},
                                     [&](OpBuilder &nested, Location at, Value i, ValueRange carried) {
                                       Value weight = nested.create<memref::LoadOp>(at, weights, i);
                                       if (!type.getElementType().isF64())
                                         weight = nested.create<arith::ExtFOp>(at, nested.getF64Type(), weight);
                                       nested.create<scf::YieldOp>(
                                           at, nested.create<arith::AddFOp>(at, carried.front(), weight).getResult());
                                     });
    Value counts = buffer("counts", MemRefType::get({terms}, b.getI64Type())), term = index(op.getTerm());
    Value added = b.create<arith::FPToSIOp>(loc, b.getI64Type(), loop.getResult(0));
    Value before = b.create<memref::LoadOp>(loc, counts, term);
    b.create<memref::StoreOp>(loc, b.create<arith::AddIOp>(loc, before, added), counts, term);
    op.erase();
  }
}

/// Denominators of the global batch. Their sum over the replicas is on its way while the first micro-batch runs up to
/// its first use.
void StepBuilder::buildCounts() {
  if (!terms)
    return;
  clear("counts", terms, b.getI64Type());
  if (count)
    buildMicroBatches(count);
  b.create<rt::RecordOp>(loc, rt::kStartEvent, rt::kComputeStream);
  b.create<rt::WaitOp>(loc, rt::kStartEvent, rt::kTransferStream);
  reduceOverReplicas(buffer("counts", MemRefType::get({terms}, b.getI64Type())), rt::kTransferStream);
  b.create<rt::RecordOp>(loc, rt::kCountedEvent, rt::kTransferStream);
}

/// Functions that read a denominator, themselves or in what they call.
llvm::DenseSet<func::FuncOp> StepBuilder::readersOfCounts() {
  llvm::DenseSet<func::FuncOp> readers;
  module.walk([&](rt::InverseCountOp op) { readers.insert(op->getParentOfType<func::FuncOp>()); });
  SymbolTable symbols(module);
  for (size_t before = 0; before != readers.size();) {
    before = readers.size();
    module.walk([&](func::CallOp call) {
      if (readers.contains(symbols.lookup<func::FuncOp>(call.getCallee())))
        readers.insert(call->getParentOfType<func::FuncOp>());
    });
  }
  return readers;
}

/// Waits for the denominators before the first op of a micro-batch that needs one, or at its end.
void StepBuilder::awaitCounts(func::FuncOp microBatch) {
  if (!terms || !microBatch)
    return;
  llvm::DenseSet<func::FuncOp> readers = readersOfCounts();
  SymbolTable symbols(module);
  Block &block = microBatch.getBody().front();
  Operation *first = block.getTerminator();
  for (Operation &op : llvm::reverse(block)) {
    bool needs = llvm::any_of(op.getOperands(), [](Value v) { return v.getDefiningOp<rt::InverseCountOp>(); });
    op.walk([&](func::CallOp call) { needs |= readers.contains(symbols.lookup<func::FuncOp>(call.getCallee())); });
    if (needs)
      first = &op;
  }
  b.setInsertionPoint(first);
  b.create<rt::WaitOp>(loc, rt::kCountedEvent, rt::kComputeStream);
  buildInverses();
  for (auto op : llvm::make_early_inc_range(block.getOps<rt::InverseCountOp>()))
    op->moveBefore(first);
}

/// 1/N of each denominator, 0 where nothing was counted.
void StepBuilder::buildInverses() {
  Value counts = buffer("counts", MemRefType::get({terms}, b.getI64Type()));
  Value inverses = buffer("inverse_counts", MemRefType::get({terms}, b.getF64Type()));
  auto loop = b.create<scf::ForOp>(loc, index(0), index(terms), index(1));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(loop.getBody()->getTerminator());
  Value n = b.create<memref::LoadOp>(loc, counts, loop.getInductionVar());
  Value none = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, n, b.create<arith::ConstantIntOp>(loc, 0, 64));
  Value inverse = b.create<arith::DivFOp>(loc, real(1), b.create<arith::SIToFPOp>(loc, b.getF64Type(), n));
  b.create<memref::StoreOp>(loc, b.create<arith::SelectOp>(loc, none, real(0), inverse), inverses,
                            loop.getInductionVar());
}

void StepBuilder::buildStep() {
  func::FuncOp step = createFunction("colo_step", "step");
  b.setInsertionPointToEnd(&step.getBody().front());
  clear("grads", elements, element);
  clear("metrics", metrics, b.getF64Type());
  name("denominators");
  buildCounts();
  name("micro-batches");
  buildMicroBatches(entry);
  name("gradients");
  reduceRest();
  name("metrics");
  if (metrics)
    reduceOverReplicas(buffer("metrics", MemRefType::get({metrics}, b.getF64Type())));
  name("optimizer");
  if (elements)
    buildUpdate(buildClip(buildGradientNorm()));
  b.create<func::ReturnOp>(loc);
}

void StepBuilder::buildEvaluate() {
  createFunction("colo_evaluate", "evaluate_step");
  clear("metrics", metrics, b.getF64Type());
  name("denominators");
  buildCounts();
  name("micro-batches");
  buildMicroBatches(evaluate);
  name("metrics");
  if (metrics)
    reduceOverReplicas(buffer("metrics", MemRefType::get({metrics}, b.getF64Type())));
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

/// The norm of the summed gradient over the tensor group, each parameter counted once; stored for the log.
Value StepBuilder::buildGradientNorm() {
  int64_t blocks = 0;
  for (const Segment &segment : segments)
    blocks += llvm::divideCeil(segment.end - segment.begin, kNormBlock);
  auto scalarType = MemRefType::get({1}, b.getF64Type());
  func::FuncOp kernel = createNormKernel(module, flatType(), blocks);
  Value gradients = buffer("grads", flatType()), total = buffer("grad_norm", scalarType);
  Value workspace = buffer("workspace", MemRefType::get({workspaceBytes}, b.getI8Type()));
  Value partials = slot(workspace, 0, MemRefType::get({blocks}, b.getF64Type()));
  b.create<rt::FillOp>(loc, total);
  int64_t first = 0;
  for (const Segment &segment : segments) {
    int64_t rows = llvm::divideCeil(segment.end - segment.begin, kNormBlock);
    whereOwner(segment.owners, [&] {
      SmallVector<Value> inputs{gradients, index(segment.begin), index(segment.end), index(first)};
      b.create<rt::LaunchOp>(loc, TypeRange{}, FlatSymbolRefAttr::get(kernel), inputs, ValueRange{partials},
                             b.getI64IntegerAttr(rows));
      auto loop = b.create<scf::ForOp>(loc, index(first), index(first + rows), index(1));
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPoint(loop.getBody()->getTerminator());
      Value part = b.create<memref::LoadOp>(loc, partials, loop.getInductionVar());
      Value sum = b.create<arith::AddFOp>(loc, b.create<memref::LoadOp>(loc, total, index(0)), part);
      b.create<memref::StoreOp>(loc, sum, total, index(0));
    });
    first += rows;
  }
  SmallVector<StringRef> axes;
  for (const MeshAxis &axis : mesh)
    axes.push_back(axis.name);
  if (!axes.empty())
    b.create<rt::AllReduceOp>(loc, total, total, b.getStrArrayAttr(axes), UnitAttr(), b.getI64IntegerAttr(0),
                              IntegerAttr(), IntegerAttr(), b.getStringAttr("sum"));
  Value norm = b.create<math::SqrtOp>(loc, b.create<memref::LoadOp>(loc, total, index(0)));
  b.create<memref::StoreOp>(loc, norm, total, index(0));
  return norm;
}

/// torch.nn.utils.clip_grad_norm_'s coefficient.
Value StepBuilder::buildClip(Value norm) {
  if (settings.clipGradNorm == 0)
    return real(1);
  Value guarded = b.create<arith::AddFOp>(loc, norm, real(1e-6));
  Value ratio = b.create<arith::DivFOp>(loc, real(settings.clipGradNorm), guarded);
  return b.create<arith::MinimumFOp>(loc, ratio, real(1));
}

void StepBuilder::buildUpdate(Value clip) {
  func::FuncOp kernel = createUpdateKernel(module, flatType(), settings);
  Type f64 = b.getF64Type();
  Value lr = scalar("lr", f64), rate = lr, extra = real(1);
  bool sgd = settings.optimizer == "SGD", decoupled = settings.optimizer == "AdamW";
  if (sgd) {
    Value isFirst = b.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, scalar("step", b.getI64Type()),
                                            b.create<arith::ConstantIntOp>(loc, 0, 64));
    extra = b.create<arith::SelectOp>(loc, isFirst, real(1), real(1 - settings.dampening));
  } else {
    rate = b.create<arith::DivFOp>(loc, lr, scalar("bias_correction1", f64));
    Value root = b.create<math::SqrtOp>(loc, scalar("bias_correction2", f64));
    extra = b.create<arith::DivFOp>(loc, real(1), root);
  }
  SmallVector<Value> outs{buffer("params", flatType())};
  static constexpr StringLiteral states[] = {"state0", "state1"};
  for (int64_t i = 0; i < settings.stateBuffers(); ++i)
    outs.push_back(buffer(states[i], flatType()));
  Value gradients = buffer("grads", flatType());
  for (size_t i = 0; i < segments.size();) {
    size_t end = i;
    while (end < segments.size() && segments[end].decay == segments[i].decay)
      ++end;
    int64_t begin = segments[i].begin, stop = segments[end - 1].end;
    Value decay = real(segments[i].decay ? settings.weightDecay : 0);
    if (decoupled)
      decay = b.create<arith::SubFOp>(loc, real(1), b.create<arith::MulFOp>(loc, lr, decay));
    SmallVector<Value> inputs{gradients, index(begin), clip, rate, decay, extra};
    b.create<rt::LaunchOp>(loc, TypeRange{}, FlatSymbolRefAttr::get(kernel), inputs, outs,
                           b.getI64IntegerAttr(stop - begin));
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
