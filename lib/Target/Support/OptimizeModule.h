//===- OptimizeModule.h - LLVM's pipeline for a target ---------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_TARGET_SUPPORT_OPTIMIZEMODULE_H
#define COLO_LIB_TARGET_SUPPORT_OPTIMIZEMODULE_H

#include "llvm/Passes/PassBuilder.h"

namespace colo {

/// Runs LLVM's default pipeline of `level`, 0 (nothing) to 3, for the machine.
void optimizeModule(llvm::Module &module, llvm::TargetMachine &machine, int level,
                    llvm::PipelineTuningOptions tuning = llvm::PipelineTuningOptions());

} // namespace colo

#endif // COLO_LIB_TARGET_SUPPORT_OPTIMIZEMODULE_H
