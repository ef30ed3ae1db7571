//===- Print.cpp - the resolved configuration as a table ------------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One line a value: its key as a user would write it, the value as Python would
// print it, and where it came from.
//
//===----------------------------------------------------------------------===//

#include "Value.h"
#include "colo/Dialect/Dist/Modes.h"
#include "colo/Frontend/Config.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/SourceMgr.h"

using namespace llvm;
using colo::config::repr;
using colo::config::Value;

namespace colo {

/// Nothing is left out of what the user checks.
static constexpr size_t noLimit = size_t(1) << 40;

namespace {

class Table {
public:
  explicit Table(const SourceMgr &sources) : sources(sources) {}

  template <typename T> void add(StringRef name, const Sourced<T> &value, StringRef otherwise = "default") {
    rows.push_back({name.str(), repr(Value(value.value), noLimit), origin(value.loc, otherwise)});
  }
  void addText(StringRef name, std::string text, SMLoc loc, StringRef otherwise = "default") {
    rows.push_back({name.str(), std::move(text), origin(loc, otherwise)});
  }
  void print(raw_ostream &os) const;

private:
  struct Row {
    std::string name, value, origin;
  };
  std::string origin(SMLoc loc, StringRef otherwise) const;

  const SourceMgr &sources;
  std::vector<Row> rows;
};

} // namespace

std::string Table::origin(SMLoc loc, StringRef otherwise) const {
  unsigned bufferId = loc.isValid() ? sources.FindBufferContainingLoc(loc) : 0;
  if (!bufferId)
    return otherwise.str();
  auto [line, column] = sources.getLineAndColumn(loc, bufferId);
  return formatv("{0}:{1}:{2}", sources.getMemoryBuffer(bufferId)->getBufferIdentifier(), line, column);
}

void Table::print(raw_ostream &os) const {
  size_t nameWidth = 0, valueWidth = 0;
  for (const Row &row : rows) {
    nameWidth = std::max(nameWidth, row.name.size());
    // One long text does not push all origins away.
    valueWidth = std::max(valueWidth, std::min<size_t>(row.value.size(), 40));
  }
  for (const Row &row : rows) {
    os << row.name;
    os.indent(nameWidth - row.name.size() + 2) << row.value;
    os.indent(valueWidth - std::min(row.value.size(), valueWidth) + 2) << row.origin << '\n';
  }
}

static void addParallel(const ParallelConfig &config, Table &table) {
  table.add("parallel.pipeline.size", config.pipeline);
  table.add("parallel.pipeline.schedule", config.pipelineSchedule);
  table.add("parallel.pipeline.chunks", config.pipelineChunks);
  table.add("parallel.pipeline.partition", config.pipelinePartition);
  table.add("parallel.tensor.size", config.tensorSize);
  if (config.tensorMode.value == "none")
    table.addText("parallel.tensor.mode", "None", config.tensorMode.loc);
  else
    table.add("parallel.tensor.mode", config.tensorMode);
  if (dist::findMode(config.tensorMode.value)->takesDepth)
    table.add("parallel.tensor.depth", config.depth);
  table.add("parallel.tensor.sequence_parallel", config.sequenceParallel);
  table.add("parallel.sequence.size", config.sequenceSize);
  table.add("parallel.sequence.mode", config.sequenceMode);
  int64_t replica = config.pipeline * config.tensorSize * config.sequenceSize;
  if (config.data.value)
    table.add("parallel.data", config.data);
  else if (config.worldSize.value)
    table.addText("parallel.data", std::to_string(config.worldSize / replica), SMLoc(), "from the world size");
  else
    table.addText("parallel.data", "at launch", SMLoc(), "world size / " + std::to_string(replica));
  if (config.worldSize.value)
    table.add("world size", config.worldSize, "command line");
}

static void addOptimizer(const OptimizerConfig &optimizer, Table &table) {
  table.add("optimizer.type", optimizer.type);
  table.add("optimizer.lr", optimizer.lr);
  if (optimizer.type.value == "SGD") {
    table.add("optimizer.momentum", optimizer.momentum);
    table.add("optimizer.dampening", optimizer.dampening);
    table.add("optimizer.nesterov", optimizer.nesterov);
  } else {
    std::string betas = "(" + config::reprFloat(optimizer.beta1) + ", " + config::reprFloat(optimizer.beta2) + ")";
    table.addText("optimizer.betas", betas, optimizer.beta1.loc);
    table.add("optimizer.eps", optimizer.eps);
  }
  table.add("optimizer.weight_decay", optimizer.weightDecay);
  std::string patterns;
  for (const std::string &pattern : optimizer.decayExempt)
    patterns += (patterns.empty() ? "" : ", ") + repr(Value(pattern), noLimit);
  table.addText("optimizer.decay_exempt", "[" + patterns + "]", optimizer.decayExemptLoc);
}

static void addLossScale(const LossScaleConfig &scale, Table &table) {
  table.add("loss scale.initial", scale.initial);
  table.add("loss scale.dynamic", scale.dynamic);
  table.add("loss scale.growth_factor", scale.growth);
  table.add("loss scale.backoff_factor", scale.backoff);
  table.add("loss scale.growth_interval", scale.interval);
  table.add("loss scale.hysteresis", scale.hysteresis);
  table.add("loss scale.min_scale", scale.minimum);
  if (scale.maximum.value)
    table.add("loss scale.max_scale", scale.maximum);
}

void printConfig(const ParallelConfig &config, const SourceMgr &sources, raw_ostream &os) {
  Table table(sources);
  addParallel(config, table);
  table.add("BATCH_SIZE", config.batchSize);
  table.add("NUM_MICRO_BATCHES", config.numMicroBatches);
  if (config.globalBatchSize.value)
    table.add("GLOBAL_BATCH_SIZE", config.globalBatchSize);
  table.add("gradient_accumulation", config.gradientAccumulation);
  table.add("clip_grad_norm", config.clipGradNorm);
  table.add("precision", config.precision);
  if (config.lossScale.on)
    addLossScale(config.lossScale, table);
  table.add("seed", config.seed);
  addOptimizer(config.optimizer, table);
  table.add("lr_scheduler.type", config.schedule.type);
  table.add("lr_scheduler.warmup_steps", config.schedule.warmupSteps);
  if (config.schedule.totalSteps.value)
    table.add("lr_scheduler.total_steps", config.schedule.totalSteps);
  else
    table.addText("lr_scheduler.total_steps", "--steps", SMLoc());
  table.add("lr_scheduler.min_lr", config.schedule.minLr);
  for (const auto &[name, value] : config.model) {
    Value plain = std::visit([](const auto &held) { return Value(held); }, value.value);
    table.addText("model." + name, repr(plain, noLimit), value.loc, "command line");
  }
  table.print(os);
}

} // namespace colo
