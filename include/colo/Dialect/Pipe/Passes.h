//===- Passes.h - pipeline parallelism -------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_PIPE_PASSES_H
#define COLO_DIALECT_PIPE_PASSES_H

#include "colo/Dialect/Pipe/PipeDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace colo::pipe {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "colo/Dialect/Pipe/Passes.h.inc"

} // namespace colo::pipe

#endif // COLO_DIALECT_PIPE_PASSES_H
