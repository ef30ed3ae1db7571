//===- GeneratorFiles.h - the schedules, for the table ---------------------- ===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One declaration per file of a schedule, and what these files share.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_SCHEDULE_GENERATORFILES_H
#define COLO_LIB_SCHEDULE_GENERATORFILES_H

#include "colo/Schedule/Generators.h"

namespace colo::schedule {

extern const Generator gpipeGenerator;
extern const Generator oneForwardOneBackwardGenerator;
extern const Generator interleavedGenerator;
extern const Generator zeroBubbleH1Generator;
extern const Generator zeroBubbleH2Generator;
extern const Generator zeroBubbleVGenerator;

/// For schedules that run one chunk on each rank.
std::optional<Diagnostic> checkOneChunk(const ScheduleProblem &problem);

inline Action compute(ActionKind kind, int64_t microBatch, int64_t chunk = 0) {
  Action action;
  action.kind = kind;
  action.microBatch = static_cast<int32_t>(microBatch);
  action.chunk = static_cast<int32_t>(chunk);
  return action;
}

} // namespace colo::schedule

#endif // COLO_LIB_SCHEDULE_GENERATORFILES_H
