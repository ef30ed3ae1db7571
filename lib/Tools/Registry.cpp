//===- Registry.cpp - dialects and passes of colo's tools -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Tools/Registry.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Colo/Passes.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Dist/Passes.h"
#include "colo/Dialect/Pipe/Passes.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void colo::registerAllDialects(DialectRegistry &registry) {
  registry.insert<ColoDialect, dist::DistDialect, pipe::PipeDialect, rt::RtDialect, affine::AffineDialect,
                  arith::ArithDialect, cf::ControlFlowDialect, DLTIDialect, func::FuncDialect, gpu::GPUDialect,
                  LLVM::LLVMDialect, linalg::LinalgDialect, math::MathDialect, memref::MemRefDialect, NVVM::NVVMDialect,
                  scf::SCFDialect, tensor::TensorDialect>();
}

void colo::registerAllPasses() {
  registerTransformsPasses();
  registerColoPasses();
  dist::registerColoDistPasses();
  pipe::registerColoPipePasses();
  registerColoConversionPasses();
}
