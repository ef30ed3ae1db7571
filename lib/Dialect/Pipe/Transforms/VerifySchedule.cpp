//===- VerifySchedule.cpp - a schedule is right -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Pipe/Passes.h"
#include "colo/Schedule/Simulator.h"
#include "llvm/Support/FormatVariadic.h"

namespace colo::pipe {
#define GEN_PASS_DEF_VERIFYSCHEDULEPASS
#include "colo/Dialect/Pipe/Passes.h.inc"
} // namespace colo::pipe

using namespace mlir;
using namespace colo;
using namespace colo::pipe;

namespace {
/// Times are those of the schedule's costs: a mean forward takes 1, its backward 2.
void remark(ScheduleOp op, const schedule::Schedule &schedule) {
  schedule::Timeline timeline = schedule::simulate(problemOf(op), schedule);
  std::string text;
  llvm::raw_string_ostream os(text);
  os << llvm::formatv("the schedule takes {0:f2} mean forwards and is idle for {1:f1} % of that; at most ",
                      timeline.makespan, 100 * timeline.bubbleFraction());
  llvm::interleaveComma(timeline.ranks, os, [&](const schedule::RankTimeline &rank) { os << rank.peakLive; });
  os << " activations are kept by pipeline ranks 0 to " << timeline.ranks.size() - 1;
  op.emitRemark() << os.str();
}

struct VerifySchedulePass : public pipe::impl::VerifySchedulePassBase<VerifySchedulePass> {
  using VerifySchedulePassBase::VerifySchedulePassBase;
  void runOnOperation() override {
    for (ScheduleOp op : getOperation().getOps<ScheduleOp>()) {
      FailureOr<schedule::Schedule> schedule = scheduleOf(op);
      if (failed(schedule))
        return signalPassFailure();
      if (std::optional<schedule::Diagnostic> wrong = problemOf(op).verify(*schedule)) {
        op.emitError() << wrong->message;
        return signalPassFailure();
      }
      if (remarks)
        remark(op, *schedule);
    }
  }
};
} // namespace
