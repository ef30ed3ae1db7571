//===- Rank.cpp - one rank of a run: set-up ----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything is allocated here; Training.cpp only uses it.
//
//===----------------------------------------------------------------------===//

#include "Rank.h"
#include "Half.h"
#include "Threads.h"
#include "colo/Runtime/Safetensors.h"

#include <algorithm>

namespace colo::runtime {

Status commStatus(ncclResult_t result) { return commStatus(commProvider(), result); }

Status commStatus(const CommProvider &provider, ncclResult_t result) {
  return result == ncclSuccess ? Status::ok() : commFailure(result, provider.lastError(nullptr));
}

Status commFailure(ncclResult_t result, const char *message) {
  return result == ncclRemoteError ? Status::usage("%s", message) : Status::internal("%s", message);
}

Rank::Rank(Run &run, int64_t rank)
    : run(run), rank(rank), at(coordinatesOf(*run.program, run.world, rank)), tensorList(listTensors(*run.program)),
      scale(run.program->lossScale) {}

Rank::~Rank() {
  setCommCaller(nullptr);
  if (owned) {
    owned->releaseGraphs();
    for (ncclComm_t comm : comms)
      owned->comms().destroy(comm);
    if (deviceWorld && deviceWorld != world)
      owned->comms().destroy(deviceWorld);
  }
  if (world)
    commProvider().destroy(world);
}

Status Rank::setUp() {
  setRankThreads(run.threads);
  owned.reset(static_cast<Device *>(run.program->device()));
  int64_t place = run.world.launched ? run.world.rankOnHost : rank;
  DeviceSetup setup{run.program,
                    place,
                    run.overlap,
                    run.options.overlap != "off",
                    run.world.ranks,
                    run.world.launched ? 1 : run.world.ranks,
                    run.options.comm,
                    whyPlain(run.options).empty(),
                    run.options.graph == "on"};
  if (Status status = owned->open(setup); status.failed())
    return status;
  if (Status status = setUpComms(); status.failed())
    return status;
  if (Status status = setUpMemory(); status.failed())
    return status;
  if (Status status = setUpFrame(); status.failed())
    return status;
  if (Status status = setUpSteps(setup); status.failed())
    return status;
  actionLog.prepare(*run.program, stage(), run.world.microBatches, !run.options.trace.empty());
  for (const Tensor &tensor : tensorList)
    if (holds(tensor)) {
      HostView view(*owned, shard(tensor, colo.params), tensor.localElements() * typeSize(run.program->dtype),
                    HostView::Writes);
      initialize(*run.program, tensor, run.seed, at.axes.data(), view.data());
    }
  if (run.init)
    if (Status status = run.init->load(*this); status.failed())
      return status;
  copyParameters();
  return Status::ok();
}

/// What the update does to the parameters that it changes.
void Rank::copyParameters() {
  const ColoProgram &p = *run.program;
  if (!hasCopies())
    return;
  int64_t elements = stage().paramElements;
  HostView from(*owned, colo.params, elements * typeSize(p.dtype), HostView::Reads);
  HostView to(*owned, colo.copies, elements * typeSize(p.readAs), HostView::Writes);
  auto *wide = reinterpret_cast<const float *>(from.data());
  if (p.readAs == COLO_BF16)
    std::transform(wide, wide + elements, reinterpret_cast<BFloat16 *>(to.data()), [](float x) { return BFloat16(x); });
  else
    std::transform(wide, wide + elements, reinterpret_cast<Float16 *>(to.data()), [](float x) { return Float16(x); });
}

Status Rank::setUpComms() {
  const ColoProgram &p = *run.program;
  const CommProvider &provider = commProvider();
  if (Status status = commStatus(provider.initRank(&world, run.world.ranks, run.id, rank, nullptr)); status.failed())
    return status;
  auto index = static_cast<int>(rank), ranks = static_cast<int>(run.world.ranks);
  if (Status status = owned->connect(world, index, ranks, deviceWorld); status.failed())
    return status;
  const CommProvider &own = owned->comms();
  comms.resize(p.commCount);
  for (int64_t i = 0; i < p.commCount; ++i) {
    SplitKey split = splitKey(p, p.comms[i], at, run.world);
    if (Status status = commStatus(own, own.split(deviceWorld, split.color, split.key, &comms[i], nullptr));
        status.failed())
      return status;
  }
  commCounters.resize(p.siteCount + 1);
  evalSums.resize(p.metricCount);
  return Status::ok();
}

ColoStage Rank::stage() const {
  const ColoProgram &p = *run.program;
  return p.stages ? p.stages[at.stage] : ColoStage{p.paramElements, p.workspaceBytes, 0, 0};
}

Status Rank::setUpMemory() {
  const ColoProgram &p = *run.program;
  int64_t flat = stage().paramElements * typeSize(p.dtype), inputs = 0;
  for (int64_t i = 0; i < p.inputCount; ++i)
    inputs += roundTo64(rowElements(p.inputs[i]) * typeSize(p.inputs[i].dtype) * run.world.rowsPerReplica);
  int64_t small =
      roundTo64(p.termCount * 8) * 2 + roundTo64(p.metricCount * 8) + roundTo64(8) + roundTo64(sizeof(ColoStepValues));
  int64_t sizes[Arena::RegionCount] = {flat,
                                       hasCopies() ? stage().paramElements * typeSize(p.readAs) : 0,
                                       flat,
                                       roundTo64(flat) * p.stateBuffers,
                                       stage().workspaceBytes,
                                       inputs,
                                       owned->sharesMemory() ? 0 : inputs,
                                       small,
                                       owned->scratchBytes()};
  if (Status status = memory.allocate(*owned, sizes); status.failed())
    return status;
  owned->useScratch(memory.begin(Arena::Scratch));
  painted = !run.options.stats.empty();
  if (painted)
    memory.paintWorkspace();
  return Status::ok();
}

Status Rank::setUpFrame() {
  const ColoProgram &p = *run.program;
  colo.params = memory.begin(Arena::Params);
  if (hasCopies())
    colo.copies = memory.begin(Arena::Copies);
  colo.lossScale = scale.value();
  colo.grads = memory.begin(Arena::Grads);
  for (int64_t i = 0; i < p.stateBuffers && i < 2; ++i)
    colo.state[i] = memory.begin(Arena::State) + i * roundTo64(stage().paramElements * typeSize(p.dtype));
  colo.workspace = memory.begin(Arena::Workspace);
  char *input = memory.begin(Arena::Inputs);
  for (int64_t i = 0; i < p.inputCount; ++i) {
    inputPointers.push_back(input);
    input += roundTo64(rowElements(p.inputs[i]) * typeSize(p.inputs[i].dtype) * run.world.rowsPerReplica);
  }
  colo.inputs = inputPointers.data();
  char *small = memory.begin(Arena::Frame), *host = nullptr;
  for (char *&twin : inputs)
    if (Status status = owned->makeTwin(memory.begin(Arena::Inputs), memory.bytes(Arena::Inputs), twin);
        status.failed())
      return status;
  if (Status status = owned->makeTwin(small, memory.bytes(Arena::Frame), host); status.failed())
    return status;
  int64_t inverse = roundTo64(p.termCount * 8), metrics = 2 * inverse, norm = metrics + roundTo64(p.metricCount * 8),
          values = norm + roundTo64(8);
  colo.counts = reinterpret_cast<int64_t *>(small);
  colo.metrics = reinterpret_cast<double *>(small + metrics);
  colo.gradNorm = reinterpret_cast<double *>(small + norm);
  colo.inverseCounts = reinterpret_cast<double *>(small + inverse);
  colo.stepValues = reinterpret_cast<ColoStepValues *>(small + values);
  stepValues = reinterpret_cast<ColoStepValues *>(host + values);
  colo.hostMetrics = reinterpret_cast<double *>(host + metrics);
  colo.hostGradNorm = reinterpret_cast<double *>(host + norm);
  colo.microBatches = run.world.microBatches;
  colo.seed = static_cast<int64_t>(run.seed);
  colo.firstRow = at.replica * run.world.rowsPerReplica;
  colo.dp = run.world.dp;
  colo.replica = at.replica;
  colo.stage = at.stage;
  colo.coords = at.axes.data();
  colo.comms = reinterpret_cast<void **>(comms.data());
  colo.streams = owned->streamHandles();
  colo.site = -1;
  colo.runtime = this;
  caller = {&colo.site, p.sites, p.siteCount, commCounters.data(), true, &owned->comms()};
  setCommCaller(&caller);
  return Status::ok();
}

/// Operations of NCCL are captured by all of their ranks or by none, so all ranks agree.
Status Rank::setUpSteps(const DeviceSetup &setup) {
  plainBecause = whyPlain(run.options);
  if (plainBecause.empty())
    plainBecause = owned->whyNoGraph(setup);
  int32_t captures = plainBecause.empty();
  if (Status status = commStatus(commProvider().allReduce(&captures, &captures, 1, ncclInt32, ncclMin, world, nullptr));
      status.failed())
    return status;
  if (!captures && plainBecause.empty())
    plainBecause = "another rank cannot capture them";
  if (!captures && run.options.graph == "on")
    return Status::usage("--graph=on: %s", plainBecause.c_str());
  training = std::make_unique<StepGraph>("step", program().step, *owned, colo, commCounters, captures);
  evaluation = std::make_unique<StepGraph>("evaluation", program().evaluate, *owned, colo, commCounters, captures);
  return Status::ok();
}

std::string Rank::describeLaunches() const {
  if (owned->sharesMemory())
    return "";
  return plainBecause.empty() ? "from the second on a step is launched as one CUDA graph"
                              : "kernels are launched one by one: " + plainBecause;
}

int64_t Rank::highWater() const {
  if (reached >= 0)
    return reached;
  int64_t bytes = painted ? memory.paintedHighWater() : memory.bytes(Arena::Workspace);
  for (int i = 0; i < Arena::RegionCount; ++i)
    if (i != Arena::Workspace && i != Arena::Scratch)
      bytes += memory.bytes(i);
  return bytes;
}

} // namespace colo::runtime
