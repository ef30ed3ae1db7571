//===- Training.h - settings of a training run -----------------*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the configuration says about the step and not about layouts. The driver
// attaches it to the module as the dictionary `colo.training`, so that every
// phase can be printed, read back and compiled on; `build-step` and the program
// descriptor read it.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_TRAINING_H
#define COLO_CONVERSION_TRAINING_H

#include "mlir/IR/BuiltinOps.h"
#include <string>

namespace colo {

inline constexpr llvm::StringLiteral kTrainingAttr = "colo.training";

/// Keys of the dictionary are the names of the fields.
struct Training {
  std::string optimizer = "AdamW"; ///< SGD, Adam or AdamW
  double lr = 1e-3, momentum = 0, dampening = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0.01;
  bool nesterov = false;
  std::string schedule = "constant"; ///< constant, linear or cosine
  int64_t warmupSteps = 0;
  int64_t totalSteps = 0; ///< 0: the run's --steps
  double minLr = 0;
  double clipGradNorm = 0;     ///< 0: off
  int64_t batchSize = 8;       ///< rows of a replica and accumulation step
  int64_t microBatch = 8;      ///< rows
  int64_t globalBatchSize = 0; ///< 0: not given
  int64_t accumulation = 1;
  int64_t seed = 1024;
  int64_t data = 0; ///< required data-parallel size, 0: any
  int64_t pipeline = 1;
  /// Of the loss (colo/Runtime/LossScale.h); an initial scale of 0: none.
  double lossScale = 0, scaleGrowth = 2, scaleBackoff = 0.5, scaleMinimum = 0, scaleMaximum = 0;
  bool scaleDynamic = true;
  int64_t scaleInterval = 0, scaleHysteresis = 0;
  int64_t sequence = 1; ///< parts of a sequence that is cut beside the tensor mode

  /// Optimizer buffers of the size of the parameters.
  int64_t stateBuffers() const;

  void attachTo(mlir::ModuleOp module) const;
  /// The defaults where the module has no such attribute; failure, with a diagnostic, on a key or value of the wrong
  /// kind.
  static mlir::FailureOr<Training> of(mlir::ModuleOp module);
};

} // namespace colo

#endif // COLO_CONVERSION_TRAINING_H
