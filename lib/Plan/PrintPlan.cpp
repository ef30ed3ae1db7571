//===- PrintPlan.cpp - a plan as a table or as JSON -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Plan/Plan.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include <map>

using namespace colo;

static std::string axesOf(const PlannedCollective &use) {
  std::string text;
  for (const std::string &axis : use.axes)
    text += (text.empty() ? "" : ",") + axis;
  return text;
}

/// Bytes and messages of a step over each group, in the order of first use; -1 where replicas matter.
static std::vector<std::pair<std::string, std::pair<int64_t, int64_t>>> totals(const Plan &plan) {
  std::vector<std::pair<std::string, std::pair<int64_t, int64_t>>> sums;
  for (const PlannedCollective &use : plan.collectives) {
    if (!use.perStep)
      continue;
    std::string axes = axesOf(use);
    auto it = std::find_if(sums.begin(), sums.end(), [&](const auto &entry) { return entry.first == axes; });
    if (it == sums.end())
      it = sums.insert(sums.end(), {axes, {0, 0}});
    if (use.bytes < 0)
      it->second = {-1, -1};
    else
      it->second = {it->second.first + use.bytes * use.perStep, it->second.second + use.messages * use.perStep};
  }
  return sums;
}

static std::string mebibytes(int64_t bytes) { return llvm::formatv("{0,12:f2} MiB", bytes / 1048576.0).str(); }

static std::string bytesOrUnknown(int64_t bytes) { return bytes < 0 ? "by replicas" : std::to_string(bytes); }

void colo::printPlanText(const Plan &plan, llvm::raw_ostream &os) {
  os << "memory of one rank (tensor group of " << plan.ranks << ")\n";
  auto row = [&](const char *name, int64_t bytes) {
    os << llvm::formatv("  {0,-18} {1}  {2,14} bytes\n", name, mebibytes(bytes), bytes);
  };
  row("parameters", plan.parameters);
  row("gradients", plan.gradients);
  row("optimizer state", plan.optimizerState);
  row("workspace", plan.workspace);
  row("  of it saved", plan.activations);
  row("inputs", plan.inputs);
  row("total", plan.total());
  os << llvm::formatv("work of one rank and step ({0} micro-batches)\n  products           {1:e3} flop\n",
                      plan.microBatches, static_cast<double>(plan.flops));
  os << "communication of one rank and step\n";
  if (plan.collectives.empty())
    os << "  none\n";
  else
    os << llvm::formatv("  {0,-15} {1,-12} {2,8} {3,14} {4,14}  {5}\n", "kind", "axes", "times", "payload",
                        "bytes sent", "source");
  for (const PlannedCollective &use : plan.collectives)
    if (use.perStep)
      os << llvm::formatv("  {0,-15} {1,-12} {2,8} {3,14} {4,14}  {5}\n", use.kind, axesOf(use), use.perStep,
                          use.payload, bytesOrUnknown(use.bytes), use.source);
  for (const auto &[axes, sum] : totals(plan))
    os << llvm::formatv("  total over {0,-12} {1,14} bytes {2,8} messages\n", axes, bytesOrUnknown(sum.first),
                        bytesOrUnknown(sum.second));
}

void colo::printPlanJSON(const Plan &plan, llvm::raw_ostream &os) {
  llvm::json::OStream json(os, /*IndentSize=*/2);
  json.object([&] {
    json.attribute("ranks", plan.ranks);
    json.attribute("micro_batches", plan.microBatches);
    json.attributeObject("memory", [&] {
      json.attribute("parameters", plan.parameters);
      json.attribute("gradients", plan.gradients);
      json.attribute("optimizer_state", plan.optimizerState);
      json.attribute("workspace", plan.workspace);
      json.attribute("saved", plan.activations);
      json.attribute("inputs", plan.inputs);
      json.attribute("total", plan.total());
    });
    json.attribute("flops", plan.flops);
    json.attributeArray("collectives", [&] {
      for (const PlannedCollective &use : plan.collectives)
        json.object([&] {
          json.attribute("kind", use.kind);
          json.attribute("axes", axesOf(use));
          json.attribute("executions_per_step", use.perStep);
          json.attribute("payload", use.payload);
          json.attribute("bytes_per_step", use.bytes < 0 ? -1 : use.bytes * use.perStep);
          json.attribute("messages_per_step", use.messages < 0 ? -1 : use.messages * use.perStep);
          json.attribute("source", use.source);
        });
    });
    json.attributeArray("totals", [&] {
      for (const auto &[axes, sum] : totals(plan))
        json.object([&, axes = axes, sum = sum] {
          json.attribute("axes", axes);
          json.attribute("bytes_per_step", sum.first);
          json.attribute("messages_per_step", sum.second);
        });
    });
  });
  os << '\n';
}
