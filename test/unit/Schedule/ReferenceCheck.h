//===- ReferenceCheck.h - a second opinion on schedules --------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decides the same question as `ScheduleProblem::verify` by other means: it plays
// the schedule on ranks that hold sets of values and move one group at a time, sweep
// after sweep, and never looks ahead. Slow and plain on purpose; it shares no code
// with the library.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_UNIT_SCHEDULE_REFERENCECHECK_H
#define COLO_TEST_UNIT_SCHEDULE_REFERENCECHECK_H

#include "colo/Schedule/Schedule.h"

namespace colo::schedule {

/// True if the schedule runs to its end and does what it has to.
bool referenceAccepts(const ScheduleProblem &problem, const Schedule &schedule);

/// The makespan of a schedule of compute actions with each unit once, by relaxing
/// start times until nothing changes; infinity if it cannot run to its end.
double referenceMakespan(const ScheduleProblem &problem, const Schedule &schedule);

} // namespace colo::schedule

#endif // COLO_TEST_UNIT_SCHEDULE_REFERENCECHECK_H
