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
#include "Profile.h"
#include "Threads.h"
#include "colo/Runtime/Safetensors.h"

namespace colo::runtime {

Status commStatus(ncclResult_t result) {
  if (result == ncclSuccess)
    return Status::ok();
  return Status::internal("%s", commProvider().lastError(nullptr));
}

Rank::Rank(Run &run, int64_t rank)
    : run(run), rank(rank), at(coordinatesOf(*run.program, run.world, rank)), tensorList(listTensors(*run.program)) {}

Rank::~Rank() {
  setCommCaller(nullptr);
  for (ncclComm_t comm : comms)
    commProvider().destroy(comm);
  if (world)
    commProvider().destroy(world);
}

Status Rank::setUp() {
  setRankThreads(run.threads);
  if (Status status = setUpComms(); status.failed())
    return status;
  if (Status status = setUpMemory(); status.failed())
    return status;
  if (Status status = products.prepare(run.program->gemms, run.program->gemmCount); status.failed())
    return status;
  setUpFrame();
  actionLog.prepare(*run.program, stage(), run.world.microBatches, !run.options.trace.empty());
  for (const Tensor &tensor : tensorList)
    if (holds(tensor))
      initialize(*run.program, tensor, run.seed, at.axes.data(), shard(tensor, colo.params));
  if (run.init)
    return run.init->load(*this);
  return Status::ok();
}

Status Rank::setUpComms() {
  const ColoProgram &p = *run.program;
  const CommProvider &provider = commProvider();
  if (Status status = commStatus(provider.initRank(&world, run.world.ranks, run.id, rank, nullptr)); status.failed())
    return status;
  comms.resize(p.commCount);
  for (int64_t i = 0; i < p.commCount; ++i) {
    SplitKey split = splitKey(p, p.comms[i], at, run.world);
    if (Status status = commStatus(provider.split(world, split.color, split.key, &comms[i], nullptr)); status.failed())
      return status;
  }
  // A transfer between stages waits more than it works, so its thread needs no core of its own.
  auto isInOrder = [&](int64_t stream) {
    return stream == COLO_STREAM_COMPUTE || (stream == COLO_STREAM_TRANSFERS && !run.overlap) ||
           (stream == COLO_STREAM_PIPELINE && run.options.overlap == "off");
  };
  for (int64_t i = 0; i < std::max<int64_t>(1, p.streamCount); ++i)
    streams.push_back(std::make_unique<Stream>(isInOrder(i)));
  for (int64_t i = 0; i < p.eventCount; ++i)
    events.push_back(std::make_unique<Event>());
  for (auto &stream : streams)
    streamHandles.push_back(stream.get());
  for (auto &event : events)
    eventHandles.push_back(event.get());
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
  int64_t small = roundTo64(p.termCount * 8) * 2 + roundTo64(p.metricCount * 8);
  int64_t sizes[Arena::RegionCount] = {flat,   flat, roundTo64(flat) * p.stateBuffers, stage().workspaceBytes,
                                       inputs, small};
  if (Status status = memory.allocate(sizes); status.failed())
    return status;
  painted = !run.options.stats.empty();
  if (painted)
    memory.paintWorkspace();
  return Status::ok();
}

void Rank::setUpFrame() {
  const ColoProgram &p = *run.program;
  colo.params = memory.begin(Arena::Params);
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
  char *small = memory.begin(Arena::Frame);
  colo.counts = reinterpret_cast<int64_t *>(small);
  colo.inverseCounts = reinterpret_cast<double *>(small + roundTo64(p.termCount * 8));
  colo.metrics = reinterpret_cast<double *>(small + 2 * roundTo64(p.termCount * 8));
  colo.microBatches = run.world.microBatches;
  colo.seed = static_cast<int64_t>(run.seed);
  colo.firstRow = at.replica * run.world.rowsPerReplica;
  colo.dp = run.world.dp;
  colo.replica = at.replica;
  colo.stage = at.stage;
  colo.coords = at.axes.data();
  colo.comms = reinterpret_cast<void **>(comms.data());
  colo.streams = streamHandles.data();
  colo.events = eventHandles.data();
  colo.site = -1;
  colo.runtime = this;
  caller = {&colo.site, p.sites, p.siteCount, commCounters.data(), true};
  setCommCaller(&caller);
}

int64_t Rank::highWater() const {
  int64_t bytes = painted ? memory.paintedHighWater() : memory.bytes(Arena::Workspace);
  for (int i = 0; i < Arena::RegionCount; ++i)
    if (i != Arena::Workspace)
      bytes += memory.bytes(i);
  return bytes;
}

} // namespace colo::runtime

extern "C" void colo_gemm(ColoFrame *frame, int64_t gemm, const void *a, const void *b, void *c) {
  colo::runtime::ProfileScope scope(colo::runtime::Profile::Product, gemm);
  static_cast<colo::runtime::Rank *>(frame->runtime)->gemms().run(gemm, a, b, c);
}
