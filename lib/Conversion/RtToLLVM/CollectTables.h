//===- CollectTables.h - the tables of a program -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_RTTOLLVM_COLLECTTABLES_H
#define COLO_CONVERSION_RTTOLLVM_COLLECTTABLES_H

#include "colo/Target/ProgramTables.h"

namespace colo {

/// Reads a module of phase `rt` into the tables of its descriptor, and numbers what code refers to by index: sets
/// `index` on rt.gemm, `comm` and `site` on collectives. Fails, with a diagnostic, on settings that cannot be read.
/// `device` is the runtime's, such as "cpu"; with `loadsKernels` its driver loads them from an image.
mlir::FailureOr<ProgramTables> collectTables(mlir::ModuleOp module, llvm::StringRef device, bool loadsKernels);

} // namespace colo

#endif // COLO_CONVERSION_RTTOLLVM_COLLECTTABLES_H
