//===- Graphs.cpp - captures and graphs -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Double.h. A launched graph has a thread for each stream that it was captured
// from, and other streams do not order them.
//
//===----------------------------------------------------------------------===//

#include "Double.h"

#include <atomic>
#include <map>
#include <memory>

using namespace colo_double;

struct CUgraphExec_st {
  CUgraph_st graph;
  std::shared_ptr<std::atomic<int>> underWay = std::make_shared<std::atomic<int>>(0);
  std::map<CUstream_st *, std::unique_ptr<CUstream_st>> lanes;
};

namespace {
struct Launch {
  explicit Launch(size_t nodes) : done(nodes) {}
  Completion begin;
  std::vector<Completion> done;
};
std::mutex liveMutex;
std::set<CUgraphExec_st *> live;
constexpr size_t kDeviceBytes = size_t(1) << 40, kNodeBytes = 512;
} // namespace

void colo_double::refuseInCapture(const char *call) {
  if (context().capture)
    fail(std::string(call) + " while a stream is captured");
}

bool colo_double::waitInCapture(CUstream_st &stream, CUevent_st &event) {
  CUgraph_st *capture = context().capture;
  if (!capture) {
    if (event.capture)
      fail("cuStreamWaitEvent for an event that was last recorded in a capture");
    return false;
  }
  if (event.capture != capture->number)
    fail("cuStreamWaitEvent in a capture for an event that was not recorded in it");
  stream.capture = capture;
  capture->streams.insert(&stream);
  stream.last.insert(event.nodes.begin(), event.nodes.end());
  return true;
}

DOUBLE_EXPORT int cuStreamBeginCapture_v2(CUstream_st *stream, int mode) {
  static std::atomic<uint64_t> number{0};
  if (mode != 1)
    fail("cuStreamBeginCapture in a mode that concerns other ranks' threads, or nobody");
  refuseInCapture("cuStreamBeginCapture");
  if (!stream)
    fail("cuStreamBeginCapture of the default stream");
  auto *graph = new CUgraph_st;
  graph->number = ++number;
  graph->device = &context();
  graph->origin = stream;
  graph->owner = std::this_thread::get_id();
  graph->streams = {stream};
  stream->capture = context().capture = graph;
  return 0;
}

/// Nodes that are done when `last` are.
static std::set<size_t> behind(const CUgraph_st &graph, const std::set<size_t> &last) {
  std::set<size_t> reached;
  std::vector<size_t> open(last.begin(), last.end());
  while (!open.empty()) {
    size_t node = open.back();
    open.pop_back();
    if (reached.insert(node).second)
      open.insert(open.end(), graph.nodes[node].behind.begin(), graph.nodes[node].behind.end());
  }
  return reached;
}

DOUBLE_EXPORT int cuStreamEndCapture(CUstream_st *stream, CUgraph_st **ended) {
  CUgraph_st *graph = stream ? stream->capture : nullptr;
  if (!graph || graph->origin != stream || graph->owner != std::this_thread::get_id())
    fail("cuStreamEndCapture on a stream or thread that did not begin it");
  if (behind(*graph, stream->last).size() != graph->nodes.size())
    fail("cuStreamEndCapture while the stream does not wait for all streams that take part");
  for (CUstream_st *member : graph->streams) {
    member->capture = nullptr;
    member->last.clear();
  }
  graph->device->capture = nullptr;
  *ended = graph;
  return 0;
}

DOUBLE_EXPORT int cuGraphGetNodes(CUgraph_st *graph, void *nodes, size_t *count) {
  if (nodes)
    fail("cuGraphGetNodes for more than their number");
  *count = graph->nodes.size();
  return 0;
}

DOUBLE_EXPORT int cuGraphDestroy(CUgraph_st *graph) {
  if (mustFail("cuGraphDestroy"))
    return 400;
  delete graph;
  return 0;
}

DOUBLE_EXPORT int cuGraphInstantiateWithFlags(CUgraphExec_st **made, CUgraph_st *graph, unsigned long long flags) {
  static std::atomic<unsigned> seed{1000};
  refuseInCapture("cuGraphInstantiate");
  if (flags)
    fail("cuGraphInstantiate with flags");
  if (mustFail("cuGraphInstantiate"))
    return 801;
  auto *exec = new CUgraphExec_st;
  exec->graph = *graph;
  for (CUstream_st *stream : graph->streams)
    exec->lanes[stream] = std::make_unique<CUstream_st>(seed++);
  std::lock_guard<std::mutex> lock(graph->device->mutex);
  graph->device->graphs += 1;
  graph->device->graphNodes += static_cast<int64_t>(graph->nodes.size());
  std::lock_guard<std::mutex> adding(liveMutex);
  live.insert(exec);
  *made = exec;
  return 0;
}

/// Whether a graph that holds the communicator is as it should be.
template <typename Is> static bool isHeld(const void *communicator, Is is) {
  std::lock_guard<std::mutex> lock(liveMutex);
  for (const CUgraphExec_st *exec : live)
    for (const void *held : exec->graph.communicators)
      if (held == communicator && is(*exec))
        return true;
  return false;
}

bool colo_double::isInGraph(const void *communicator) {
  return isHeld(communicator, [](const CUgraphExec_st &) { return true; });
}

bool colo_double::isUnderWay(const void *communicator) {
  return isHeld(communicator, [](const CUgraphExec_st &exec) { return exec.underWay->load() != 0; });
}

DOUBLE_EXPORT int cuGraphUpload(CUgraphExec_st *, CUstream_st *) {
  refuseInCapture("cuGraphUpload");
  return 0;
}

DOUBLE_EXPORT int cuGraphLaunch(CUgraphExec_st *exec, CUstream_st *stream) {
  refuseInCapture("cuGraphLaunch");
  if (!stream || exec->graph.device != &context())
    fail("cuGraphLaunch on the default stream or another device");
  const CUgraph_st &graph = exec->graph;
  int64_t stopAt = meetFault(graph.counts[CUgraph_st::Kernel]);
  {
    std::lock_guard<std::mutex> lock(context().mutex);
    context().launches += graph.counts[CUgraph_st::Kernel];
    context().products += graph.counts[CUgraph_st::Product];
    context().collectives += graph.counts[CUgraph_st::Collective];
    context().graphLaunches += 1;
  }
  auto launch = std::make_shared<Launch>(graph.nodes.size());
  for (auto &[captured, lane] : exec->lanes)
    lane->submit([launch] { launch->begin.wait(); });
  int64_t kernels = 0;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const CUgraph_st::Node *node = &graph.nodes[i];
    bool stops = node->kind == CUgraph_st::Kernel && kernels++ == stopAt;
    exec->lanes[node->stream]->submit([launch, node, i, stops] {
      for (size_t before : node->behind)
        launch->done[before].wait();
      if (stops)
        stopHere();
      node->task();
      launch->done[i].set();
    });
  }
  ++*exec->underWay;
  stream->submit([launch, underWay = exec->underWay] {
    launch->begin.set();
    for (Completion &node : launch->done)
      node.wait();
    --*underWay;
  });
  return 0;
}

DOUBLE_EXPORT int cuGraphExecDestroy(CUgraphExec_st *exec) {
  if (mustFail("cuGraphExecDestroy"))
    return 400;
  {
    std::lock_guard<std::mutex> lock(liveMutex);
    live.erase(exec);
  }
  delete exec;
  return 0;
}

DOUBLE_EXPORT int cuMemGetInfo_v2(size_t *freeBytes, size_t *all) {
  CUctx_st &here = context();
  std::lock_guard<std::mutex> lock(here.mutex);
  *all = kDeviceBytes;
  *freeBytes = kDeviceBytes - static_cast<size_t>(here.bytes) - kNodeBytes * static_cast<size_t>(here.graphNodes);
  return 0;
}
