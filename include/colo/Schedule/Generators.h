//===- Generators.h - the named pipeline schedules -------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each schedule is a pure function of the number of stages, micro-batches and
// chunks, in a file of its own, and a row of the table in Generators.cpp.
//
// Bubble and stored activations, with TF, TI, TW the times of F, I and W on a
// rank (all its chunks), TB = TI + TW, and i the rank from 0:
//
//   name         bubble of the span                       activations at rank i
//   gpipe        (p-1)(TF+TB)                             m
//   1f1b         (p-1)(TF+TB)                             min(m, p-i)
//   interleaved  (p-1)(TF+TB)/v                           min(mv, pv+p-1-2i)
//   zb-h1        see below, s = min(m, p)                 s
//   zb-h2        see below, s = min(m, 2p-1)              s
//   zbv          (p-1)TF/2 if TF=TI=TW and m >= 2p-1      2p, less if m < 2p-1
//
// The zero-bubble schedules leave max((p-1)TF, (p-1)(TF+TI) - (s-1)min(TF,TW)).
// For TW <= TF and m >= s this is the published (p-1)(TF+TI-TW) of H1 and, with a
// barrier between steps, (p-1)max(TF, TF+TI-2TW) of H2; TI >= TW keeps the first
// term of the maximum out of H1. Without a barrier, what counts is the idle time
// between a rank's own first and last action: 0 for H2 and the V at equal times.
//
// GPipe is 1811.06965, 1F1B 1806.03377, interleaved 2104.04473, the zero-bubble
// schedules are 2401.10241, the V placement 2405.15362.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_SCHEDULE_GENERATORS_H
#define COLO_SCHEDULE_GENERATORS_H

#include "colo/Schedule/Schedule.h"
#include "llvm/ADT/ArrayRef.h"

namespace colo::schedule {

/// One named schedule.
struct Generator {
  llvm::StringRef name;
  /// One line for the user.
  llvm::StringRef summary;
  Placement placement;
  /// True if backward comes in two actions, I and W.
  bool splitsBackward;
  /// What the schedule asks of a problem beyond its own `check()`.
  std::optional<Diagnostic> (*check)(const ScheduleProblem &problem);
  /// The compute actions. The problem is legal and passed `check`.
  Schedule (*generate)(const ScheduleProblem &problem);
  /// The number of activations that the schedule keeps at most on a rank.
  int64_t (*storedActivations)(const ScheduleProblem &problem, int64_t rank);
};

/// In the order in which documentation lists them.
llvm::ArrayRef<const Generator *> generators();

/// Null if there is none of that name.
const Generator *findGenerator(llvm::StringRef name);

/// The schedule `name` of `problem`, without transfers. Sets the problem's
/// placement and, where empty, its `liveBounds` to what the schedule keeps.
/// Returns nothing and fills `error` if the name or the combination is illegal.
std::optional<Schedule> generate(llvm::StringRef name, ScheduleProblem &problem, Diagnostic &error);

} // namespace colo::schedule

#endif // COLO_SCHEDULE_GENERATORS_H
