//===- KernelMath.cpp - polynomials for math functions -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace colo {
#define GEN_PASS_DEF_KERNELMATH
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

namespace {
/// Conversions of bf16 as integer arithmetic on the upper half of an f32, which all CPUs have and LLVM vectorises; not
/// all have instructions for them, and where they do, small numbers become 0.
struct WidenBFloat16 : OpRewritePattern<arith::ExtFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::ExtFOp op, PatternRewriter &rewriter) const override {
    if (!op.getIn().getType().isBF16() || !op.getType().isF32())
      return failure();
    Location loc = op.getLoc();
    Type i32 = rewriter.getI32Type();
    Value bits = rewriter.create<arith::BitcastOp>(loc, rewriter.getI16Type(), op.getIn());
    bits = rewriter.create<arith::ExtUIOp>(loc, i32, bits);
    bits = rewriter.create<arith::ShLIOp>(loc, bits, rewriter.create<arith::ConstantIntOp>(loc, 16, 32));
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), bits);
    return success();
  }
};

/// To the nearest, of two the even one; a NaN becomes the quiet one, as its fraction might be rounded away.
struct NarrowToBFloat16 : OpRewritePattern<arith::TruncFOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(arith::TruncFOp op, PatternRewriter &rewriter) const override {
    Value wide = op.getIn();
    if (!op.getType().isBF16() || !wide.getType().isF32())
      return failure();
    Location loc = op.getLoc();
    Type i16 = rewriter.getI16Type(), i32 = rewriter.getI32Type();
    auto integer = [&](int64_t value) -> Value { return rewriter.create<arith::ConstantIntOp>(loc, value, 32); };
    Value bits = rewriter.create<arith::BitcastOp>(loc, i32, wide);
    Value odd = rewriter.create<arith::ShRUIOp>(loc, bits, integer(16));
    odd = rewriter.create<arith::AndIOp>(loc, odd, integer(1));
    Value rounded =
        rewriter.create<arith::AddIOp>(loc, bits, rewriter.create<arith::AddIOp>(loc, odd, integer(0x7FFF)));
    rounded = rewriter.create<arith::ShRUIOp>(loc, rounded, integer(16));
    Value isNaN = rewriter.create<arith::CmpFOp>(loc, arith::CmpFPredicate::UNO, wide, wide);
    rounded = rewriter.create<arith::SelectOp>(loc, isNaN, integer(0x7FC0), rounded);
    rounded = rewriter.create<arith::TruncIOp>(loc, i16, rounded);
    rewriter.replaceOpWithNewOp<arith::BitcastOp>(op, op.getType(), rounded);
    return success();
  }
};

struct KernelMathPass : public colo::impl::KernelMathBase<KernelMathPass> {
  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet set(context);
    populateMathPolynomialApproximationPatterns(set);
    set.add<WidenBFloat16, NarrowToBFloat16>(context);
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
