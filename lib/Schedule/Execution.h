//===- Execution.h - runs the lists of a schedule --------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one engine behind the verifier and the simulator: each rank has one or two
// streams of actions, and a stream's head starts when everything it waits for is
// over.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_SCHEDULE_EXECUTION_H
#define COLO_LIB_SCHEDULE_EXECUTION_H

#include "ActionTable.h"
#include "colo/Schedule/Simulator.h"

namespace colo::schedule {

enum class TransferModel {
  /// One stream per rank: a transfer holds up everything behind it (rendezvous).
  Blocking,
  /// Two streams per rank, compute and transfers.
  Overlapped
};

struct Execution {
  /// Parallel to the schedule's lists.
  std::vector<std::vector<Interval>> intervals;
  /// Compute actions in the order in which they could run; an action stands
  /// after everything it needs.
  std::vector<Position> computeOrder;
  /// Set if some rank waits forever.
  std::optional<Diagnostic> deadlock;
};

/// Runs a schedule that satisfies rules 1 and 3 of Schedule.h, and rule 2 within
/// each rank, on a legal problem.
Execution execute(const ScheduleProblem &problem, const Schedule &schedule, const ActionTable &table,
                  TransferModel model);

} // namespace colo::schedule

#endif // COLO_LIB_SCHEDULE_EXECUTION_H
