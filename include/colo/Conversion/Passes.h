//===- Passes.h - from local tensors to LLVM -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_PASSES_H
#define COLO_CONVERSION_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace colo {

#define GEN_PASS_DECL
#include "colo/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "colo/Conversion/Passes.h.inc"

} // namespace colo

#endif // COLO_CONVERSION_PASSES_H
