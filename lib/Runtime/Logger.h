//===- Logger.h - progress and metrics ---------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Written by rank 0 only: a progress line for people, one JSON object per step
// for programs. Allocates when opened, not per step.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_LOGGER_H
#define COLO_LIB_RUNTIME_LOGGER_H

#include "colo/Runtime/Program.h"
#include "colo/Runtime/Status.h"

#include <cstdio>
#include <string>
#include <vector>

namespace colo::runtime {

struct StepRecord {
  int64_t step;  ///< steps done, 1 after the first
  int64_t steps; ///< of the run
  double lr, gradNorm, tokensPerSecond;
  const double *metrics;
  double lossScale = 0;    ///< of the step; 0 where there is none
  bool overflowed = false; ///< the step changed nothing
};

class Logger {
public:
  ~Logger();
  Status open(const ColoProgram &program, const std::string &path, bool quiet);
  /// A line for people; empty: none.
  Status note(const std::string &text);
  Status step(const StepRecord &record);
  /// `metrics` are means over `batches` evaluated global batches.
  Status evaluation(int64_t step, const double *metrics, int64_t batches);
  /// Index of the metric "loss", or 0.
  int64_t lossIndex() const { return loss; }

private:
  void endLine();
  /// A record that could not be written ends the run.
  Status endRecord();
  const ColoProgram *program = nullptr;
  std::string path;
  FILE *file = nullptr;
  bool quiet = false, terminal = false, lineOpen = false;
  int64_t loss = 0;
  std::vector<char> buffer;
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_LOGGER_H
