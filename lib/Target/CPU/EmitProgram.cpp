//===- EmitProgram.cpp - the constant colo_program -------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Field by field in the order of include/colo/Runtime/Program.h; the two files
// change together. Static assertions on the sizes of the structs guard it.
//
//===----------------------------------------------------------------------===//

#include "ConstantData.h"
#include "colo/Target/ProgramTables.h"

using namespace colo;
using namespace mlir;

using Data = ConstantData;

// A struct that grows without its function below growing is an error here.
static_assert(sizeof(ColoAxis) == 24 && sizeof(ColoDimAxes) == 36 && sizeof(ColoSegment) == 32 &&
              sizeof(ColoStage) == 32 && sizeof(ColoAction) == 32 && sizeof(ColoPrediction) == 24);
static_assert(sizeof(ColoParam) == 640 && sizeof(ColoComm) == 64 && sizeof(ColoGemm) == 232);
static_assert(sizeof(ColoInput) == 96 && sizeof(ColoMetric) == 8 && sizeof(ColoSite) == 48);
static_assert(sizeof(ColoOptimizer) == 104 && sizeof(ColoLossScale) == 64 && sizeof(ColoProgram) == 552 &&
              sizeof(ColoDeviceKernel) == 24);

template <typename T, size_t N> static Data i64s(const T (&values)[N]) {
  std::vector<Data> parts;
  for (int64_t value : values)
    parts.push_back(Data::i64(value));
  return Data::array(std::move(parts));
}

static Data dimAxes(const ColoDimAxes &axes) {
  std::vector<Data> parts;
  for (int32_t axis : axes.axis)
    parts.push_back(Data::i32(axis));
  return Data::structure({Data::i32(axes.count), Data::array(std::move(parts))});
}

static Data axisRow(const Named<ColoAxis> &axis, ConstantModule &constants) {
  return Data::structure({constants.string(axis.name), Data::i64(axis.fields.size), Data::i32(axis.fields.zigzag)});
}

static Data paramRow(const Named<ColoParam> &param, ConstantModule &constants) {
  const ColoParam &p = param.fields;
  std::vector<Data> dims;
  for (const ColoDimAxes &axes : p.dims)
    dims.push_back(dimAxes(axes));
  return Data::structure({constants.string(param.name), Data::i32(p.rank), i64s(p.shape), i64s(p.padded), i64s(p.local),
                          Data::array(std::move(dims)), Data::i32(p.fileRank), i64s(p.fileShape), Data::i32(p.init),
                          Data::f64(p.initA), Data::f64(p.initB), Data::i64(p.layers), Data::i64(p.firstLayer),
                          Data::i64(p.offset), Data::i64(p.layerStride), Data::i32(p.segment), Data::i32(p.stage),
                          Data::i32(p.copy)});
}

static Data segmentRow(const ColoSegment &segment) {
  return Data::structure({Data::i64(segment.begin), Data::i64(segment.end), Data::i32(segment.reduceComm),
                          Data::i32(segment.decay), Data::i32(segment.normOwnerAxes), Data::i32(segment.stage)});
}

static Data commRow(const Named<ColoComm> &comm, ConstantModule &constants) {
  return Data::structure({constants.string(comm.name), dimAxes(comm.fields.axes), Data::i32(comm.fields.dataParallel),
                          Data::i32(comm.fields.stream), Data::i64(static_cast<int64_t>(comm.fields.stages))});
}

static Data stageRow(const ColoStage &stage) {
  return Data::structure({Data::i64(stage.paramElements), Data::i64(stage.workspaceBytes),
                          Data::i64(stage.firstPrediction), Data::i64(stage.predictionCount)});
}

static Data actionRow(const Named<ColoAction> &action, ConstantModule &constants) {
  const ColoAction &a = action.fields;
  return Data::structure({constants.string(action.name), Data::i32(a.stage), Data::i32(a.chunk), Data::i32(a.peer),
                          Data::i32(a.stream), Data::i32(a.kept)});
}

static Data predictionRow(const ColoPrediction &p) {
  return Data::structure({Data::i32(p.action), Data::i32(p.microBatch), Data::f64(p.begin), Data::f64(p.end)});
}

static Data gemmRow(const Named<ColoGemm> &gemm, ConstantModule &constants) {
  const ColoGemm &g = gemm.fields;
  return Data::structure({Data::i32(g.dtype), Data::i32(g.resultDtype), Data::i32(g.batchRank), Data::i32(g.epilogue),
                          i64s(g.batch), i64s(g.aBatch), i64s(g.bBatch), i64s(g.cBatch), Data::i64(g.m), Data::i64(g.n),
                          Data::i64(g.k), Data::i64(g.am), Data::i64(g.ak), Data::i64(g.bk), Data::i64(g.bn),
                          Data::i64(g.cm), Data::i64(g.cn), Data::f64(g.beta), constants.string(gemm.name)});
}

static Data inputRow(const Named<ColoInput> &input, ConstantModule &constants) {
  const ColoInput &i = input.fields;
  return Data::structure({constants.string(input.name), Data::i32(i.dtype), Data::i32(i.rank), i64s(i.shape),
                          Data::i64(i.classes), Data::i64(i.ignoreIndex)});
}

static Data siteRow(const SiteTable &site, ConstantModule &constants) {
  return Data::structure({constants.string(site.kind), constants.string(site.source), constants.string(site.phase),
                          Data::i32(site.comm), Data::i64(site.bytes), Data::i64(site.perStep)});
}

static Data kernelRow(const KernelTable &kernel, ConstantModule &constants) {
  return Data::structure({constants.string(kernel.name), constants.string(kernel.source), Data::i32(kernel.threads),
                          Data::i32(kernel.arguments)});
}

static Data optimizer(const ColoOptimizer &o) {
  return Data::structure({Data::i32(o.kind), Data::i32(o.schedule), Data::f64(o.lr), Data::f64(o.momentum),
                          Data::f64(o.beta1), Data::f64(o.beta2), Data::f64(o.eps), Data::f64(o.weightDecay),
                          Data::f64(o.dampening), Data::i32(o.nesterov), Data::i64(o.warmupSteps),
                          Data::i64(o.totalSteps), Data::f64(o.minLr), Data::f64(o.clipGradNorm)});
}

static Data lossScale(const ColoLossScale &s) {
  return Data::structure({Data::i32(s.dynamic), Data::f64(s.initial), Data::f64(s.growth), Data::f64(s.backoff),
                          Data::f64(s.minimum), Data::f64(s.maximum), Data::i64(s.interval), Data::i64(s.hysteresis)});
}

template <typename Rows, typename Row> static std::vector<Data> rowsOf(const Rows &rows, Row row) {
  std::vector<Data> data;
  data.reserve(rows.size());
  for (const auto &entry : rows)
    data.push_back(row(entry));
  return data;
}

void colo::emitProgram(ModuleOp module, const ProgramTables &t) {
  ConstantModule constants(module);
  auto with = [&](auto row) { return [&constants, row](const auto &entry) { return row(entry, constants); }; };
  const ColoProgram &s = t.scalars;
  auto size = [](const auto &rows) { return Data::i64(static_cast<int64_t>(rows.size())); };
  Data metrics = constants.table(
      "metrics", rowsOf(t.metrics, [&](const std::string &name) { return Data::structure({constants.string(name)}); }));
  Data program = Data::structure({Data::i32(COLO_ABI_VERSION),
                                  constants.string(t.model),
                                  constants.string(t.build),
                                  Data::i32(s.dtype),
                                  Data::i32(s.readAs),
                                  size(t.axes),
                                  constants.table("axes", rowsOf(t.axes, with(axisRow))),
                                  Data::i64(s.pipeline),
                                  Data::i64(s.sequence),
                                  Data::i64(s.data),
                                  Data::i64(s.batchSize),
                                  Data::i64(s.globalBatchSize),
                                  Data::i64(s.microBatch),
                                  Data::i64(s.accumulation),
                                  Data::i64(s.seed),
                                  Data::i64(s.paramElements),
                                  Data::i64(s.stateBuffers),
                                  Data::i64(s.workspaceBytes),
                                  Data::i64(s.stepMultiple),
                                  Data::i64(s.inputBytesPerMicroBatch),
                                  Data::i64(s.termCount),
                                  Data::i64(s.streamCount),
                                  Data::i64(s.eventCount),
                                  size(t.params),
                                  size(t.segments),
                                  size(t.comms),
                                  size(t.gemms),
                                  size(t.inputs),
                                  size(t.metrics),
                                  size(t.sites),
                                  constants.table("params", rowsOf(t.params, with(paramRow))),
                                  constants.table("segments", rowsOf(t.segments, segmentRow)),
                                  constants.table("comms", rowsOf(t.comms, with(commRow))),
                                  constants.table("gemms", rowsOf(t.gemms, with(gemmRow))),
                                  constants.table("inputs", rowsOf(t.inputs, with(inputRow))),
                                  metrics,
                                  constants.table("sites", rowsOf(t.sites, with(siteRow))),
                                  constants.table("stages", rowsOf(t.stages, stageRow)),
                                  size(t.actions),
                                  constants.table("actions", rowsOf(t.actions, with(actionRow))),
                                  constants.table("predictions", rowsOf(t.predictions, predictionRow)),
                                  optimizer(s.optimizer),
                                  lossScale(s.lossScale),
                                  constants.string(t.plan),
                                  Data::address(t.step),
                                  Data::address(t.evaluate),
                                  Data::address(t.device),
                                  Data::address(t.image),
                                  size(t.kernels),
                                  constants.table("kernels", rowsOf(t.kernels, with(kernelRow))),
                                  Data::address(kCpuFeaturesSymbol.str())});
  constants.define("colo_program", program, LLVM::Linkage::External);
}
