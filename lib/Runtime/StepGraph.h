//===- StepGraph.h - a function of the program, run at every step -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What emitted code enqueues on a GPU is the same at every step, so it is captured
// once and then launched as one graph. The first run is plain: libraries load what
// they need at the first call. A launch counts what the capture counted.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_STEPGRAPH_H
#define COLO_LIB_RUNTIME_STEPGRAPH_H

#include "colo/Runtime/Comm.h"
#include "colo/Runtime/Device.h"
#include "colo/Runtime/Options.h"

#include <vector>

namespace colo::runtime {

class StepGraph {
public:
  using Function = void (*)(ColoFrame *);
  StepGraph(const char *name, Function function, Device &device, ColoFrame &frame, std::vector<CommCounter> &counters,
            bool captures);

  /// Enqueues the function's work; with `captures`, from the second call on as a graph.
  void run();

  /// What it is called in --stats, and its graph, if there is one.
  const char *name() const { return named; }
  const DeviceGraph &graph() const { return made; }

private:
  void capture();

  const char *named;
  Function function;
  Device &device;
  ColoFrame &frame;
  std::vector<CommCounter> &counters;
  bool captures, hasRun = false;
  DeviceGraph made;
  std::vector<CommCounter> countedComms; ///< by one launch
  std::vector<int64_t> countedProducts;
};

/// Why the command line keeps steps from being graphs; empty: it does not.
std::string whyPlain(const Options &options);

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_STEPGRAPH_H
