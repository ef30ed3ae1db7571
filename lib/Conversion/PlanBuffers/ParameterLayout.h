//===- ParameterLayout.h - parameters in the flat buffers -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Parameters, gradients and optimizer state share one layout: class after
// class, a class being what is reduced, decayed and counted alike; inside a
// class parameters of one layer lie together, layer after layer, so that what a
// layer's backward completes is one span. Every parameter starts at a multiple
// of 64 bytes.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_PLANBUFFERS_PARAMETERLAYOUT_H
#define COLO_CONVERSION_PLANBUFFERS_PARAMETERLAYOUT_H

#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace colo {

/// The parameters of one run of layers in one class.
struct LayerSpan {
  llvm::SmallVector<ParamOp> params;
  int64_t offset, stride; ///< elements; of layer 0, and from layer to layer
  int segment;
};

struct ParameterLayout {
  int64_t elements = 0;
  mlir::Type element;
  mlir::Type readAs; ///< of the copy that the program reads; `element` where it reads the parameters themselves
  llvm::SmallVector<LayerSpan> spans; ///< runs of layers only
};

/// Lays out all colo.param of the module: sets `offset`, `layer_stride` and `segment` on each (elements) and
/// `colo.segments` and `colo.param_elements` on the module.
ParameterLayout layOutParameters(mlir::ModuleOp module);

/// Axis names of colo.param's `reduce`.
llvm::SmallVector<llvm::StringRef> reduceAxes(ParamOp param);

} // namespace colo

#endif // COLO_CONVERSION_PLANBUFFERS_PARAMETERLAYOUT_H
