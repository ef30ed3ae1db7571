//===- StepKernels.h - kernels of the optimizer step -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Row loops over the flat buffers, in the form that lower-kernels gives other
// kernels. Rows write disjoint elements.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_BUILDSTEP_STEPKERNELS_H
#define COLO_CONVERSION_BUILDSTEP_STEPKERNELS_H

#include "colo/Conversion/Training.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace colo {

/// Elements whose squares make one partial sum.
inline constexpr int64_t kNormBlock = 4096;

/// `(gradients, start, stop, first, partials)`: row r puts the sum of squares, in f64, of block r of [start, stop) into
/// partials[first + r].
mlir::func::FuncOp createNormKernel(mlir::ModuleOp module, mlir::MemRefType flat, int64_t partials);

/// `(gradients, start, clip, a, b, c, parameters, state…[, copies])`: row r updates element start + r as PyTorch's
/// optimizer of that name does, with the gradient times `clip`. SGD: a = lr, b = weight decay, c = 1 - dampening (1 in
/// the first step). Adam and AdamW: a = lr / bias correction 1, b = weight decay (AdamW: 1 - lr * weight decay), c = 1
/// / sqrt(bias correction 2). Where `copies` is a type, the new parameters are also stored in it.
mlir::func::FuncOp createUpdateKernel(mlir::ModuleOp module, mlir::MemRefType flat, mlir::MemRefType copies,
                                      const Training &settings);

} // namespace colo

#endif // COLO_CONVERSION_BUILDSTEP_STEPKERNELS_H
