//===- Transfers.h - sends and receives of a schedule ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Spells the transfers of a schedule of compute actions. All actions and
// transfers are put in one order for all ranks, by simulated time: a transfer
// stands where its value is made. Every rank's list is that order restricted to
// the rank, hence no cycle of ranks that wait for each other, even if a send
// holds up everything behind it. Two ranks that send to each other with nothing
// between on either side do so in one group.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_SCHEDULE_TRANSFERS_H
#define COLO_SCHEDULE_TRANSFERS_H

#include "colo/Schedule/Schedule.h"

namespace colo::schedule {

/// `schedule`, which `problem.verify` accepts and which has no transfers, with
/// them. The order of compute actions stays.
Schedule insertTransfers(const ScheduleProblem &problem, const Schedule &schedule);

/// `schedule` without its transfers.
Schedule removeTransfers(const Schedule &schedule);

} // namespace colo::schedule

#endif // COLO_SCHEDULE_TRANSFERS_H
