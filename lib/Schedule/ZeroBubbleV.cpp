//===- ZeroBubbleV.cpp - ZB-V ----------------------------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Qi et al., 2401.10241, section 6, on the V placement of 2405.15362: a rank runs
// one virtual stage of the way down and one of the way up, so that the rank that
// starts first also ends first and the memory is the same on all ranks.
//
// The lists are those for at least 2p-1 micro-batches, from which the units of
// micro-batches that do not exist are left out: no action needs one of another
// micro-batch.
//
//===----------------------------------------------------------------------===//

#include "GeneratorFiles.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>

using namespace colo::schedule;
using llvm::Twine;

static std::optional<Diagnostic> checkV(const ScheduleProblem &problem) {
  if (problem.chunks == 2)
    return std::nullopt;
  Diagnostic diagnostic;
  diagnostic.message =
      ("zbv runs each rank's two halves of a V, and there are " + Twine(problem.chunks) + " chunks; legal: 2").str();
  return diagnostic;
}

namespace {

/// The list of one rank, phase by phase. Chunk 0 is on the way down, 1 on the
/// way up.
class VList {
public:
  VList(int64_t stages, int64_t rank, int64_t microBatches)
      : p(stages), rank(rank), m(microBatches), units(std::max(2 * stages - 1, microBatches)) {}

  std::vector<Action> generate() {
    warmUp();
    steady();
    coolDown();
    return std::move(list);
  }

private:
  void add(ActionKind kind, int64_t (&counts)[2], int64_t chunk) {
    int64_t microBatch = counts[chunk]++;
    if (microBatch < m)
      list.push_back(compute(kind, microBatch, chunk));
  }
  void addForward(int64_t chunk) { add(ActionKind::Forward, forwards, chunk); }
  void addInput(int64_t chunk) { add(ActionKind::InputGradient, inputs, chunk); }
  void addWeight(int64_t chunk) { add(ActionKind::WeightGradient, weights, chunk); }

  /// Until the first micro-batch has come down and up again and the first
  /// gradient of the way up has gone through: p activations of each chunk.
  void warmUp() {
    for (int64_t i = 0; i < 2 * (p - rank) - 1; ++i)
      addForward(0);
    for (int64_t i = 0; i < rank; ++i) {
      addForward(1);
      addForward(0);
    }
    for (int64_t i = 0; i < p - rank; ++i) {
      addForward(1);
      addInput(1);
      addWeight(1);
    }
  }

  /// All six actions of a unit in turn.
  void steady() {
    while (forwards[1] < forwards[0] || forwards[0] < units) {
      if (forwards[0] < units)
        addForward(0);
      addInput(0);
      addWeight(0);
      addForward(1);
      addInput(1);
      addWeight(1);
    }
  }

  /// Input gradients first, since other ranks wait for them.
  void coolDown() {
    for (int64_t i = 0; i < rank; ++i) {
      addInput(0);
      addInput(1);
    }
    for (int64_t i = 0; i < p - rank; ++i) {
      addInput(0);
      addWeight(0);
    }
    for (int64_t chunk : {1, 0})
      while (weights[chunk] < units)
        addWeight(chunk);
  }

  const int64_t p, rank, m, units;
  int64_t forwards[2] = {0, 0}, inputs[2] = {0, 0}, weights[2] = {0, 0};
  std::vector<Action> list;
};

} // namespace

static Schedule generateV(const ScheduleProblem &problem) {
  Schedule schedule;
  for (int64_t rank = 0; rank < problem.stages; ++rank)
    schedule.ranks.push_back(VList(problem.stages, rank, problem.microBatches).generate());
  return schedule;
}

static int64_t storedByV(const ScheduleProblem &problem, int64_t) {
  return 2 * std::min(problem.microBatches, problem.stages);
}

const Generator colo::schedule::zeroBubbleVGenerator = {
    "zbv", "split backward over a V of two chunks per rank", Placement::Vee, true, checkV, generateV, storedByV};
