//===- SplitBackward.h - input and weight gradients apart ------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Zero-bubble schedules (2401.10241) run the gradients of parameters apart from
// the gradient of the stage's input, which the stage before waits for. What
// `colo.grad` alone needs is the former.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_PIPE_TRANSFORMS_SPLITBACKWARD_H
#define COLO_LIB_DIALECT_PIPE_TRANSFORMS_SPLITBACKWARD_H

#include "colo/Dialect/Pipe/PipeDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace colo::pipe {

/// Ops of the block that gradients of parameters alone need, colo.grad included.
llvm::DenseSet<mlir::Operation *> weightGradientOps(mlir::Block &block);

/// Splits each call and run of layers of `entry` whose function adds gradients of parameters in two: one that returns
/// the results and what the other needs, and one that only adds gradients.
void splitBackwardCalls(mlir::func::FuncOp entry);

} // namespace colo::pipe

#endif // COLO_LIB_DIALECT_PIPE_TRANSFORMS_SPLITBACKWARD_H
