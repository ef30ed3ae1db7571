//===- Passes.h - passes on the global program -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What each pass takes, makes and rejects is said in Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_COLO_PASSES_H
#define COLO_DIALECT_COLO_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include <memory>

namespace colo {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "colo/Dialect/Colo/Passes.h.inc"

} // namespace colo

#endif // COLO_DIALECT_COLO_PASSES_H
