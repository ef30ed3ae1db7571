//===- CPU.h - objects and executables for CPUs ----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TARGET_CPU_H
#define COLO_TARGET_CPU_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace colo {

/// Legal values are checked where they come in, at the command line.
struct TargetOptions {
  /// "native", "x86-64-v3" (AVX2) or "x86-64-v4" (AVX-512).
  std::string cpu = "native";
  /// 0 to 3.
  int optLevel = 3;
};

/// Translates a module of the LLVM dialect to LLVM IR, optimises it and writes
/// a position-independent object file. On failure `message` says why.
mlir::LogicalResult emitObject(mlir::ModuleOp module, const TargetOptions &options, llvm::StringRef path,
                               std::string &message);

/// Links an object with the runtime archive and its libraries (oneDNN,
/// OpenBLAS, zlib) into an executable, written under a temporary name
/// and renamed. On failure `message` holds the linker's words or what is missing.
mlir::LogicalResult linkExecutable(llvm::StringRef object, llvm::StringRef runtimeArchive, llvm::StringRef path,
                                   std::string &message);

} // namespace colo

#endif // COLO_TARGET_CPU_H
