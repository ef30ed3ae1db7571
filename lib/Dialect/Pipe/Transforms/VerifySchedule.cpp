//===- VerifySchedule.cpp - a schedule is right -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Dialect/Pipe/Passes.h"

namespace colo::pipe {
#define GEN_PASS_DEF_VERIFYSCHEDULEPASS
#include "colo/Dialect/Pipe/Passes.h.inc"
} // namespace colo::pipe

using namespace mlir;
using namespace colo;
using namespace colo::pipe;

namespace {
struct VerifySchedulePass : public pipe::impl::VerifySchedulePassBase<VerifySchedulePass> {
  void runOnOperation() override {
    for (ScheduleOp op : getOperation().getOps<ScheduleOp>()) {
      FailureOr<schedule::Schedule> schedule = scheduleOf(op);
      if (failed(schedule))
        return signalPassFailure();
      if (std::optional<schedule::Diagnostic> wrong = problemOf(op).verify(*schedule)) {
        op.emitError() << wrong->message;
        return signalPassFailure();
      }
    }
  }
};
} // namespace
