//===- KernelMath.cpp - polynomials for math functions -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"

namespace colo {
#define GEN_PASS_DEF_KERNELMATH
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

namespace {
struct KernelMathPass : public colo::impl::KernelMathBase<KernelMathPass> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    populateMathPolynomialApproximationPatterns(set);
    patterns = std::move(set);
    return success();
  }

  void runOnOperation() override {
    llvm::SmallVector<Operation *> kernels;
    getOperation().walk([&](FunctionOpInterface func) {
      if (func->hasAttr(rt::kKernelAttr) || isa<gpu::GPUFuncOp>(func))
        kernels.push_back(func);
    });
    for (Operation *kernel : kernels) {
      if (failed(applyPatternsAndFoldGreedily(kernel, patterns)))
        return signalPassFailure();
      // What the expansions made has no flags yet. Only contraction keeps the order that their accuracy rests on.
      kernel->walk([](arith::ArithFastMathInterface op) {
        arith::FastMathFlagsAttr flags = op.getFastMathFlagsAttr();
        if (!op->hasAttr(rt::kExactAttr) && (!flags || flags.getValue() == arith::FastMathFlags::none))
          op->setAttr(op.getFastMathAttrName(),
                      arith::FastMathFlagsAttr::get(op->getContext(), arith::FastMathFlags::contract));
      });
    }
  }

  FrozenRewritePatternSet patterns;
};
} // namespace

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
