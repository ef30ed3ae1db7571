//===- ActionTable.h - where each action of a schedule stands --*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For each kind, virtual stage and micro-batch, the index of the action in the
// list of the rank that runs the stage, or -1. The relations between actions
// (what an action uses, which transfer is its counterpart) are stated here once
// and used by the verifier, the simulator and the insertion of transfers.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_SCHEDULE_ACTIONTABLE_H
#define COLO_LIB_SCHEDULE_ACTIONTABLE_H

#include "colo/Schedule/Schedule.h"

namespace colo::schedule {

/// A place in a schedule, without the action.
struct Position {
  int32_t rank = -1, index = -1;
  explicit operator bool() const { return index >= 0; }
  bool operator==(const Position &other) const { return rank == other.rank && index == other.index; }
};

class ActionTable {
public:
  explicit ActionTable(const ScheduleProblem &problem)
      : problem(problem), indices(numActionKinds * problem.numVirtualStages() * problem.microBatches, -1) {}
  /// The table of a schedule in which no action stands twice.
  ActionTable(const ScheduleProblem &problem, const Schedule &schedule);

  Position find(ActionKind kind, int64_t stage, int64_t microBatch) const {
    return {problem.rankOf(stage), indices[slot(kind, stage, microBatch)]};
  }
  void insert(ActionKind kind, int64_t stage, int64_t microBatch, int32_t index) {
    indices[slot(kind, stage, microBatch)] = index;
  }
  /// B, or I where backward is split.
  Position findBackward(int64_t stage, int64_t microBatch) const {
    Position full = find(ActionKind::Backward, stage, microBatch);
    return full ? full : find(ActionKind::InputGradient, stage, microBatch);
  }

  /// The compute action of the same stage that a compute action or a send runs
  /// after, if there is such a rule.
  Position findLocalInput(const Action &action, int64_t stage) const;
  /// The virtual stage whose value a compute action uses: the one before for F,
  /// the one after for B and I, -1 if it uses none.
  int64_t inputStage(ActionKind kind, int64_t stage) const;
  /// The compute action that makes this value.
  Position findRemoteInput(const Action &action, int64_t stage) const;
  /// The receive that brings it, where it is spelt.
  Position findReceive(const Action &action, int64_t stage) const;

  /// The virtual stage at the other end of a transfer; out of range if there is
  /// none.
  static int64_t otherStage(ActionKind transfer, int64_t stage);
  static ActionKind counterpart(ActionKind transfer);
  Position findCounterpart(const Action &transfer, int64_t stage) const {
    return find(counterpart(transfer.kind), otherStage(transfer.kind, stage), transfer.microBatch);
  }

private:
  size_t slot(ActionKind kind, int64_t stage, int64_t microBatch) const {
    return (static_cast<size_t>(kind) * problem.numVirtualStages() + stage) * problem.microBatches + microBatch;
  }

  const ScheduleProblem &problem;
  std::vector<int32_t> indices;
};

} // namespace colo::schedule

#endif // COLO_LIB_SCHEDULE_ACTIONTABLE_H
