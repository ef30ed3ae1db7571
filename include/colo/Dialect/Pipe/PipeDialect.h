//===- PipeDialect.h - pipeline stages and schedules -----------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_PIPE_PIPEDIALECT_H
#define COLO_DIALECT_PIPE_PIPEDIALECT_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Schedule/Schedule.h"
#include "mlir/IR/BuiltinOps.h"

#include "colo/Dialect/Pipe/PipeDialect.h.inc"

#define GET_OP_CLASSES
#include "colo/Dialect/Pipe/PipeOps.h.inc"

namespace colo::pipe {

/// On the module before `pipe-stage`: the place in the config that says how to divide the layers (a location).
inline constexpr llvm::StringLiteral kConfigLocAttr = "pipe.config_loc";
/// On a colo.param_ref of the entry function: the virtual stage that reads the parameter (i64).
inline constexpr llvm::StringLiteral kStageAttr = "pipe.stage";
/// On a function that `pipe-cut` made: its task (`F`, `B`, `I` or `W`), with `pipe.stage`; for each argument and for
/// each result the number of the value it holds, -1 - i for model input i (arrays of i64).
inline constexpr llvm::StringLiteral kTaskAttr = "pipe.task";
inline constexpr llvm::StringLiteral kReadsAttr = "pipe.reads";
inline constexpr llvm::StringLiteral kWritesAttr = "pipe.writes";
/// How many of its first results go to the next stage (of a forward) or to the one before (i64); the rest is kept.
inline constexpr llvm::StringLiteral kLeavingAttr = "pipe.leaving";
/// The values of those functions' roles.
inline constexpr llvm::StringLiteral kStageRole = "stage", kEvaluateStageRole = "evaluate_stage";
/// On colo.param: the pipeline rank that holds it (i64); for a parameter of several ranks all of them (array of i64,
/// rising) and, on all but the first, the symbol of the first's copy, which alone goes to files and norms.
inline constexpr llvm::StringLiteral kRankAttr = "pipe.rank", kSharedAttr = "pipe.shared", kCopyOfAttr = "pipe.copy_of";

/// On colo.param: the name in files where the symbol differs, since a parameter's layers, or its copies, lie on several
/// ranks.
inline constexpr llvm::StringLiteral kNameAttr = "pipe.name";
/// That name, or the symbol.
llvm::StringRef nameOf(ParamOp param);

/// The schedule of a module, null without one: one stage.
ScheduleOp findSchedule(mlir::ModuleOp module);

/// The op's problem, a backward costing two forwards and what it computes again, and its schedule; nothing, with a
/// diagnostic, if the actions are no text of a schedule.
schedule::ScheduleProblem problemOf(ScheduleOp op);
mlir::FailureOr<schedule::Schedule> scheduleOf(ScheduleOp op);

/// Draws the schedule of a module, if it has one, as it would run with these costs: a row a rank.
void printTimeline(mlir::ModuleOp module, llvm::raw_ostream &os);
/// The same as a picture, one SVG document.
void printTimelineSvg(mlir::ModuleOp module, llvm::raw_ostream &os);

} // namespace colo::pipe

#endif // COLO_DIALECT_PIPE_PIPEDIALECT_H
