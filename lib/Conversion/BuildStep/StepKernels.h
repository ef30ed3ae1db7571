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

/// `(counts, inverses)`: row r puts 1 / counts[r], or 0 for 0, into inverses[r].
mlir::func::FuncOp createInverseKernel(mlir::ModuleOp module, int64_t terms);

/// What the update multiplies with, f64: the gradient's clip, the rate, the optimizer's own (see below), the decay of
/// parameters with and without it, and with a loss scale whether there is an update at all, 1 or 0.
enum { kClipFactor, kRateFactor, kExtraFactor, kDecayFactor, kNoDecayFactor, kApplyFactor, kUpdateFactors };

/// `(lr, bias correction 1, bias correction 2, updates before[, loss scale], norm, factors)`: one row, which makes the
/// norm of the sum of squares and the factors of this step. The clip is torch.nn.utils.clip_grad_norm_'s coefficient.
/// Norm and clip are divided by the loss scale; gradients whose norm is not finite are not applied. Their squares are
/// summed over all ranks that hold different ones, so all ranks decide alike.
mlir::func::FuncOp createFactorsKernel(mlir::ModuleOp module, const Training &settings);

/// `(gradients, start, factors, decay, parameters, state…[, copies])`: row r updates element start + r as PyTorch's
/// optimizer of that name does, with the gradient times the clip; `decay` is kDecayFactor or kNoDecayFactor. SGD: the
/// rate is lr, the decay the weight decay, the extra 1 - dampening (1 in the first update). Adam and AdamW: the rate is
/// lr / bias correction 1, the decay the weight decay (AdamW: 1 - lr * weight decay), the extra 1 / sqrt(bias
/// correction 2). Where `copies` is a type, the new parameters are also stored in it. With a loss scale nothing is
/// stored where kApplyFactor is 0.
mlir::func::FuncOp createUpdateKernel(mlir::ModuleOp module, mlir::MemRefType flat, mlir::MemRefType copies,
                                      const Training &settings);

} // namespace colo

#endif // COLO_CONVERSION_BUILDSTEP_STEPKERNELS_H
