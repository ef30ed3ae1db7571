//===- CollectTables.cpp - the tables of a program -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CollectTables.h"
#include "colo/Conversion/Mesh.h"
#include "colo/Conversion/Training.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Pipe/PipeDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "colo/Plan/Plan.h"
#include "colo/Schedule/Simulator.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SHA1.h"
#include <map>

using namespace mlir;
using namespace colo;

namespace {

class TableCollector {
public:
  TableCollector(ModuleOp module, const Training &training)
      : module(module), builder(module.getContext()), training(training), mesh(getMesh(module)) {}

  ProgramTables run() {
    Plan plan = computePlan(module);
    llvm::raw_string_ostream os(tables.plan);
    printPlanText(plan, os);
    for (const MeshAxis &axis : mesh)
      tables.axes.push_back({axis.name.str(), {nullptr, axis.size, axis.zigzag}});
    collectParams();
    collectSegments();
    collectInputs();
    for (StringAttr name : module->getAttrOfType<ArrayAttr>(kMetricsAttr).getAsRange<StringAttr>())
      tables.metrics.push_back(name.getValue().str());
    module.walk([&](rt::GemmOp gemm) { number(gemm); });
    collectSites(plan);
    collectScalars();
    collectActions();
    tables.build = hash();
    return std::move(tables);
  }

private:
  void collectParams();
  void collectSegments();
  void collectInputs();
  void collectSites(const Plan &plan);
  void collectScalars();
  void countStreams();
  ColoOptimizer optimizer() const;
  void number(rt::GemmOp gemm);
  int32_t commFor(ArrayAttr axes, bool dataParallel, int64_t stream, ArrayRef<int64_t> stages);
  void collectStages();
  void collectActions();
  void collectPredictions(pipe::ScheduleOp op);
  ColoDimAxes dimAxes(ArrayAttr axes) const;
  std::string hash();

  int64_t moduleInt(StringRef name) const {
    auto attr = module->getAttrOfType<IntegerAttr>(name);
    return attr ? attr.getInt() : 0;
  }

  ModuleOp module;
  Builder builder;
  const Training &training;
  Mesh mesh;
  ProgramTables tables;
};

int32_t typeCode(Type type) {
  if (type.isF32())
    return COLO_F32;
  if (type.isF64())
    return COLO_F64;
  if (type.isBF16())
    return COLO_BF16;
  if (type.isF16())
    return COLO_F16;
  if (type.isInteger(32))
    return COLO_I32;
  return type.isInteger(64) ? COLO_I64 : COLO_I8;
}

} // namespace

ColoDimAxes TableCollector::dimAxes(ArrayAttr axes) const {
  ColoDimAxes result{};
  for (StringAttr name : axes.getAsRange<StringAttr>())
    for (auto [i, axis] : llvm::enumerate(mesh))
      if (axis.name == name.getValue())
        result.axis[result.count++] = static_cast<int32_t>(i);
  return result;
}

void TableCollector::collectParams() {
  for (ParamOp param : module.getOps<ParamOp>()) {
    ColoParam p{};
    auto type = cast<RankedTensorType>(param.getType());
    tables.scalars.dtype = typeCode(type.getElementType());
    tables.scalars.readAs = typeCode(param.getReadAs().value_or(type.getElementType()));
    p.rank = static_cast<int32_t>(type.getRank());
    ArrayAttr sharding = param.getShardingAttr();
    for (int32_t dim = 0; dim < p.rank; ++dim) {
      p.shape[dim] = param.getLogicalShape()[dim];
      p.local[dim] = p.padded[dim] = type.getDimSize(dim);
      if (!sharding)
        continue;
      auto axes = cast<ArrayAttr>(sharding[dim]);
      p.dims[dim] = dimAxes(axes);
      p.padded[dim] *= groupSize(mesh, axes);
    }
    p.fileRank = static_cast<int32_t>(param.getFileShape().size());
    llvm::copy(param.getFileShape(), p.fileShape);
    p.init = static_cast<int32_t>(param.getInit().getKind());
    p.initA = param.getInit().getA().getValueAsDouble();
    p.initB = param.getInit().getB().getValueAsDouble();
    p.layers = param.getLayers();
    p.firstLayer = param.getFirstLayer();
    p.offset = param->getAttrOfType<IntegerAttr>("offset").getInt();
    p.layerStride = param->getAttrOfType<IntegerAttr>("layer_stride").getInt();
    p.segment = static_cast<int32_t>(param->getAttrOfType<IntegerAttr>("segment").getInt());
    if (auto rank = param->getAttrOfType<IntegerAttr>(pipe::kRankAttr))
      p.stage = static_cast<int32_t>(rank.getInt());
    p.copy = param->hasAttr(pipe::kCopyOfAttr);
    tables.params.push_back({pipe::nameOf(param).str(), p});
  }
}

void TableCollector::collectSegments() {
  for (DictionaryAttr entries : module->getAttrOfType<ArrayAttr>(kSegmentsAttr).getAsRange<DictionaryAttr>()) {
    ColoSegment segment{};
    segment.begin = entries.getAs<IntegerAttr>("begin").getInt();
    segment.end = entries.getAs<IntegerAttr>("end").getInt();
    segment.decay = entries.getAs<BoolAttr>("decay").getValue();
    ColoDimAxes owners = dimAxes(entries.getAs<ArrayAttr>("owner_axes"));
    for (int32_t i = 0; i < owners.count; ++i)
      segment.normOwnerAxes |= 1 << owners.axis[i];
    if (auto rank = entries.getAs<IntegerAttr>("rank"))
      segment.stage = static_cast<int32_t>(rank.getInt());
    auto shared = entries.getAs<DenseI64ArrayAttr>("shared");
    segment.reduceComm = commFor(entries.getAs<ArrayAttr>("reduce"), /*dataParallel=*/true, /*stream=*/1,
                                 shared ? shared.asArrayRef() : ArrayRef<int64_t>());
    tables.segments.push_back(segment);
  }
}

void TableCollector::collectInputs() {
  for (func::FuncOp func : module.getOps<func::FuncOp>()) {
    auto role = func->getAttrOfType<StringAttr>(kRoleAttr);
    if (!role || role.getValue() != "entry")
      continue;
    tables.model = module->hasAttr(kModelAttr) ? module->getAttrOfType<StringAttr>(kModelAttr).getValue().str()
                                               : func.getName().str();
    for (unsigned i = 0; i < func.getNumArguments(); ++i) {
      auto name = func.getArgAttrOfType<StringAttr>(i, kInputAttr);
      if (!name)
        continue;
      auto type = cast<MemRefType>(func.getArgument(i).getType());
      ColoInput input{};
      input.dtype = typeCode(type.getElementType());
      input.rank = static_cast<int32_t>(type.getRank());
      llvm::copy(type.getShape(), input.shape);
      auto classes = func.getArgAttrOfType<IntegerAttr>(i, kClassesAttr);
      auto ignore = func.getArgAttrOfType<IntegerAttr>(i, kIgnoreIndexAttr);
      input.classes = classes ? classes.getInt() : 0;
      input.ignoreIndex = ignore ? ignore.getInt() : INT64_MIN;
      tables.scalars.inputBytesPerMicroBatch += type.getNumElements() * std::max(1u, type.getElementTypeBitWidth() / 8);
      tables.inputs.push_back({name.getValue().str(), input});
    }
  }
}

static int32_t codeOf(rt::Activation activation) {
  switch (activation) {
  case rt::Activation::GeluGrad:
    return COLO_EPILOGUE_GELU_GRAD;
  case rt::Activation::Gelu:
    return COLO_EPILOGUE_GELU;
  case rt::Activation::Relu:
    return COLO_EPILOGUE_RELU;
  }
  llvm_unreachable("unknown activation");
}

void TableCollector::number(rt::GemmOp gemm) {
  ColoGemm g{};
  g.dtype = typeCode(cast<MemRefType>(gemm.getLhs().getType()).getElementType());
  g.resultDtype = typeCode(cast<MemRefType>(gemm.getOut().getType()).getElementType());
  g.batchRank = static_cast<int32_t>(gemm.getBatch().size());
  llvm::copy(gemm.getBatch(), g.batch);
  llvm::copy(gemm.getABatch(), g.aBatch);
  llvm::copy(gemm.getBBatch(), g.bBatch);
  llvm::copy(gemm.getCBatch(), g.cBatch);
  g.m = gemm.getSizes()[0], g.n = gemm.getSizes()[1], g.k = gemm.getSizes()[2];
  g.am = gemm.getA()[0], g.ak = gemm.getA()[1];
  g.bk = gemm.getB()[0], g.bn = gemm.getB()[1];
  g.cm = gemm.getC()[0], g.cn = gemm.getC()[1];
  g.beta = gemm.getAccumulate() ? 1 : 0;
  g.epilogue = (gemm.getBias() ? COLO_EPILOGUE_BIAS : 0) | (gemm.getAddend() ? COLO_EPILOGUE_ADDEND : 0);
  if (gemm.getActivation())
    g.epilogue |= codeOf(*gemm.getActivation());
  if (gemm.writesAux())
    g.epilogue |= COLO_EPILOGUE_ARGUMENT;
  if (gemm.getSums())
    g.epilogue |= *gemm.getSummed() ? COLO_EPILOGUE_SUM_B : COLO_EPILOGUE_SUM_A;
  gemm.setIndexAttr(builder.getI64IntegerAttr(tables.gemms.size()));
  tables.gemms.push_back({describe(gemm.getLoc()), g});
}

int32_t TableCollector::commFor(ArrayAttr axes, bool dataParallel, int64_t stream, ArrayRef<int64_t> stages) {
  std::string name = dataParallel ? "dp" : "";
  uint64_t joined = 0;
  for (int64_t stage : stages)
    joined |= uint64_t(1) << stage;
  if (joined) {
    name += name.empty() ? "pp" : ",pp";
    if (static_cast<int64_t>(stages.size()) != training.pipeline)
      for (int64_t stage : stages)
        name += ":" + std::to_string(stage);
  }
  for (StringAttr axis : axes.getAsRange<StringAttr>())
    name += (name.empty() ? "" : ",") + axis.getValue().str();
  for (auto [i, comm] : llvm::enumerate(tables.comms))
    if (comm.name == name && comm.fields.stream == stream)
      return static_cast<int32_t>(i);
  ColoComm comm{};
  comm.axes = dimAxes(axes);
  comm.dataParallel = dataParallel;
  comm.stream = static_cast<int32_t>(stream);
  comm.stages = joined;
  tables.comms.push_back({name, comm});
  return static_cast<int32_t>(tables.comms.size()) - 1;
}

void TableCollector::collectSites(const Plan &plan) {
  for (auto [op, use] : llvm::zip(collectivesOf(module), plan.collectives)) {
    int32_t comm = commFor(op.getAxes(), op.getDataParallel(), static_cast<int64_t>(op.getStream()), op.getStages());
    op.setCommAttr(builder.getI64IntegerAttr(comm));
    op.setSiteAttr(builder.getI64IntegerAttr(tables.sites.size()));
    tables.sites.push_back({use.kind, use.source, nameOf(use.phase).str(), comm, use.most, use.perStep()});
  }
}

ColoOptimizer TableCollector::optimizer() const {
  ColoOptimizer o{};
  o.kind = training.optimizer == "SGD" ? COLO_SGD : training.optimizer == "Adam" ? COLO_ADAM : COLO_ADAMW;
  o.schedule = training.schedule == "linear"   ? COLO_LR_LINEAR
               : training.schedule == "cosine" ? COLO_LR_COSINE
                                               : COLO_LR_CONSTANT;
  o.lr = training.lr, o.momentum = training.momentum, o.dampening = training.dampening;
  o.beta1 = training.beta1, o.beta2 = training.beta2, o.eps = training.eps, o.weightDecay = training.weightDecay;
  o.nesterov = training.nesterov;
  o.warmupSteps = training.warmupSteps, o.totalSteps = training.totalSteps, o.minLr = training.minLr;
  o.clipGradNorm = training.clipGradNorm;
  return o;
}

/// One row a pipeline rank: `colo.rank_elements` and `colo.rank_workspace_bytes`, where there are several.
void TableCollector::collectStages() {
  auto elements = module->getAttrOfType<DenseI64ArrayAttr>(kRankElementsAttr);
  auto bytes = module->getAttrOfType<DenseI64ArrayAttr>(kRankWorkspaceBytesAttr);
  if (!elements || !bytes) {
    tables.stages.push_back({tables.scalars.paramElements, tables.scalars.workspaceBytes, 0, 0});
    return;
  }
  for (auto [own, workspace] : llvm::zip(elements.asArrayRef(), bytes.asArrayRef()))
    tables.stages.push_back({own, workspace, 0, 0});
}

/// A row for each kind of action that a rank marks, and what the simulation says of each action.
void TableCollector::collectActions() {
  pipe::ScheduleOp schedule = pipe::findSchedule(module);
  if (!schedule)
    return;
  schedule::ScheduleProblem problem = pipe::problemOf(schedule);
  module.walk([&](rt::ActionOp op) {
    auto stage = static_cast<int32_t>(op.getStage());
    auto isSame = [&](const Named<ColoAction> &row) { return row.name == op.getKind() && row.fields.stage == stage; };
    auto it = llvm::find_if(tables.actions, isSame);
    if (it == tables.actions.end()) {
      ColoAction action{};
      action.stage = stage;
      action.chunk = problem.chunkOf(stage);
      action.peer = static_cast<int32_t>(op.getPeer());
      action.stream = static_cast<int32_t>(op.getStream());
      action.kept = schedule::keptAfter(*schedule::kindOf(op.getKind()));
      it = tables.actions.insert(it, {op.getKind().str(), action});
    }
    op.setIndexAttr(builder.getI64IntegerAttr(it - tables.actions.begin()));
  });
  collectPredictions(schedule);
}

void TableCollector::collectPredictions(pipe::ScheduleOp op) {
  FailureOr<schedule::Schedule> schedule = pipe::scheduleOf(op);
  if (failed(schedule) || tables.actions.empty())
    return;
  std::map<std::pair<StringRef, int32_t>, int32_t> numbers;
  for (auto [i, row] : llvm::enumerate(tables.actions))
    numbers[{row.name, row.fields.stage}] = static_cast<int32_t>(i);
  schedule::ScheduleProblem problem = pipe::problemOf(op);
  schedule::Timeline timeline = schedule::simulate(problem, *schedule);
  for (auto [rank, list] : llvm::enumerate(schedule->ranks)) {
    tables.stages[rank].firstPrediction = static_cast<int64_t>(tables.predictions.size());
    tables.stages[rank].predictionCount = static_cast<int64_t>(list.size());
    for (auto [action, interval] : llvm::zip(list, timeline.ranks[rank].actions)) {
      auto stage = static_cast<int32_t>(problem.virtualStageOf(static_cast<int64_t>(rank), action.chunk));
      tables.predictions.push_back(
          {numbers.at({schedule::mnemonic(action.kind), stage}), action.microBatch, interval.start, interval.end});
    }
  }
}

void TableCollector::countStreams() {
  tables.scalars.streamCount = rt::kGradientStream + 1, tables.scalars.eventCount = rt::kReducedEvent + 1;
  module.walk([&](rt::RecordOp record) {
    tables.scalars.streamCount = std::max<int64_t>(tables.scalars.streamCount, record.getStream() + 1);
    tables.scalars.eventCount = std::max<int64_t>(tables.scalars.eventCount, record.getEvent() + record.getCount());
  });
}

void TableCollector::collectScalars() {
  ColoProgram &s = tables.scalars;
  s.pipeline = training.pipeline, s.sequence = training.sequence, s.data = training.data;
  s.batchSize = training.batchSize, s.globalBatchSize = training.globalBatchSize;
  s.microBatch = training.microBatch, s.accumulation = training.accumulation, s.seed = training.seed;
  s.paramElements = moduleInt(kParamElementsAttr);
  s.stateBuffers = training.stateBuffers();
  s.workspaceBytes = moduleInt(kWorkspaceBytesAttr);
  s.termCount = moduleInt(kTermCountAttr);
  pipe::ScheduleOp schedule = pipe::findSchedule(module);
  s.stepMultiple = schedule ? static_cast<int64_t>(schedule.getMicroBatches()) : 1;
  collectStages();
  countStreams();
  s.optimizer = optimizer();
  s.lossScale = {training.scaleDynamic, training.lossScale,    training.scaleGrowth,   training.scaleBackoff,
                 training.scaleMinimum, training.scaleMaximum, training.scaleInterval, training.scaleHysteresis};
  tables.step = "colo_step";
  tables.evaluate = "colo_evaluate";
}

std::string TableCollector::hash() {
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os);
  auto digest = llvm::SHA1::hash(llvm::ArrayRef(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
  return llvm::toHex(digest, /*LowerCase=*/true);
}

static void collectKernels(ModuleOp module, ProgramTables &tables) {
  for (auto kernel : module.getOps<func::FuncOp>())
    if (auto threads = kernel->getAttrOfType<IntegerAttr>(rt::kThreadsAttr))
      tables.kernels.push_back({imageName(kernel.getName()), describe(kernel.getLoc()),
                                static_cast<int32_t>(threads.getInt()),
                                static_cast<int32_t>(kernel.getNumArguments())});
}

FailureOr<ProgramTables> colo::collectTables(ModuleOp module, StringRef device, bool loadsKernels) {
  FailureOr<Training> training = Training::of(module);
  if (failed(training))
    return failure();
  if (!module->getAttrOfType<ArrayAttr>(kSegmentsAttr) || !module->getAttrOfType<ArrayAttr>(kMetricsAttr))
    return module.emitError("has no step; run build-step first");
  ProgramTables tables = TableCollector(module, *training).run();
  tables.device = ("colo_" + device + "_device").str();
  if (loadsKernels) {
    tables.image = kImageSymbol;
    collectKernels(module, tables);
  }
  return tables;
}
