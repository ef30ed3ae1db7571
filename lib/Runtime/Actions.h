//===- Actions.h - what a rank does of its schedule --------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Emitted code of a pipeline marks where each action starts and ends. The marks
// count the activations that are kept for a backward, and with --trace note the
// times of the last step's actions. A mark costs a few instructions beside the
// products of an action.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_RUNTIME_ACTIONS_H
#define COLO_LIB_RUNTIME_ACTIONS_H

#include "colo/Runtime/Device.h"

#include <memory>
#include <vector>

namespace colo::runtime {

/// One execution of an action, in nanoseconds of the machine's steady clock.
struct ActionSpan {
  int64_t action, microBatch, begin, end;
};

class ActionLog {
public:
  /// Room for the actions of a pipeline rank's step; `traces` says whether to note times.
  void prepare(const ColoProgram &program, const ColoStage &stage, int64_t microBatches, bool traces);

  /// Forgets the spans of the step before.
  void startStep() { used = 0; }
  void start(int64_t action, int64_t microBatch, Device &device);
  void end(int64_t action, int64_t microBatch, Device &device);

  /// The most activations kept at once: of all virtual stages of the rank together, and of each virtual stage of the
  /// model, 0 for those of other ranks.
  int64_t peak() const { return peakOfRank; }
  const std::vector<int64_t> &peaks() const { return peakOfStage; }
  /// In the order in which they started; complete when the rank's streams have been drained.
  const ActionSpan *spans() const { return trace.data(); }
  size_t spanCount() const { return used; }

private:
  void count(const ColoAction &action);

  const ColoAction *actions = nullptr;
  int64_t kept = 0, peakOfRank = 0;
  std::vector<int64_t> keptOfStage, peakOfStage;
  std::vector<ActionSpan> trace; ///< never grows after `prepare`; empty without --trace
  size_t used = 0;
};

} // namespace colo::runtime

#endif // COLO_LIB_RUNTIME_ACTIONS_H
