//===- OneForwardOneBackward.cpp - 1F1B ------------------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Narayanan et al., 1806.03377, with a flush at the end of the step (2104.04473).
// Rank i starts with p-1-i forwards, which the ranks behind it need to have work
// until its first backward can run; from then on it runs one backward for each
// forward, so no more activations live than ranks follow.
//
//===----------------------------------------------------------------------===//

#include "GeneratorFiles.h"
#include <algorithm>

using namespace colo::schedule;

static Schedule generate1F1B(const ScheduleProblem &problem) {
  Schedule schedule;
  for (int64_t rank = 0; rank < problem.stages; ++rank) {
    std::vector<Action> list;
    int64_t forward = 0, warmUp = std::min(problem.stages - 1 - rank, problem.microBatches);
    while (forward < warmUp)
      list.push_back(compute(ActionKind::Forward, forward++));
    for (int64_t backward = 0; backward < problem.microBatches; ++backward) {
      if (forward < problem.microBatches)
        list.push_back(compute(ActionKind::Forward, forward++));
      list.push_back(compute(ActionKind::Backward, backward));
    }
    schedule.ranks.push_back(std::move(list));
  }
  return schedule;
}

static int64_t storedBy1F1B(const ScheduleProblem &problem, int64_t rank) {
  return std::min(problem.microBatches, problem.stages - rank);
}

const Generator colo::schedule::oneForwardOneBackwardGenerator = {
    "1f1b", "one forward, one backward", Placement::Loop, false, checkOneChunk, generate1F1B, storedBy1F1B};
