//===- Training.cpp - one rank of a run: the steps ---------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Allocates nothing: the loop only uses what set-up made, and a device's graphs are
// made at the second step.
//
//===----------------------------------------------------------------------===//

#include "Logger.h"
#include "ProductTiming.h"
#include "Profile.h"
#include "Ranges.h"
#include "Rank.h"
#include "Replicas.h"
#include "colo/Runtime/LearningRate.h"
#include "colo/Runtime/Philox.h"
#include "colo/Runtime/Safetensors.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace colo::runtime {

using Clock = std::chrono::steady_clock;

/// Tokens of one row: the elements of the first id input with a sequence dim, or
/// one sample.
static int64_t tokensPerRow(const ColoProgram &program) {
  for (int64_t i = 0; i < program.inputCount; ++i)
    if (program.inputs[i].rank >= 2 && program.inputs[i].classes > 0)
      return rowElements(program.inputs[i]);
  return 1;
}

/// The replica's rows of the global batch whose first sample is at stream
/// position `position`; in file order if not shuffled.
Status Rank::readRows(const Dataset &data, int64_t position, bool shuffled, char *twin) {
  uint64_t size = data.size(), first = position + colo.firstRow;
  for (int64_t row = 0; row < run.world.rowsPerReplica;) {
    uint64_t epoch = (first + row) / size;
    Permutation order(size, run.seed, epoch);
    for (; row < run.world.rowsPerReplica && (first + row) / size == epoch; ++row) {
      uint64_t place = (first + row) % size;
      int64_t record = static_cast<int64_t>(shuffled ? order(place) : place);
      for (int64_t i = 0; i < program().inputCount; ++i) {
        const ColoInput &input = program().inputs[i];
        char *to = twin + (static_cast<char *>(colo.inputs[i]) - memory.begin(Arena::Inputs)) +
                   row * rowElements(input) * typeSize(input.dtype);
        if (Status status = data.read(record, i, to); status.failed())
          return status;
      }
    }
  }
  return Status::ok();
}

Status Rank::loadRows(int64_t step) {
  char *region = memory.begin(Arena::Inputs);
  if (stagedStep == step) {
    owned->unstage(region, memory.begin(Arena::Staging), memory.bytes(Arena::Inputs));
    return Status::ok();
  }
  char *twin = inputs[step % 2];
  if (Status status = readRows(*run.train, step * run.world.globalRows, true, twin); status.failed())
    return status;
  owned->upload(region, twin, memory.bytes(Arena::Inputs));
  return Status::ok();
}

/// What cannot be read is said when its step comes, which reads it again.
void Rank::stageRows(int64_t step) {
  if (owned->sharesMemory() || step >= run.options.steps ||
      readRows(*run.train, step * run.world.globalRows, true, inputs[step % 2]).failed())
    return;
  owned->stage(memory.begin(Arena::Staging), inputs[step % 2], memory.bytes(Arena::Inputs));
  stagedStep = step;
}

void Rank::uploadStepValues() {
  *stepValues = {colo.step, colo.lr, colo.biasCorrection1, colo.biasCorrection2, colo.lossScale, colo.updates};
  owned->upload(reinterpret_cast<char *>(colo.stepValues), reinterpret_cast<char *>(stepValues), sizeof *stepValues);
}

void Rank::setCounting(bool on) {
  caller.counting = on;
  owned->products().counting = on;
}

Status Rank::trainStep(int64_t step) {
  const ColoOptimizer &optimizer = program().optimizer;
  Stopwatch watch;
  RangeScope range([&] { return formatString("step %lld", static_cast<long long>(step) + 1); });
  if (Status status = loadRows(step); status.failed())
    return status;
  colo.step = step;
  colo.lr = learningRate(optimizer, step, run.options.steps);
  colo.biasCorrection1 = 1 - std::pow(optimizer.beta1, static_cast<double>(colo.updates + 1));
  colo.biasCorrection2 = 1 - std::pow(optimizer.beta2, static_cast<double>(colo.updates + 1));
  colo.lossScale = scale.value();
  uploadStepValues();
  actionLog.startStep();
  training->run();
  stageRows(step + 1);
  owned->synchronize();
  // Every rank reads the same norm.
  bool overflowed = scale.isOn() && !std::isfinite(*colo.hostGradNorm);
  colo.updates += !overflowed;
  scale.update(overflowed);
  Elapsed elapsed = watch.elapsed();
  profiled += elapsed;
  double seconds = elapsed.clock;
  if (run.options.timeProducts)
    stepSeconds.push_back(seconds);
  if (rank != 0)
    return Status::ok();
  double tokens = static_cast<double>(run.world.globalRows * tokensPerRow(program()));
  StepRecord record{step + 1,
                    run.options.steps,
                    colo.lr,
                    *colo.hostGradNorm,
                    tokens / seconds,
                    colo.hostMetrics,
                    scale.isOn() ? colo.lossScale : 0,
                    overflowed};
  if (Status status = run.logger->step(record); status.failed())
    return status;
  double loss = program().metricCount ? colo.hostMetrics[run.logger->lossIndex()] : 0;
  if (std::string fault = scale.isOn() ? scale.fault(overflowed, loss) : ""; !fault.empty())
    return Status::user("%s (step %lld, loss %g, loss scale %g, lr %g)", fault.c_str(),
                        static_cast<long long>(step) + 1, loss, colo.lossScale, colo.lr);
  // Parameters are no numbers then, though a loss that does not see all of them may be one for long.
  if (!(std::isfinite(loss) && std::isfinite(*colo.hostGradNorm)) && !overflowed)
    return Status::user("the loss is %g at step %lld (lr %g, gradient norm %g); a smaller learning rate, a longer "
                        "warm-up or clip_grad_norm may help",
                        loss, static_cast<long long>(step) + 1, colo.lr, *colo.hostGradNorm);
  return Status::ok();
}

/// Means of the metrics over all whole global batches, in file order; a last
/// partial batch is left out. Random numbers are those of the batch, the same
/// at every evaluation.
Status Rank::evaluate(int64_t step) {
  // The twin of the step that is done; the other may be on its way.
  char *twin = inputs[(step + 1) % 2];
  int64_t batches = run.eval->size() / run.world.globalRows;
  setCounting(false);
  std::fill(evalSums.begin(), evalSums.end(), 0.0);
  for (int64_t batch = 0; batch < batches; ++batch) {
    if (Status status = readRows(*run.eval, batch * run.world.globalRows, false, twin); status.failed())
      return status;
    owned->upload(memory.begin(Arena::Inputs), twin, memory.bytes(Arena::Inputs));
    RangeScope range([&] { return formatString("evaluation, batch %lld", static_cast<long long>(batch)); });
    colo.step = evaluationStep + batch;
    uploadStepValues();
    evaluation->run();
    owned->synchronize();
    for (size_t i = 0; i < evalSums.size(); ++i)
      evalSums[i] += colo.hostMetrics[i] / static_cast<double>(batches);
  }
  setCounting(true);
  return rank == 0 ? run.logger->evaluation(step, evalSums.data(), batches) : Status::ok();
}

Status Rank::train() {
  const Options &options = run.options;
  if (options.timeProducts)
    stepSeconds.reserve(std::min<int64_t>(options.steps, 1 << 20));
  std::unique_ptr<Profile> profile;
  if (options.timeProducts && !options.profile)
    if (Status status = owned->makeMarks(2); status.failed())
      return status;
  if (options.profile && rank == 0)
    profile = std::make_unique<Profile>(program(), *owned);
  // Each step starts with clearing the gradients.
  if (profile)
    if (Status status = profile->prepare(memory.begin(Arena::Grads), memory.bytes(Arena::Grads)); status.failed())
      return status;
  ReplicaCheck replicas(*this);
  bool evaluated = false;
  for (int64_t step = 0; step < options.steps; ++step) {
    // Evaluations and comparisons are no part of the steps whose time is told apart.
    setProfile(profile.get());
    Status trained = trainStep(step);
    setProfile(nullptr);
    if (profile)
      profile->collect();
    if (trained.failed())
      return trained;
    if (profile && step == 0 && options.steps > 1) {
      profile->reset();
      profiled = {};
    }
    if (options.checkReplicas)
      if (Status status = replicas.compare(step); status.failed())
        return status;
    evaluated = run.eval && options.evalEvery && (step + 1) % options.evalEvery == 0;
    if (evaluated)
      if (Status status = evaluate(step + 1); status.failed())
        return status;
  }
  if (profile)
    profile->print(std::max<int64_t>(options.steps - 1, 1), profiled);
  if (run.eval && !evaluated)
    if (Status status = evaluate(options.steps); status.failed())
      return status;
  if (!options.exportFile.empty())
    if (Status status = exportModel(*this, colo.params, options.exportFile); status.failed())
      return status;
  if (!options.dumpGrads.empty())
    if (Status status = exportModel(*this, colo.grads, options.dumpGrads, 1 / colo.lossScale); status.failed())
      return status;
  if (options.timeProducts) {
    reached = highWater();
    printProductTiming(*this, stepSeconds);
  }
  return Status::ok();
}

} // namespace colo::runtime
