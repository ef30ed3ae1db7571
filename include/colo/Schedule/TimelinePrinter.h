//===- TimelinePrinter.h - draws a simulated schedule ----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three views of one `Timeline`. Each is a function of its input alone, byte for
// byte.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_SCHEDULE_TIMELINEPRINTER_H
#define COLO_SCHEDULE_TIMELINEPRINTER_H

#include "colo/Schedule/Simulator.h"
#include "llvm/Support/raw_ostream.h"

namespace colo::schedule {

/// Text: one row per rank, at most `columns` wide where labels are shortened to
/// fit; `.` is a bubble. Then each rank's idle share and peak activations.
void printTimelineText(const ScheduleProblem &problem, const Schedule &schedule, const Timeline &timeline,
                       llvm::raw_ostream &os, unsigned columns = 160);

/// SVG: one lane per rank, compute coloured by kind, bubbles hatched in red,
/// peak activations beside each lane.
void printTimelineSvg(const ScheduleProblem &problem, const Schedule &schedule, const Timeline &timeline,
                      llvm::raw_ostream &os);

/// JSON in the Chrome trace event format: process "predicted", one thread of
/// compute and one of transfers per rank, times in microseconds.
void printTimelineTrace(const ScheduleProblem &problem, const Schedule &schedule, const Timeline &timeline,
                        llvm::raw_ostream &os);

} // namespace colo::schedule

#endif // COLO_SCHEDULE_TIMELINEPRINTER_H
