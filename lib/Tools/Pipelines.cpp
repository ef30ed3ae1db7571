//===- Pipelines.cpp - the phases as pass pipelines ------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The whole compile, phase by phase, told once.
//
//===----------------------------------------------------------------------===//

#include "colo/Tools/Pipelines.h"
#include "colo/Conversion/Passes.h"
#include "colo/Conversion/Training.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Colo/Passes.h"
#include "colo/Dialect/Dist/Passes.h"
#include "colo/Dialect/Pipe/Passes.h"
#include "colo/Frontend/Config.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/FormatVariadic.h"

using namespace colo;
using namespace mlir;

static constexpr llvm::StringRef phases[] = {"ast",     "colo", "staged", "autodiff", "sharded", "spmd", "linalg",
                                             "buffers", "rt",   "llvm",   "ptx",      "obj",     "exe"};

llvm::ArrayRef<llvm::StringRef> colo::phaseNames() { return phases; }

std::optional<Phase> colo::parsePhase(llvm::StringRef name) {
  for (size_t i = 0; i < std::size(phases); ++i)
    if (phases[i] == name)
      return static_cast<Phase>(i);
  return std::nullopt;
}

dist::ShardingOptions colo::shardingOptions(const ParallelConfig &config) {
  dist::ShardingOptions options;
  options.mode = config.tensorMode;
  options.size = config.tensorSize;
  options.depth = config.depth;
  options.sequenceParallel = config.sequenceParallel;
  options.sequenceMode = config.sequenceMode;
  options.sequenceSize = config.sequenceSize;
  return options;
}

void colo::setTensorGroup(ParallelConfig &config, const dist::ShardingOptions &group) {
  config.tensorMode.value = group.mode;
  config.tensorSize.value = group.size;
  config.depth.value = group.depth;
  config.sequenceParallel.value = group.sequenceParallel;
  if (!group.sequenceMode.empty())
    config.sequenceMode.value = group.sequenceMode;
  config.sequenceSize.value = group.sequenceSize;
}

std::string colo::describeBatchError(const ParallelConfig &config) {
  std::unique_ptr<dist::Policy> policy = dist::makePolicy(shardingOptions(config));
  dist::Mesh mesh = dist::makeMesh(*policy);
  dist::Axes axes = policy->boundary({1, 1, 1}, mesh).dims.front();
  int64_t parts = mesh.groupSize(axes);
  if (config.microBatch() % parts == 0)
    return "";
  return llvm::formatv(
      "BATCH_SIZE {0}{1} in {2} micro-batches leaves {3} rows in each, dim 0 of every value, which mode "
      "'{4}' cuts into {5} parts over {6}; BATCH_SIZE must be a multiple of {7}",
      config.batchSize.value, config.batchSize.isDefault() ? " (the default)" : "", config.numMicroBatches.value,
      config.microBatch(), config.tensorMode.value, parts, mesh.describe(axes), parts * config.numMicroBatches);
}

static pipe::StagePassOptions stageOptions(const ParallelConfig &config) {
  pipe::StagePassOptions options;
  options.stages = config.pipeline;
  options.chunks = config.pipelineChunks;
  options.schedule = config.pipelineSchedule.value;
  options.scheduleText = config.pipelineActions;
  options.microBatches = config.numMicroBatches;
  options.partition = config.pipelinePartition.value;
  return options;
}

Training colo::trainingSettings(const ParallelConfig &config) {
  Training training;
  training.optimizer = config.optimizer.type.value;
  training.lr = config.optimizer.lr;
  training.momentum = config.optimizer.momentum;
  training.dampening = config.optimizer.dampening;
  training.beta1 = config.optimizer.beta1;
  training.beta2 = config.optimizer.beta2;
  training.eps = config.optimizer.eps;
  training.weightDecay = config.optimizer.weightDecay;
  training.nesterov = config.optimizer.nesterov;
  training.schedule = config.schedule.type.value;
  training.warmupSteps = config.schedule.warmupSteps;
  training.totalSteps = config.schedule.totalSteps;
  training.minLr = config.schedule.minLr;
  training.clipGradNorm = config.clipGradNorm;
  training.batchSize = config.batchSize;
  training.microBatch = config.microBatch();
  training.globalBatchSize = config.globalBatchSize;
  training.accumulation = config.gradientAccumulation;
  training.seed = config.seed;
  training.data = config.data;
  training.pipeline = config.pipeline;
  training.sequence = config.sequenceSize;
  if (!config.lossScale.on)
    return training;
  const LossScaleConfig &scale = config.lossScale;
  training.lossScale = scale.initial;
  training.scaleDynamic = scale.dynamic;
  training.scaleGrowth = scale.growth;
  training.scaleBackoff = scale.backoff;
  training.scaleMinimum = scale.minimum;
  training.scaleMaximum = scale.maximum;
  training.scaleInterval = scale.interval;
  training.scaleHysteresis = scale.hysteresis;
  return training;
}

static KernelPipelines kernelPipelines(Target target) {
  switch (target) {
  case Target::CPU:
    return cpuKernelPipelines();
  case Target::Cuda:
    return cudaKernelPipelines();
  case Target::EmulatedCuda:
    break;
  }
  return emulatedGpuKernelPipelines();
}

void colo::buildPhasePipeline(OpPassManager &pm, Phase phase, const ParallelConfig &config, llvm::StringRef algorithm,
                              Target target, bool epilogues, bool remarks) {
  dist::ShardingOptions sharding = shardingOptions(config);
  sharding.algorithm = algorithm.str();
  const KernelPipelines kernels = kernelPipelines(target);
  sharding.scoresOfRound = kernels.scoresOfRound;
  sharding.wholeHeadSize = kernels.wholeHeadSize;
  bool addsBiases = epilogues && llvm::is_contained(kernels.epilogues, Epilogue::Bias);
  SmallVector<std::string> fused;
  if (epilogues)
    for (Epilogue epilogue : kernels.epilogues)
      fused.push_back(stringifyEpilogue(epilogue).str());
  switch (phase) {
  case Phase::Staged:
    pm.addPass(createVerifyBatchPass());
    pm.addPass(
        createMixedPrecisionPass({config.precision.value == "f32" ? "" : config.precision.value, config.lossScale.on}));
    pm.addPass(pipe::createStagePass(stageOptions(config)));
    pm.addPass(pipe::createVerifySchedulePass({remarks}));
    break;
  case Phase::Autodiff:
    pm.addPass(createAutodiffPass({addsBiases}));
    break;
  case Phase::Sharded:
    dist::buildShardPipeline(pm, sharding);
    break;
  case Phase::SPMD:
    dist::buildSpmdPipeline(pm, sharding);
    pm.addPass(createDecomposeAttentionPass({sharding.wholeHeadSize}));
    pm.addPass(createCSEPass());
    // After the CSE: a part that two products need at different times is sent twice rather than kept.
    pm.addPass(dist::createExpandSummaPass({algorithm.str()}));
    break;
  case Phase::Linalg:
    pm.addPass(pipe::createCutPass());
    pm.addPass(createFuseEpilogues({fused}));
    pm.addPass(createFormKernels({kernels.rowBytes, kernels.registers}));
    pm.addPass(createOverlapCollectives());
    break;
  case Phase::Buffers:
    buildBuffersPipeline(pm, kernels);
    break;
  case Phase::Rt:
    buildRtPipeline(pm, kernels);
    break;
  case Phase::LLVM:
    buildLLVMPipeline(pm, kernels);
    break;
  case Phase::AST:
  case Phase::Colo:
  case Phase::PTX:
  case Phase::Object:
  case Phase::Executable:
    break;
  }
}
