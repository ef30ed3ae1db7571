//===- CUDA.h - kernels for NVIDIA GPUs ------------------------*- C++ -*-===//
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

/// What a driver loads of the PTX of `emitPtx`: where the toolkit's ptxas and fatbinary are found (CUDA_HOME,
/// CUDA_PATH, PATH, /usr/local/cuda), a fat binary with machine code for sm_80 and sm_90 and the PTX, as text, for
/// later GPUs; elsewhere the PTX, which the driver translates. `remark` says which it is, on failure `message` why.
mlir::LogicalResult emitImage(llvm::StringRef ptx, int optLevel, std::string &image, std::string &remark,
                              std::string &message);

/// Puts the image into a module of phase `llvm`, in place of the kernels' bodies.
void embedImage(mlir::ModuleOp module, llvm::StringRef image);

} // namespace colo

#endif // COLO_TARGET_CUDA_H
