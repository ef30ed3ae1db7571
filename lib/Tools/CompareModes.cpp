//===- CompareModes.cpp - what each parallel mode would cost ---*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompareModes.h"
#include "colo/Tools/Pipelines.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace colo;
using namespace mlir;

ModeComparison::ModeComparison(MLIRContext &context, const ParallelConfig &config, llvm::StringRef algorithm,
                               Importer import)
    : context(context), config(config), algorithm(algorithm), import(import) {
  // A layout that fills no world of this size trains as many replicas as fit, and at least one.
  int64_t fit = config.worldSize / (config.pipeline * config.tensorSize * config.sequenceSize);
  int64_t own = config.data ? config.data.value : std::max<int64_t>(1, fit);
  // The schedule of a pipeline runs all micro-batches of BATCH_SIZE each time.
  int64_t round = isPipeline() ? config.numMicroBatches.value : 1, unit = own * round * config.microBatch();
  microBatches = config.globalBatchSize ? std::max<int64_t>(1, config.globalBatchSize / unit) * round
                                        : config.numMicroBatches * config.gradientAccumulation;
  globalRows = config.globalBatchSize ? config.globalBatchSize.value : own * microBatches * config.microBatch();
  for (const dist::ShardingOptions &group : dist::tensorGroups(config.worldSize / config.pipeline))
    rows.push_back(compare(group));
}

/// The same rows of the global batch in as many micro-batches, on other ranks.
ModeRow ModeComparison::compare(const dist::ShardingOptions &group) {
  ModeRow row{group, config.worldSize / (config.pipeline * group.size * group.sequenceSize), {}, {}};
  if (globalRows % (row.replicas * microBatches)) {
    row.reason = llvm::formatv("the global batch of {0} rows is no multiple of {1} replicas x {2} micro-batches",
                               globalRows, row.replicas, microBatches);
    return row;
  }
  ParallelConfig changed = config;
  setTensorGroup(changed, group);
  changed.data.value = row.replicas;
  changed.numMicroBatches.value = isPipeline() ? config.numMicroBatches.value : microBatches;
  changed.gradientAccumulation.value = microBatches / changed.numMicroBatches;
  changed.batchSize.value = globalRows / row.replicas / changed.gradientAccumulation;
  changed.globalBatchSize.value = 0;
  row.reason = describeBatchError(changed);
  if (row.reason.empty())
    plan(changed, row);
  return row;
}

/// Runs phases from `first` to `last`; says why where one fails, and which.
std::optional<Phase> ModeComparison::runPhases(Phase first, Phase last, const ParallelConfig &changed, ModuleOp module,
                                               std::string &reason) {
  // The first error is the cause.
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (reason.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error) {
      std::string place = describe(diagnostic.getLocation());
      reason = (place.empty() ? "" : place + ": ") + diagnostic.str();
    }
    return success();
  });
  for (int i = static_cast<int>(first); i <= static_cast<int>(last); ++i) {
    auto phase = static_cast<Phase>(i);
    PassManager pm(&context);
    // Hundreds of programs: each is verified where the user's errors end and at its own end, not after each pass.
    pm.enableVerifier(false);
    buildPhasePipeline(pm, phase, changed, algorithm, Target::CPU);
    bool verifies = phase == Phase::SPMD || phase == last;
    if (failed(pm.run(module)) || (verifies && failed(verify(module))))
      return phase;
  }
  return std::nullopt;
}

/// Groups with as many replicas have one program until it is divided among ranks.
const ModeComparison::Program &ModeComparison::programOf(const ParallelConfig &changed) {
  auto [it, isNew] = programs.try_emplace(changed.microBatch());
  Program &program = it->second;
  if (!isNew)
    return program;
  program.module = import(changed.microBatch(), program.reason);
  if (program.module && runPhases(Phase::Staged, Phase::Autodiff, changed, *program.module, program.reason))
    program.module = nullptr;
  return program;
}

void ModeComparison::plan(const ParallelConfig &changed, ModeRow &row) {
  const Program &program = programOf(changed);
  row.reason = program.reason;
  if (!program.module)
    return;
  OwningOpRef<ModuleOp> module(program.module.get().clone());
  trainingSettings(changed).attachTo(*module);
  if (std::optional<Phase> failed = runPhases(Phase::Sharded, Phase::Rt, changed, *module, row.reason))
    internalError |= *failed > Phase::SPMD;
  else
    row.plan = computePlan(*module);
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

static std::string mebibytes(int64_t bytes) { return llvm::formatv("{0:f2}", bytes / 1048576.0).str(); }

void ModeComparison::printText(llvm::raw_ostream &os) const {
  os << llvm::formatv("one step on {0} ranks: {1} rows, {2} micro-batches a replica\n", config.worldSize.value,
                      globalRows, microBatches);
  if (isPipeline())
    os << llvm::formatv(
        "in the config's pipeline of {0} stages: memory of the stage that has most, flop of that which has most\n",
        config.pipeline.value);
  os << "memory in MiB, bytes and messages of the rank that sends most, flop of one rank\n";
  constexpr const char *line =
      "{0,-29} {1,6} {2,8} {3,6} {4,11} {5,11} {6,11} {7,11} {8,9} {9,11} {10,14} {11,10} {12,10}\n";
  os << llvm::formatv(line, "tensor mode", "size", "sequence", "data", "parameters", "gradients", "optimizer",
                      "workspace", "inputs", "total", "bytes sent", "messages", "flop");
  for (const ModeRow &row : rows) {
    if (!row.plan)
      continue;
    const Plan &plan = *row.plan;
    Traffic sent = plan.mostSent();
    os << llvm::formatv(line, dist::describe(row.group), row.group.size, row.group.sequenceSize, row.replicas,
                        mebibytes(plan.parameters + plan.copies), mebibytes(plan.gradients),
                        mebibytes(plan.optimizerState), mebibytes(plan.workspace), mebibytes(plan.inputs),
                        mebibytes(plan.total()), sent.bytes, sent.messages,
                        llvm::formatv("{0:e3}", static_cast<double>(plan.flops)).str());
  }
  bool isFirst = true;
  for (const ModeRow &row : rows) {
    if (row.plan)
      continue;
    if (isFirst)
      os << "not legal for this model and batch\n";
    isFirst = false;
    std::string sequence =
        row.group.sequenceSize > 1 ? llvm::formatv(" sequence={0}", row.group.sequenceSize).str() : "";
    os << llvm::formatv("  {0} size={1}{2} data={3}: {4}\n", dist::describe(row.group), row.group.size, sequence,
                        row.replicas, row.reason);
  }
}

static void printPlanned(llvm::json::OStream &json, const Plan &plan) {
  Traffic sent = plan.mostSent();
  printMemoryJSON(plan, json);
  json.attribute("bytes_per_step", sent.bytes);
  json.attribute("messages_per_step", sent.messages);
  json.attribute("flops", plan.flops);
}

void ModeComparison::printJSON(llvm::raw_ostream &os) const {
  llvm::json::OStream json(os, /*IndentSize=*/2);
  json.object([&] {
    json.attribute("world_size", config.worldSize.value);
    json.attribute("pipeline", config.pipeline.value);
    json.attribute("global_batch_rows", globalRows);
    json.attribute("micro_batches", microBatches);
    json.attributeArray("modes", [&] {
      for (const ModeRow &row : rows)
        json.object([&] {
          json.attribute("mode", row.group.mode);
          json.attribute("size", row.group.size);
          json.attribute("depth", row.group.depth);
          json.attribute("sequence_parallel", row.group.sequenceParallel);
          json.attribute("sequence_mode", row.group.sequenceMode);
          json.attribute("sequence_size", row.group.sequenceSize);
          json.attribute("data", row.replicas);
          if (row.plan)
            printPlanned(json, *row.plan);
          else
            json.attribute("not_legal", row.reason);
        });
    });
  });
  os << '\n';
}
