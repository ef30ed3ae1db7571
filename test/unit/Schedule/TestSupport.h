//===- TestSupport.h - problems and spellings for schedule tests -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Short ways to say a problem and a schedule. Times are small whole numbers, so
// that every comparison of times is exact.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TEST_UNIT_SCHEDULE_TESTSUPPORT_H
#define COLO_TEST_UNIT_SCHEDULE_TESTSUPPORT_H

#include "colo/Schedule/Generators.h"
#include "colo/Schedule/ScheduleFile.h"
#include "colo/Schedule/Simulator.h"
#include "colo/Schedule/Transfers.h"
#include "llvm/Support/raw_ostream.h"
#include <gtest/gtest.h>

namespace colo::schedule {

/// The times of F, I and W on one virtual stage.
struct Times {
  double f = 1, i = 1, w = 1;
};

inline ScheduleProblem makeProblem(int64_t stages, int64_t microBatches, int64_t chunks = 1, Times times = {}) {
  ScheduleProblem problem;
  problem.stages = stages;
  problem.microBatches = microBatches;
  problem.chunks = chunks;
  StageCost cost;
  cost.forward = times.f;
  cost.inputGradient = times.i;
  cost.weightGradient = times.w;
  problem.costs.assign(stages * chunks, cost);
  return problem;
}

/// The schedule `name` of `problem`, which must be legal.
inline Schedule mustGenerate(llvm::StringRef name, ScheduleProblem &problem) {
  Diagnostic error;
  std::optional<Schedule> schedule = generate(name, problem, error);
  EXPECT_TRUE(schedule) << error.message;
  return schedule ? *schedule : Schedule();
}

inline Schedule mustRead(llvm::StringRef text) {
  Diagnostic error;
  std::optional<Schedule> schedule = readSchedule(text, error);
  EXPECT_TRUE(schedule) << error.line << ":" << error.column << ": " << error.message;
  return schedule ? *schedule : Schedule();
}

inline std::string toText(const Schedule &schedule) {
  std::string text;
  llvm::raw_string_ostream os(text);
  writeSchedule(schedule, os);
  return text;
}

/// The message of a diagnostic, empty if there is none.
inline std::string messageOf(const std::optional<Diagnostic> &diagnostic) {
  return diagnostic ? diagnostic->message : std::string();
}

} // namespace colo::schedule

#endif // COLO_TEST_UNIT_SCHEDULE_TESTSUPPORT_H
