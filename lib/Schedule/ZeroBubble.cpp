//===- ZeroBubble.cpp - ZB-H1 and ZB-H2 ------------------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Qi et al., 2401.10241, section 2. Only the input gradient is on the path from
// stage to stage, so the weight gradients wait until a rank has nothing else to do
// or no room for another activation.
//
// Rank i starts with a number of forwards and then runs one I for each further F.
// Before an F that would exceed the rank's bound on live activations it runs the
// oldest W; where no F is left, a W follows each I and the rest comes last. The two
// schedules differ in the two numbers: H1 has the bound of 1F1B's first rank on all
// ranks and its warm-up, H2 has about twice of both and no bubble between the first
// and the last action of a rank.
//
//===----------------------------------------------------------------------===//

#include "GeneratorFiles.h"
#include <algorithm>

using namespace colo::schedule;

static std::vector<Action> generateRank(int64_t microBatches, int64_t warmUp, int64_t bound) {
  std::vector<Action> list;
  int64_t forward = 0, weight = 0;
  while (forward < std::min(warmUp, microBatches))
    list.push_back(compute(ActionKind::Forward, forward++));
  for (int64_t input = 0; input < microBatches; ++input) {
    list.push_back(compute(ActionKind::InputGradient, input));
    bool forwardLeft = forward < microBatches;
    if (!forwardLeft || forward - weight >= bound)
      list.push_back(compute(ActionKind::WeightGradient, weight++));
    if (forwardLeft)
      list.push_back(compute(ActionKind::Forward, forward++));
  }
  while (weight < microBatches)
    list.push_back(compute(ActionKind::WeightGradient, weight++));
  return list;
}

static Schedule generateH1(const ScheduleProblem &problem) {
  Schedule schedule;
  for (int64_t rank = 0; rank < problem.stages; ++rank)
    schedule.ranks.push_back(generateRank(problem.microBatches, problem.stages - rank, problem.stages));
  return schedule;
}

static Schedule generateH2(const ScheduleProblem &problem) {
  Schedule schedule;
  for (int64_t rank = 0; rank < problem.stages; ++rank)
    schedule.ranks.push_back(
        generateRank(problem.microBatches, 2 * (problem.stages - rank) - 1, 2 * problem.stages - 1));
  return schedule;
}

static int64_t storedByH1(const ScheduleProblem &problem, int64_t) {
  return std::min(problem.microBatches, problem.stages);
}

static int64_t storedByH2(const ScheduleProblem &problem, int64_t) {
  return std::min(problem.microBatches, 2 * problem.stages - 1);
}

const Generator colo::schedule::zeroBubbleH1Generator = {
    "zb-h1", "split backward, the memory of 1f1b", Placement::Loop, true, checkOneChunk, generateH1, storedByH1};
const Generator colo::schedule::zeroBubbleH2Generator = {
    "zb-h2", "split backward, twice the memory of 1f1b", Placement::Loop, true, checkOneChunk, generateH2, storedByH2};
