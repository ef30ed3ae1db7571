//===- Simulator.h - the predicted timeline of a schedule ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs a verified schedule on ideal ranks. Compute actions of a rank follow each
// other; each starts as soon as what it needs is there. Transfers overlap
// compute: those of a rank run in their order, a group at a time, each from when
// both sides have posted it; a send is posted once its value is made. Where the
// schedule spells no transfers, each value just arrives after its transfer time.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_SCHEDULE_SIMULATOR_H
#define COLO_SCHEDULE_SIMULATOR_H

#include "colo/Schedule/Schedule.h"

namespace colo::schedule {

/// Times since the step began.
struct Interval {
  double start = 0, end = 0;
  double length() const { return end - start; }
};

/// One pipeline rank's step.
struct RankTimeline {
  /// Parallel to the rank's list of actions.
  std::vector<Interval> actions;
  /// Time of compute.
  double busy = 0;
  /// Idle time within the whole step: makespan - busy.
  double bubble = 0;
  /// Idle time between the rank's first start and last end: what is left of
  /// the bubble when steps follow each other without a barrier.
  double stall = 0;
  /// The most activations alive at once, counted, and in bytes where the costs say them.
  int64_t peakLive = 0;
  double peakBytes = 0;
};

/// One step of all ranks.
struct Timeline {
  double makespan = 0; ///< time until the last rank has done
  std::vector<RankTimeline> ranks;
  /// Per virtual stage, the most of its activations alive at once.
  std::vector<int64_t> peakLiveOfStage;

  /// Idle time over all ranks as a share of ranks x makespan.
  double bubbleFraction() const;
};

/// The timeline of a schedule that `problem.verify` accepts. Linear in the
/// number of actions.
Timeline simulate(const ScheduleProblem &problem, const Schedule &schedule);

} // namespace colo::schedule

#endif // COLO_SCHEDULE_SIMULATOR_H
