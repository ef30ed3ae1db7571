//===- CpuPipelines.cpp - what CPUs do with kernels -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace colo;

void colo::buildKernelToLLVMPipeline(OpPassManager &pm) {
  pm.addPass(createKernelMath());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createConvertSCFToCFPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  ConvertFuncToLLVMPassOptions barePointers;
  barePointers.useBarePtrCallConv = true;
  pm.addPass(createConvertFuncToLLVMPass(barePointers));
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createKernelEntries());
}

KernelPipelines colo::cpuKernelPipelines() {
  // Half a MiB of f32: a part of a core's second-level cache, beside the operands.
  constexpr int64_t scoresOfRound = 128 * 1024;
  return {[](OpPassManager &pm) {
            pm.addPass(createSumsToLoops());
            pm.addPass(createLowerKernels());
          },
          buildKernelToLLVMPipeline, scoresOfRound};
}
