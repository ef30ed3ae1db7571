//===- Interleaved.cpp - interleaved 1F1B ----------------------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Narayanan et al., 2104.04473, section 2.2. Every rank runs v chunks of the model,
// in turns of p micro-batches each, so that the pipeline fills in a v-th of the
// time. Forward unit u of a rank works on chunk (u mod pv) / p; backward units
// take the chunks in the opposite order. The number of micro-batches is a multiple
// of p, or the turns would not fit.
//
//===----------------------------------------------------------------------===//

#include "GeneratorFiles.h"
#include "llvm/ADT/Twine.h"
#include <algorithm>

using namespace colo::schedule;
using llvm::Twine;

static std::optional<Diagnostic> checkInterleaved(const ScheduleProblem &problem) {
  int64_t p = problem.stages, m = problem.microBatches;
  if (p < 1 || m < 1 || m % p == 0)
    return std::nullopt;
  int64_t above = (m / p + 1) * p;
  Diagnostic diagnostic;
  diagnostic.message = ("interleaved runs micro-batches in turns of one for each of the " + Twine(p) +
                        " stages, and there are " + Twine(m) + "; legal: a multiple of " + Twine(p) + ", as " +
                        (m > p ? Twine(above - p).str() + " or " : std::string()) + Twine(above).str())
                           .str();
  return diagnostic;
}

/// How many forwards rank `rank` runs before its first backward.
static int64_t warmUpOf(const ScheduleProblem &problem, int64_t rank) {
  int64_t p = problem.stages, v = problem.chunks;
  return std::min(2 * (p - rank - 1) + (v - 1) * p, problem.microBatches * v);
}

static Action unit(const ScheduleProblem &problem, ActionKind kind, int64_t number) {
  int64_t p = problem.stages, v = problem.chunks;
  int64_t chunk = number % (p * v) / p, microBatch = number / (p * v) * p + number % p;
  return compute(kind, microBatch, kind == ActionKind::Forward ? chunk : v - 1 - chunk);
}

static Schedule generateInterleaved(const ScheduleProblem &problem) {
  Schedule schedule;
  int64_t units = problem.microBatches * problem.chunks;
  for (int64_t rank = 0; rank < problem.stages; ++rank) {
    std::vector<Action> list;
    int64_t forward = 0, warmUp = warmUpOf(problem, rank);
    while (forward < warmUp)
      list.push_back(unit(problem, ActionKind::Forward, forward++));
    for (int64_t backward = 0; backward < units; ++backward) {
      if (forward < units)
        list.push_back(unit(problem, ActionKind::Forward, forward++));
      list.push_back(unit(problem, ActionKind::Backward, backward));
    }
    schedule.ranks.push_back(std::move(list));
  }
  return schedule;
}

static int64_t storedByInterleaved(const ScheduleProblem &problem, int64_t rank) {
  return std::min(warmUpOf(problem, rank) + 1, problem.microBatches * problem.chunks);
}

const Generator colo::schedule::interleavedGenerator = {"interleaved",      "1f1b over several chunks per rank",
                                                        Placement::Loop,    false,
                                                        checkInterleaved,   generateInterleaved,
                                                        storedByInterleaved};
