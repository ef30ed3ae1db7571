//===- Simulator.cpp - the predicted timeline of a schedule --------------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums up an execution with overlapped transfers. Activations alive depend on
// the order of a rank's list alone, since a rank computes one action at a time.
//
//===----------------------------------------------------------------------===//

#include "colo/Schedule/Simulator.h"
#include "Execution.h"
#include <algorithm>

using namespace colo::schedule;

double Timeline::bubbleFraction() const {
  double idle = 0;
  for (const RankTimeline &rank : ranks)
    idle += rank.bubble;
  return makespan > 0 ? idle / (makespan * static_cast<double>(ranks.size())) : 0;
}

static void countActivations(const ScheduleProblem &problem, const std::vector<Action> &list, int32_t rank,
                             Timeline &timeline) {
  RankTimeline &result = timeline.ranks[rank];
  std::vector<int64_t> liveOfChunk(problem.chunks, 0);
  int64_t live = 0;
  double bytes = 0;
  for (const Action &action : list) {
    if (!isCompute(action.kind))
      continue;
    int64_t stage = problem.virtualStageOf(rank, action.chunk);
    StageCost cost = problem.costOf(stage);
    switch (action.kind) {
    case ActionKind::Forward:
      ++live;
      bytes += cost.activation;
      timeline.peakLiveOfStage[stage] = std::max(timeline.peakLiveOfStage[stage], ++liveOfChunk[action.chunk]);
      break;
    case ActionKind::InputGradient:
      bytes -= cost.activation - cost.weightActivation;
      break;
    default:
      --live;
      --liveOfChunk[action.chunk];
      bytes -= action.kind == ActionKind::Backward ? cost.activation : cost.weightActivation;
    }
    result.peakLive = std::max(result.peakLive, live);
    result.peakBytes = std::max(result.peakBytes, bytes);
  }
}

Timeline colo::schedule::simulate(const ScheduleProblem &problem, const Schedule &schedule) {
  ActionTable table(problem, schedule);
  Execution execution = execute(problem, schedule, table, TransferModel::Overlapped);
  Timeline timeline;
  timeline.ranks.resize(schedule.ranks.size());
  timeline.peakLiveOfStage.assign(problem.numVirtualStages(), 0);
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank) {
    RankTimeline &result = timeline.ranks[rank];
    result.actions = std::move(execution.intervals[rank]);
    const std::vector<Action> &list = schedule.ranks[rank];
    double first = 0, last = 0;
    bool started = false;
    for (size_t index = 0; index < list.size(); ++index) {
      if (!isCompute(list[index].kind))
        continue;
      const Interval &interval = result.actions[index];
      first = started ? first : interval.start;
      started = true;
      last = interval.end;
      result.busy += interval.length();
    }
    result.stall = last - first - result.busy;
    timeline.makespan = std::max(timeline.makespan, last);
    countActivations(problem, list, static_cast<int32_t>(rank), timeline);
  }
  for (RankTimeline &rank : timeline.ranks)
    rank.bubble = timeline.makespan - rank.busy;
  return timeline;
}
