//===- ActionTable.cpp - where each action of a schedule stands ----------===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The relations between actions that ActionTable.h states.
//
//===----------------------------------------------------------------------===//

#include "ActionTable.h"
#include "llvm/Support/ErrorHandling.h"

using namespace colo::schedule;

ActionTable::ActionTable(const ScheduleProblem &problem, const Schedule &schedule) : ActionTable(problem) {
  for (size_t rank = 0; rank < schedule.ranks.size(); ++rank)
    for (size_t index = 0; index < schedule.ranks[rank].size(); ++index) {
      const Action &action = schedule.ranks[rank][index];
      insert(action.kind, problem.virtualStageOf(rank, action.chunk), action.microBatch, static_cast<int32_t>(index));
    }
}

Position ActionTable::findLocalInput(const Action &action, int64_t stage) const {
  switch (action.kind) {
  case ActionKind::Backward:
  case ActionKind::InputGradient:
  case ActionKind::SendActivation:
    return find(ActionKind::Forward, stage, action.microBatch);
  case ActionKind::WeightGradient:
    return find(ActionKind::InputGradient, stage, action.microBatch);
  case ActionKind::SendGradient:
    return findBackward(stage, action.microBatch);
  default:
    return {};
  }
}

int64_t ActionTable::inputStage(ActionKind kind, int64_t stage) const {
  if (kind == ActionKind::Forward)
    return stage - 1;
  bool usesGradient = kind == ActionKind::Backward || kind == ActionKind::InputGradient;
  return usesGradient && stage + 1 < problem.numVirtualStages() ? stage + 1 : -1;
}

Position ActionTable::findRemoteInput(const Action &action, int64_t stage) const {
  int64_t from = inputStage(action.kind, stage);
  if (from < 0)
    return {};
  return action.kind == ActionKind::Forward ? find(ActionKind::Forward, from, action.microBatch)
                                            : findBackward(from, action.microBatch);
}

Position ActionTable::findReceive(const Action &action, int64_t stage) const {
  ActionKind kind = action.kind == ActionKind::Forward ? ActionKind::ReceiveActivation : ActionKind::ReceiveGradient;
  return find(kind, stage, action.microBatch);
}

int64_t ActionTable::otherStage(ActionKind transfer, int64_t stage) {
  bool towardsEnd = transfer == ActionKind::SendActivation || transfer == ActionKind::ReceiveGradient;
  return towardsEnd ? stage + 1 : stage - 1;
}

ActionKind ActionTable::counterpart(ActionKind transfer) {
  switch (transfer) {
  case ActionKind::SendActivation:
    return ActionKind::ReceiveActivation;
  case ActionKind::ReceiveActivation:
    return ActionKind::SendActivation;
  case ActionKind::SendGradient:
    return ActionKind::ReceiveGradient;
  case ActionKind::ReceiveGradient:
    return ActionKind::SendGradient;
  default:
    llvm_unreachable("a compute action has no counterpart");
  }
}
