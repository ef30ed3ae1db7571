//===- Pipelines.cpp - the phases buffers, rt and llvm -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void colo::buildBuffersPipeline(OpPassManager &pm, const KernelPipelines &kernels) {
  pm.addPass(createPlanBuffers({kernels.rowAlignment}));
  // Kernels of functions that nothing calls, and slots that are the same.
  pm.addPass(createSymbolDCEPass());
  pm.addPass(createCSEPass());
  pm.addPass(createRtVerifyBuffers());
}

void colo::buildRtPipeline(OpPassManager &pm, const KernelPipelines &kernels) {
  pm.addPass(createBuildStep());
  pm.addPass(createCSEPass());
  pm.addPass(createRtVerifyTransfers());
  kernels.lower(pm);
}

void colo::buildLLVMPipeline(OpPassManager &pm, const KernelPipelines &kernels) {
  pm.addPass(createRtToLLVM({kernels.device.str()}));
  kernels.toLLVM(pm);
}
