//===- Actions.cpp - what a rank does of its schedule ------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// See Actions.h. A mark is made when the work before it on its stream is done.
//
//===----------------------------------------------------------------------===//

#include "Actions.h"
#include "Ranges.h"
#include "Rank.h"

#include <algorithm>

namespace colo::runtime {

void ActionLog::prepare(const ColoProgram &program, const ColoStage &stage, int64_t microBatches, bool traces) {
  actions = program.actions;
  size_t stages = 0;
  for (int64_t i = 0; i < program.actionCount; ++i)
    stages = std::max<size_t>(stages, program.actions[i].stage + 1);
  keptOfStage.assign(stages, 0);
  peakOfStage.assign(stages, 0);
  if (traces)
    trace.resize(stage.predictionCount * std::max<int64_t>(1, microBatches / program.stepMultiple));
}

void ActionLog::count(const ColoAction &action) {
  kept += action.kept;
  keptOfStage[action.stage] += action.kept;
  peakOfRank = std::max(peakOfRank, kept);
  peakOfStage[action.stage] = std::max(peakOfStage[action.stage], keptOfStage[action.stage]);
}

void ActionLog::start(int64_t action, int64_t microBatch, Device &device) {
  if (actions[action].kept > 0)
    count(actions[action]);
  if (used == trace.size())
    return;
  ActionSpan &span = trace[used++];
  span = {action, microBatch, 0, 0};
  device.noteTime(actions[action].stream, &span.begin);
}

void ActionLog::end(int64_t action, int64_t microBatch, Device &device) {
  if (actions[action].kept < 0)
    count(actions[action]);
  // Few actions are under way at once, so the one that ends is among the last that started.
  for (size_t i = used; i-- > 0;)
    if (trace[i].action == action && trace[i].microBatch == microBatch) {
      device.noteTime(actions[action].stream, &trace[i].end);
      return;
    }
}

} // namespace colo::runtime

extern "C" void colo_action(ColoFrame *frame, int64_t action, int64_t microBatch, int64_t ends) {
  using namespace colo::runtime;
  auto &rank = *static_cast<Rank *>(frame->runtime);
  // Transfers are under way while other actions start and end.
  const ColoAction &named = rank.program().actions[action];
  if (named.stream == COLO_STREAM_COMPUTE && ends)
    popRange();
  else if (named.stream == COLO_STREAM_COMPUTE && hasRanges())
    RangeScope::push(
        formatString("%s, stage %d, micro-batch %lld", named.kind, named.stage, static_cast<long long>(microBatch)));
  if (ends)
    rank.actionLog.end(action, microBatch, rank.device());
  else
    rank.actionLog.start(action, microBatch, rank.device());
}
