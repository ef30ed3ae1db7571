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
// and mean nothing. Empty lines and lines that start with `#` are skipped,
// and so is a byte order mark; lines may end in CR LF.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_SCHEDULE_SCHEDULEFILE_H
#define COLO_SCHEDULE_SCHEDULEFILE_H

#include "colo/Schedule/Schedule.h"
#include "llvm/Support/raw_ostream.h"

namespace colo::schedule {

/// A place in a text, from 1; columns count bytes.
struct TextPlace {
  unsigned line = 1, column = 1;
};

/// Where a schedule's text has what.
struct ScheduleText {
  std::vector<TextPlace> rows;                 ///< one per rank
  std::vector<std::vector<TextPlace>> actions; ///< as Schedule::ranks

  TextPlace placeOf(const ActionReference &action) const { return actions[action.rank][action.index]; }
  /// What to show of something wrong: its first action, else the row of its rank, or the last row there is.
  TextPlace placeOf(const Diagnostic &wrong) const;
};

/// Reads any text. Returns nothing and fills `error`, with line and column, if
/// it is no schedule file. Whether the schedule is right is for `verify` to say.
std::optional<Schedule> readSchedule(llvm::StringRef text, Diagnostic &error, ScheduleText *places = nullptr);

/// `readSchedule` of the output gives `schedule` again.
void writeSchedule(const Schedule &schedule, llvm::raw_ostream &os);

} // namespace colo::schedule

#endif // COLO_SCHEDULE_SCHEDULEFILE_H
