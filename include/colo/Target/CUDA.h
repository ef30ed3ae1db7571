//===- CUDA.h - PTX for NVIDIA GPUs ----------------------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_TARGET_CUDA_H
#define COLO_TARGET_CUDA_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace colo {

/// Translates the kernels that `lower-gpu-kernels` made to PTX for compute capability 8.0, which the driver and ptxas
/// take for every later one. The module stays as it is; without kernels the PTX holds none. On failure `message` says
/// why: in particular which part of the CUDA toolkit is missing, where kernels call functions of its device library.
mlir::LogicalResult emitPtx(mlir::ModuleOp module, int optLevel, std::string &ptx, std::string &message);

} // namespace colo

#endif // COLO_TARGET_CUDA_H
