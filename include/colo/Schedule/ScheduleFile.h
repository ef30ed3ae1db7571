//===- ScheduleFile.h - schedules as text ----------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A schedule file is CSV: one row per rank from rank 0, one action per cell.
//
//   row    ::= cell ((`,` | blank)+ cell)*
//   cell   ::= `-` | action (`+` action)*
//   action ::= (`F` | `B` | `I` | `W`) number (`.` chunk)?
//            | (`SA` | `SG`) number (`.` chunk)? `>` rank
//            | (`RA` | `RG`) number (`.` chunk)? `<` rank
//
// The number is the micro-batch; a chunk left out is 0. `+` joins transfers into
// one group. `-` and empty cells are idle time that the writer of the file drew
// and mean nothing. Empty lines and lines that start with `#` are skipped.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_SCHEDULE_SCHEDULEFILE_H
#define COLO_SCHEDULE_SCHEDULEFILE_H

#include "colo/Schedule/Schedule.h"
#include "llvm/Support/raw_ostream.h"

namespace colo::schedule {

/// Reads any text. Returns nothing and fills `error`, with line and column, if
/// it is no schedule file. Whether the schedule is right is for `verify` to say.
std::optional<Schedule> readSchedule(llvm::StringRef text, Diagnostic &error);

/// `readSchedule` of the output gives `schedule` again.
void writeSchedule(const Schedule &schedule, llvm::raw_ostream &os);

} // namespace colo::schedule

#endif // COLO_SCHEDULE_SCHEDULEFILE_H
