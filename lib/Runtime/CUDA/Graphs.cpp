//===- Graphs.cpp - work of a rank's streams as CUDA graphs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Graphs.h.
//
//===----------------------------------------------------------------------===//

#include "CUDA/Graphs.h"

namespace colo::runtime::cuda {

Graphs::~Graphs() {
  // NCCL waits for the end of graphs that hold its operations.
  for (GraphExec graph : graphs)
    check(cu.cuGraphExecDestroy(graph), "cuGraphExecDestroy");
  for (CudaEvent event : events)
    cu.cuEventDestroy_v2(event);
}

void Graphs::open(std::vector<CudaStream> chosen) {
  streams = std::move(chosen);
  events.resize(streams.size());
  for (CudaEvent &event : events)
    check(cu.cuEventCreate(&event, kEventWithoutTime), "cuEventCreate");
}

bool Graphs::attempt(int result, const char *call) {
  if (result && fault.empty())
    fault = formatString("%s: %s", call, describeResult(result).c_str());
  return !result;
}

bool Graphs::fork() {
  if (!attempt(cu.cuStreamBeginCapture_v2(streams[0], kThreadLocalCapture), "cuStreamBeginCapture"))
    return false;
  bool isFine = attempt(cu.cuEventRecord(events[0], streams[0]), "cuEventRecord");
  for (size_t i = 1; i < streams.size() && isFine; ++i)
    isFine = attempt(cu.cuStreamWaitEvent(streams[i], events[0], 0), "cuStreamWaitEvent");
  return isFine;
}

/// A stream takes part although nothing may have come to it, so that events recorded there belong to the capture.
bool Graphs::join(GraphExec &exec, int64_t &nodes) {
  bool isFine = true;
  for (size_t i = 1; i < streams.size() && isFine; ++i)
    isFine = attempt(cu.cuEventRecord(events[i], streams[i]), "cuEventRecord") &&
             attempt(cu.cuStreamWaitEvent(streams[0], events[i], 0), "cuStreamWaitEvent");
  Graph graph = nullptr;
  size_t count = 0;
  // Whatever went wrong, the streams leave the capture.
  isFine &= attempt(cu.cuStreamEndCapture(streams[0], &graph), "cuStreamEndCapture");
  isFine = isFine && attempt(cu.cuGraphGetNodes(graph, nullptr, &count), "cuGraphGetNodes") &&
           attempt(cu.cuGraphInstantiateWithFlags(&exec, graph, 0), "cuGraphInstantiate") &&
           attempt(cu.cuGraphUpload(exec, streams[0]), "cuGraphUpload") &&
           attempt(cu.cuStreamSynchronize(streams[0]), "cuStreamSynchronize");
  if (graph)
    isFine &= attempt(cu.cuGraphDestroy(graph), "cuGraphDestroy");
  nodes = static_cast<int64_t>(count);
  return isFine;
}

std::string Graphs::tryOut(Address byte, uint32_t *word) {
  fault.clear();
  GraphExec exec = nullptr;
  int64_t nodes = 0;
  bool isFine = fork() && attempt(cu.cuMemsetD8Async(byte, 0, 1, streams[0]), "cuMemsetD8Async") &&
                attempt(cu.cuStreamWriteValue32_v2(streams.back(), addressOf(word), 1, 0), "cuStreamWriteValue32");
  isFine &= join(exec, nodes);
  isFine = isFine && attempt(cu.cuGraphLaunch(exec, streams[0]), "cuGraphLaunch") &&
           attempt(cu.cuStreamSynchronize(streams[0]), "cuStreamSynchronize");
  if (isFine && __atomic_load_n(word, __ATOMIC_ACQUIRE) != 1)
    fault = "cuStreamWriteValue32 does nothing in a graph";
  if (exec)
    attempt(cu.cuGraphExecDestroy(exec), "cuGraphExecDestroy");
  return fault;
}

void Graphs::begin() {
  setCheckHint(", while the step was captured as a CUDA graph; --graph=off does without");
  fault.clear();
  size_t all = 0;
  check(cu.cuMemGetInfo_v2(&freeBytes, &all), "cuMemGetInfo");
  if (!fork())
    failProcess(Status::internal("%s%s", fault.c_str(), checkHint()));
}

DeviceGraph Graphs::end() {
  DeviceGraph made;
  GraphExec exec = nullptr;
  size_t after = 0, all = 0;
  if (!join(exec, made.nodes))
    failProcess(Status::internal("%s%s", fault.c_str(), checkHint()));
  check(cu.cuMemGetInfo_v2(&after, &all), "cuMemGetInfo");
  setCheckHint("");
  made.bytes = static_cast<int64_t>(freeBytes) - static_cast<int64_t>(after);
  made.number = static_cast<int64_t>(graphs.size());
  graphs.push_back(exec);
  return made;
}

void Graphs::launch(int64_t number) { check(cu.cuGraphLaunch(graphs[number], streams[0]), "cuGraphLaunch"); }

} // namespace colo::runtime::cuda
