//===- Stats.h - what a run did, as JSON -------------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// --stats: per rank and site the collectives, bytes and messages of all training
// steps, per rank and product the executions and flops, the arena by region and
// its high-water mark, and the seconds before the first step. Evaluation, export
// and replica checks are not counted.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_STATS_H
#define COLO_LIB_RUNTIME_STATS_H

#include "Rank.h"

namespace colo::runtime {

class StatsWriter {
public:
  explicit StatsWriter(const Run &run) : run(run) {}
  /// All ranks call it after their last step; rank 0 writes the file.
  Status finish(Rank &rank);

private:
  const Run &run;
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_STATS_H
