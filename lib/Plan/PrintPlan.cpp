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
static std::string most(const std::optional<Traffic> &sent, int64_t Traffic::*number) {
  return sent ? std::to_string((*sent).*number) : "by replicas";
}

static std::string mebibytes(int64_t bytes) { return llvm::formatv("{0,12:f2} MiB", bytes / 1048576.0).str(); }

/// What each pipeline rank holds, computes and sends to its neighbours.
static void printStages(const Plan &plan, llvm::raw_ostream &os) {
  os << llvm::formatv("pipeline, bytes of one rank\n  {0,4} {1,14} {2,14} {3,14} {4,14} {5,10} {6,14} {7,9}\n", "rank",
                      "parameters", "workspace", "of it saved", "total", "flop", "transfers", "messages");
  for (auto [rank, stage] : llvm::enumerate(plan.pipeline))
    os << llvm::formatv("  {0,4} {1,14} {2,14} {3,14} {4,14} {5,10:e3} {6,14} {7,9}\n", rank, stage.parameters,
                        stage.workspace, stage.saved, plan.totalOf(stage), static_cast<double>(stage.flops),
                        stage.transfers.bytes, stage.transfers.messages);
}

void colo::printPlanText(const Plan &plan, llvm::raw_ostream &os) {
  bool isPipeline = plan.pipeline.size() > 1;
  auto whose = [&](int64_t rank, const char *what) {
    return isPipeline ? llvm::formatv("one rank of pipeline rank {0}, which {1} most", rank, what).str() : "one rank";
  };
  os << "memory of " << whose(plan.largest, "holds") << " (tensor group of " << plan.tensorRanks << ")\n";
  auto row = [&](const char *name, int64_t bytes) {
    os << llvm::formatv("  {0,-18} {1}  {2,14} bytes\n", name, mebibytes(bytes), bytes);
  };
  row("parameters", plan.parameters);
  if (plan.copies)
    row("16-bit copies", plan.copies);
  row("gradients", plan.gradients);
  row("optimizer state", plan.optimizerState);
  row("workspace", plan.workspace);
  row("  of it saved", plan.activations);
  row("inputs", plan.inputs);
  if (plan.staging)
    row("inputs to come", plan.staging);
  row("total", plan.total());
  if (isPipeline)
    printStages(plan, os);
  os << "work of " << whose(plan.busiest, "does")
     << llvm::formatv(", in one step ({0} micro-batches)\n  products           {1:e3} flop\n", plan.microBatches,
                      static_cast<double>(plan.flops));
  os << "communication of one step, of the rank that sends most\n";
  if (plan.collectives.empty())
    os << "  none\n";
  else
    os << llvm::formatv("  {0,-15} {1,-12} {2,-9} {3,8} {4,14} {5,14} {6,11}  {7}\n", "kind", "axes", "phase", "times",
                        "payload", "bytes sent", "messages", "source");
  for (const PlannedCollective &use : plan.collectives)
    if (use.perStep())
      os << llvm::formatv("  {0,-15} {1,-12} {2,-9} {3,8} {4,14} {5,14} {6,11}  {7}\n", use.kind, join(use.axes),
                          nameOf(use.phase), use.perStep(), use.payload, most(use.mostPerStep(), &Traffic::bytes),
                          most(use.mostPerStep(), &Traffic::messages), use.source);
  for (const AxesTotal &total : plan.totals)
    os << llvm::formatv("  {0,-61} {1,14} {2,11}\n", "total over " + join(total.axes),
                        most(total.most(), &Traffic::bytes), most(total.most(), &Traffic::messages));
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

static void printMost(llvm::json::OStream &json, const std::optional<Traffic> &most) {
  json.attribute("bytes_per_step", most ? most->bytes : -1);
  json.attribute("messages_per_step", most ? most->messages : -1);
}

static void printStagesJSON(const Plan &plan, llvm::json::OStream &json) {
  json.attributeArray("pipeline", [&] {
    for (const PlannedStage &stage : plan.pipeline)
      json.object([&] {
        json.attribute("parameters", stage.parameters);
        json.attribute("workspace", stage.workspace);
        json.attribute("saved", stage.saved);
        json.attribute("total", plan.totalOf(stage));
        json.attribute("flops", stage.flops);
        json.attribute("transfer_bytes", stage.transfers.bytes);
        json.attribute("transfer_messages", stage.transfers.messages);
      });
  });
}

/// Of the pipeline rank that executes it most, and of each where there are several.
static void printExecutions(llvm::json::OStream &json, const PlannedCollective &use) {
  json.attribute("executions_per_step", use.perStep());
  if (use.executions.size() == 1)
    return;
  json.attributeArray("executions_by_stage", [&] {
    for (int64_t count : use.executions)
      json.value(count);
  });
}

void colo::printMemoryJSON(const Plan &plan, llvm::json::OStream &json) {
  json.attributeObject("memory", [&] {
    if (plan.pipeline.size() > 1)
      json.attribute("pipeline_rank", plan.largest);
    json.attribute("parameters", plan.parameters);
    if (plan.copies)
      json.attribute("copies", plan.copies);
    json.attribute("gradients", plan.gradients);
    json.attribute("optimizer_state", plan.optimizerState);
    json.attribute("workspace", plan.workspace);
    json.attribute("saved", plan.activations);
    json.attribute("inputs", plan.inputs);
    if (plan.staging)
      json.attribute("staging", plan.staging);
    json.attribute("total", plan.total());
  });
}

void colo::printPlanJSON(const Plan &plan, llvm::raw_ostream &os) {
  llvm::json::OStream json(os, /*IndentSize=*/2);
  json.object([&] {
    json.attribute("ranks", plan.ranks());
    json.attribute("tensor_ranks", plan.tensorRanks);
    json.attributeObject("mesh", [&] {
      for (const auto &[axis, size] : plan.mesh)
        json.attribute(axis, size);
    });
    if (plan.replicas)
      json.attribute("replicas", plan.replicas);
    json.attribute("micro_batches", plan.microBatches);
    printMemoryJSON(plan, json);
    json.attribute("flops", plan.flops);
    printStagesJSON(plan, json);
    json.attributeArray("collectives", [&] {
      for (const PlannedCollective &use : plan.collectives)
        json.object([&] {
          json.attribute("kind", use.kind);
          json.attribute("axes", join(use.axes));
          json.attribute("phase", nameOf(use.phase));
          printExecutions(json, use);
          json.attribute("rounds", use.rounds);
          json.attribute("payload", use.payload);
          printMost(json, use.mostPerStep());
          printSent(json, use.sent);
          json.attribute("source", use.source);
        });
    });
    json.attributeArray("totals", [&] {
      for (const AxesTotal &total : plan.totals)
        json.object([&] {
          json.attribute("axes", join(total.axes));
          printMost(json, total.most());
        });
    });
  });
  os << '\n';
}
