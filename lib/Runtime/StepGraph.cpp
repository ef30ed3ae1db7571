//===- StepGraph.cpp - a function of the program, run at every step -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See StepGraph.h.
//
//===----------------------------------------------------------------------===//

#include "StepGraph.h"
#include "Ranges.h"

namespace colo::runtime {

StepGraph::StepGraph(const char *name, Function function, Device &device, ColoFrame &frame,
                     std::vector<CommCounter> &counters, bool captures)
    : named(name), function(function), device(device), frame(frame), counters(counters), captures(captures) {}

void StepGraph::run() {
  if (!captures || !hasRun) {
    hasRun = true;
    device.startStep();
    return function(&frame);
  }
  if (made.number < 0) {
    capture();
  } else {
    for (size_t i = 0; i < counters.size(); ++i)
      counters[i] += countedComms[i];
    for (size_t i = 0; i < countedProducts.size(); ++i)
      device.products().addCalls(static_cast<int64_t>(i), countedProducts[i]);
  }
  device.launchGraph(made.number);
}

/// The capture counts for the launch that follows it.
void StepGraph::capture() {
  RangeScope range([&] { return formatString("capturing the %s", named); });
  countedComms = counters;
  countedProducts = device.products().calls();
  device.beginCapture();
  function(&frame);
  made = device.endCapture();
  for (size_t i = 0; i < counters.size(); ++i)
    countedComms[i] = counters[i] - countedComms[i];
  for (size_t i = 0; i < countedProducts.size(); ++i)
    countedProducts[i] = device.products().calls()[i] - countedProducts[i];
}

std::string whyPlain(const Options &options) {
  if (options.graph == "off")
    return "--graph=off";
  if (!options.trace.empty())
    return "--trace notes when actions start and end";
  return options.profile ? "--profile times each kernel, product and collective" : "";
}

} // namespace colo::runtime
