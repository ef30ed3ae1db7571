//===- HostCalls.h - what host code calls -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The frame's fields by offset (include/colo/Runtime/Program.h), the runtime's
// functions and the NCCL C interface.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_RTTOLLVM_HOSTCALLS_H
#define COLO_CONVERSION_RTTOLLVM_HOSTCALLS_H

#include "colo/Dialect/Rt/RtDialect.h"
#include "colo/Target/ProgramTables.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/StringMap.h"

namespace colo {

/// What patterns must know of the whole module.
struct HostContext {
  HostContext(mlir::ModuleOp module, const ProgramTables &tables);

  llvm::StringMap<int64_t> axes, metrics; ///< index by name
  struct Kernel {
    int64_t extent, grain;
  };
  llvm::StringMap<Kernel> kernels;
  /// Ranks of the group of each communicator, replicas aside, and its tensor axes with their sizes.
  std::vector<std::vector<std::pair<int64_t, int64_t>>> commAxes;
  mutable int64_t tableCount = 0;
};

/// Declares the functions that host code calls.
void declareRuntime(mlir::ModuleOp module);

/// Patterns for all ops of the rt dialect. `host` must outlive the conversion.
void populateHostCallPatterns(mlir::LLVMTypeConverter &types, mlir::RewritePatternSet &patterns,
                              const HostContext &host);

} // namespace colo

#endif // COLO_CONVERSION_RTTOLLVM_HOSTCALLS_H
