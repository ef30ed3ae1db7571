//===- GPipe.cpp - all forwards, then all backwards ------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Huang et al., 1811.06965. Backward runs from the last micro-batch to the first:
// what was stored last is used first.
//
//===----------------------------------------------------------------------===//

#include "GeneratorFiles.h"

using namespace colo::schedule;

static Schedule generateGPipe(const ScheduleProblem &problem) {
  std::vector<Action> list;
  list.reserve(2 * problem.microBatches);
  for (int64_t i = 0; i < problem.microBatches; ++i)
    list.push_back(compute(ActionKind::Forward, i));
  for (int64_t i = problem.microBatches; i > 0; --i)
    list.push_back(compute(ActionKind::Backward, i - 1));
  Schedule schedule;
  schedule.ranks.assign(problem.stages, list);
  return schedule;
}

static int64_t storedByGPipe(const ScheduleProblem &problem, int64_t) { return problem.microBatches; }

const Generator colo::schedule::gpipeGenerator = {
    "gpipe", "all forwards, then all backwards", Placement::Loop, false, checkOneChunk, generateGPipe, storedByGPipe};
