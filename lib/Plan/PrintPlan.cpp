//===- PrintPlan.cpp - a plan as a table or as JSON -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Plan/Plan.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

using namespace colo;

static std::string join(llvm::ArrayRef<std::string> axes) { return llvm::join(axes, ","); }

/// A number of the rank that sends most in a step.
static std::string most(const std::optional<GroupTraffic> &sent, int64_t Traffic::*number) {
  return sent ? std::to_string(sent->most().*number) : "by replicas";
}

static std::string mebibytes(int64_t bytes) { return llvm::formatv("{0,12:f2} MiB", bytes / 1048576.0).str(); }

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
  if (plan.pipeline.size() > 1)
    for (auto [rank, stage] : llvm::enumerate(plan.pipeline))
      os << llvm::formatv("  pipeline rank {0,-4} {1,14} bytes of parameters {2,14} of workspace  {3:e3} flop\n", rank,
                          stage.parameters, stage.workspace, static_cast<double>(stage.flops));
  os << llvm::formatv("work of one rank and step ({0} micro-batches)\n  products           {1:e3} flop\n",
                      plan.microBatches, static_cast<double>(plan.flops));
  os << "communication of one step, of the rank that sends most\n";
  if (plan.collectives.empty())
    os << "  none\n";
  else
    os << llvm::formatv("  {0,-15} {1,-12} {2,-9} {3,8} {4,14} {5,14} {6,11}  {7}\n", "kind", "axes", "phase", "times",
                        "payload", "bytes sent", "messages", "source");
  for (const PlannedCollective &use : plan.collectives)
    if (use.perStep)
      os << llvm::formatv("  {0,-15} {1,-12} {2,-9} {3,8} {4,14} {5,14} {6,11}  {7}\n", use.kind, join(use.axes),
                          nameOf(use.phase), use.perStep, use.payload, most(use.sentPerStep(), &Traffic::bytes),
                          most(use.sentPerStep(), &Traffic::messages), use.source);
  for (const AxesTotal &total : plan.totals)
    os << llvm::formatv("  {0,-61} {1,14} {2,11}\n", "total over " + join(total.axes),
                        most(total.sent, &Traffic::bytes), most(total.sent, &Traffic::messages));
}

/// Runs of members in their order: [members, bytes, messages], each of `rounds` executions.
static void printSent(llvm::json::OStream &json, const std::optional<GroupTraffic> &sent) {
  if (!sent)
    return json.attribute("sent", nullptr);
  json.attributeArray("sent", [&] {
    for (const GroupTraffic::Run &run : sent->getRuns())
      json.array([&] {
        json.value(run.members);
        json.value(run.each.bytes);
        json.value(run.each.messages);
      });
  });
}

static void printMost(llvm::json::OStream &json, const std::optional<GroupTraffic> &sent) {
  json.attribute("bytes_per_step", sent ? sent->most().bytes : -1);
  json.attribute("messages_per_step", sent ? sent->most().messages : -1);
}

void colo::printMemoryJSON(const Plan &plan, llvm::json::OStream &json) {
  json.attributeObject("memory", [&] {
    json.attribute("parameters", plan.parameters);
    json.attribute("gradients", plan.gradients);
    json.attribute("optimizer_state", plan.optimizerState);
    json.attribute("workspace", plan.workspace);
    json.attribute("saved", plan.activations);
    json.attribute("inputs", plan.inputs);
    json.attribute("total", plan.total());
  });
}

void colo::printPlanJSON(const Plan &plan, llvm::raw_ostream &os) {
  llvm::json::OStream json(os, /*IndentSize=*/2);
  json.object([&] {
    json.attribute("ranks", plan.ranks);
    json.attributeObject("mesh", [&] {
      for (const auto &[axis, size] : plan.mesh)
        json.attribute(axis, size);
    });
    if (plan.replicas)
      json.attribute("replicas", plan.replicas);
    json.attribute("micro_batches", plan.microBatches);
    printMemoryJSON(plan, json);
    json.attribute("flops", plan.flops);
    json.attributeArray("collectives", [&] {
      for (const PlannedCollective &use : plan.collectives)
        json.object([&] {
          json.attribute("kind", use.kind);
          json.attribute("axes", join(use.axes));
          json.attribute("phase", nameOf(use.phase));
          json.attribute("executions_per_step", use.perStep);
          json.attribute("rounds", use.rounds);
          json.attribute("payload", use.payload);
          printMost(json, use.sentPerStep());
          printSent(json, use.sent);
          json.attribute("source", use.source);
        });
    });
    json.attributeArray("totals", [&] {
      for (const AxesTotal &total : plan.totals)
        json.object([&] {
          json.attribute("axes", join(total.axes));
          printMost(json, total.sent);
        });
    });
  });
  os << '\n';
}
