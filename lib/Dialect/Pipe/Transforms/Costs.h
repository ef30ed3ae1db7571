//===- Costs.h - flops of layers, forward and again -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_DIALECT_PIPE_TRANSFORMS_COSTS_H
#define COLO_LIB_DIALECT_PIPE_TRANSFORMS_COSTS_H

#include "colo/Dialect/Pipe/PipeDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace colo::pipe {

/// Flops of one execution of an op; of a call those of its function, of a run of layers those of one layer.
int64_t flopsOf(mlir::Operation *op, mlir::SymbolTable &symbols);

/// The runs of layers of the entry function, or its calls where there is no run, in their order.
llvm::SmallVector<mlir::Operation *> layersOf(mlir::func::FuncOp entry);

/// Of each of them, the flops that the backward of one layer computes again because `colo.recompute` asks for it. Empty
/// where nothing is marked or the program cannot be differentiated, which is for autodiff to say.
std::vector<int64_t> recomputedFlops(mlir::ModuleOp module);

} // namespace colo::pipe

#endif // COLO_LIB_DIALECT_PIPE_TRANSFORMS_COSTS_H
