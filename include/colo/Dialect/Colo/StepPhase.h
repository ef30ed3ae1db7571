//===- StepPhase.h - forward, backward or update ---------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What part of a step an op belongs to. It is kept in the op's location, as the
// model's place is: every lowering hands it on, and no result depends on it.
// What says nothing is forward. colo-autodiff marks what it makes as backward,
// what it computes again included; build-step what runs once a step as update.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_STEPPHASE_H
#define COLO_DIALECT_COLO_STEPPHASE_H

#include "mlir/IR/Location.h"

namespace colo {

enum class StepPhase { Forward, Backward, Update };

/// "forward", "backward", "update".
llvm::StringRef nameOf(StepPhase phase);
/// The location with another phase; a name stays outermost.
mlir::Location inPhase(mlir::Location loc, StepPhase phase);
StepPhase phaseOf(mlir::Location loc);

} // namespace colo

#endif // COLO_DIALECT_COLO_STEPPHASE_H
