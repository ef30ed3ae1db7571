//===- Schedule.cpp - actions as text, and legal problems ----------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The parts of the model that need no simulation: spelling, placement and
// `ScheduleProblem::check`.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/Schedule.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace colo::schedule;
using llvm::StringRef;
using llvm::Twine;

StringRef colo::schedule::mnemonic(ActionKind kind) {
  static constexpr StringRef names[numActionKinds] = {"F", "B", "I", "W", "SA", "RA", "SG", "RG"};
  return names[static_cast<unsigned>(kind)];
}

std::optional<ActionKind> colo::schedule::kindOf(StringRef word) {
  for (unsigned i = 0; i < numActionKinds; ++i)
    if (mnemonic(static_cast<ActionKind>(i)) == word)
      return static_cast<ActionKind>(i);
  return std::nullopt;
}

int colo::schedule::keptAfter(ActionKind kind) {
  if (kind == ActionKind::Forward)
    return 1;
  return kind == ActionKind::Backward || kind == ActionKind::WeightGradient ? -1 : 0;
}

std::string Action::text() const {
  std::string text = mnemonic(kind).str() + std::to_string(microBatch);
  if (chunk != 0)
    text += "." + std::to_string(chunk);
  if (!isCompute(kind))
    text += (isSend(kind) ? ">" : "<") + std::to_string(peer);
  return text;
}

std::string ActionReference::text() const {
  return ("rank " + Twine(rank) + ", action " + Twine(index) + " (" + action.text() + ")").str();
}

bool Schedule::hasTransfers() const {
  return llvm::any_of(ranks, [](const std::vector<Action> &list) {
    return llvm::any_of(list, [](const Action &action) { return !isCompute(action.kind); });
  });
}

size_t Schedule::numActions() const {
  size_t count = 0;
  for (const std::vector<Action> &list : ranks)
    count += list.size();
  return count;
}

int32_t ScheduleProblem::rankOf(int64_t virtualStage) const {
  int64_t chunk = virtualStage / stages, position = virtualStage % stages;
  bool reversed = placement == Placement::Vee && chunk % 2 == 1;
  return static_cast<int32_t>(reversed ? stages - 1 - position : position);
}

int64_t ScheduleProblem::virtualStageOf(int64_t rank, int64_t chunk) const {
  bool reversed = placement == Placement::Vee && chunk % 2 == 1;
  return chunk * stages + (reversed ? stages - 1 - rank : rank);
}

double ScheduleProblem::transferTimeAfter(int64_t virtualStage) const {
  if (transferTimes.empty() || rankOf(virtualStage) == rankOf(virtualStage + 1))
    return 0;
  return transferTimes[virtualStage];
}

double ScheduleProblem::durationOf(ActionKind kind, int64_t virtualStage) const {
  StageCost cost = costOf(virtualStage);
  switch (kind) {
  case ActionKind::Forward:
    return cost.forward;
  case ActionKind::Backward:
    return cost.inputGradient + cost.weightGradient;
  case ActionKind::InputGradient:
    return cost.inputGradient;
  case ActionKind::WeightGradient:
    return cost.weightGradient;
  default:
    return 0;
  }
}

//===----------------------------------------------------------------------===//
// Legal problems
//===----------------------------------------------------------------------===//

// Bounds on sizes keep every count in 32 bits and a check within memory.
static constexpr int64_t maxSize = 1 << 20;
static constexpr int64_t maxUnits = 1 << 24;

static Diagnostic fail(const Twine &message) {
  Diagnostic diagnostic;
  diagnostic.message = message.str();
  return diagnostic;
}

static std::optional<Diagnostic> checkSize(StringRef what, int64_t value) {
  if (value < 1 || value > maxSize)
    return fail("the number of " + what + " is " + Twine(value) + "; legal: 1 to " + Twine(maxSize));
  return std::nullopt;
}

static std::optional<Diagnostic> checkAmount(StringRef what, int64_t stage, double value) {
  if (!std::isfinite(value) || value < 0)
    return fail("the " + what + " of virtual stage " + Twine(stage) + " is " + llvm::formatv("{0}", value).str() +
                "; legal: a finite number of at least 0");
  return std::nullopt;
}

static std::optional<Diagnostic> checkCosts(const ScheduleProblem &problem) {
  int64_t numStages = problem.numVirtualStages();
  if (!problem.costs.empty() && static_cast<int64_t>(problem.costs.size()) != numStages)
    return fail("there are " + Twine(problem.costs.size()) + " stage costs; legal: none, or one for each of the " +
                Twine(numStages) + " virtual stages");
  for (auto [index, cost] : llvm::enumerate(problem.costs)) {
    const std::pair<StringRef, double> amounts[] = {{"time of F", cost.forward},
                                                    {"time of I", cost.inputGradient},
                                                    {"time of W", cost.weightGradient},
                                                    {"activation size", cost.activation},
                                                    {"activation size for W", cost.weightActivation}};
    for (auto [what, value] : amounts)
      if (auto error = checkAmount(what, index, value))
        return error;
    if (cost.weightActivation > cost.activation)
      return fail("virtual stage " + Twine(index) + " keeps more for W than F stored; legal: at most its activation");
  }
  if (!problem.transferTimes.empty() && static_cast<int64_t>(problem.transferTimes.size()) != numStages - 1)
    return fail("there are " + Twine(problem.transferTimes.size()) +
                " transfer times; legal: none, or one for each of the " + Twine(numStages - 1) +
                " borders between virtual stages");
  for (auto [index, time] : llvm::enumerate(problem.transferTimes))
    if (auto error = checkAmount("transfer time after", index, time))
      return error;
  return std::nullopt;
}

std::optional<Diagnostic> ScheduleProblem::check() const {
  if (auto error = checkSize("stages", stages))
    return error;
  if (auto error = checkSize("micro-batches", microBatches))
    return error;
  if (auto error = checkSize("chunks", chunks))
    return error;
  if (stages * chunks > maxUnits || stages * chunks * microBatches > maxUnits)
    return fail(Twine(stages) + " stages of " + Twine(chunks) + " chunks with " + Twine(microBatches) +
                " micro-batches are too many; legal: a product of at most " + Twine(maxUnits));
  if (placement == Placement::Vee && chunks != 2)
    return fail("the V placement has " + Twine(chunks) + " chunks; legal: 2");
  if (auto error = checkCosts(*this))
    return error;
  if (!liveBounds.empty() && static_cast<int64_t>(liveBounds.size()) != stages)
    return fail("there are " + Twine(liveBounds.size()) +
                " bounds on live micro-batches; legal: none, or one for each of the " + Twine(stages) + " stages");
  for (auto [rank, bound] : llvm::enumerate(liveBounds))
    if (bound < 1)
      return fail("rank " + Twine(rank) + " may keep " + Twine(bound) + " live micro-batches; legal: at least 1");
  return std::nullopt;
}
