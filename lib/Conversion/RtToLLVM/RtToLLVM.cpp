//===- RtToLLVM.cpp - host functions in LLVM's dialect -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A memref of a host function is the pointer to its first element: shapes and
// strides are static. The frame is the first argument of every host function.
//
//===----------------------------------------------------------------------===//

#include "CollectTables.h"
#include "HostCalls.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Dist/DistDialect.h"
#include "colo/Dialect/Pipe/PipeDialect.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Pass/PassManager.h"

namespace colo {
#define GEN_PASS_DEF_RTTOLLVM
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

namespace {

struct FuncLowering : ConvertOpToLLVMPattern<func::FuncOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult matchAndRewrite(func::FuncOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    TypeConverter::SignatureConversion signature(op.getNumArguments());
    for (auto [i, type] : llvm::enumerate(op.getArgumentTypes()))
      signature.addInputs(i, getTypeConverter()->convertType(type));
    auto type = LLVM::LLVMFunctionType::get(getVoidType(), signature.getConvertedTypes());
    auto func = rewriter.create<LLVM::LLVMFuncOp>(op.getLoc(), op.getName(), type, LLVM::Linkage::Internal);
    rewriter.inlineRegionBefore(op.getBody(), func.getBody(), func.end());
    if (failed(rewriter.convertRegionTypes(&func.getBody(), *getTypeConverter(), &signature)))
      return failure();
    rewriter.eraseOp(op);
    return success();
  }
};

struct CallLowering : ConvertOpToLLVMPattern<func::CallOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult matchAndRewrite(func::CallOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<LLVM::CallOp>(op, TypeRange{}, op.getCallee(), adaptor.getOperands());
    return success();
  }
};

struct ReturnLowering : ConvertOpToLLVMPattern<func::ReturnOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult matchAndRewrite(func::ReturnOp op, OpAdaptor, ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<LLVM::ReturnOp>(op, ValueRange{});
    return success();
  }
};

/// The address of an element of a contiguous memref.
Value elementAddress(OpBuilder &builder, Location loc, MemRefType type, Value base, ValueRange indices,
                     const TypeConverter &types) {
  Type i64 = builder.getI64Type();
  Value offset = builder.create<LLVM::ConstantOp>(loc, i64, builder.getI64IntegerAttr(0));
  for (auto [size, index] : llvm::zip(type.getShape(), indices)) {
    Value scale = builder.create<LLVM::ConstantOp>(loc, i64, builder.getI64IntegerAttr(size));
    offset = builder.create<LLVM::AddOp>(loc, builder.create<LLVM::MulOp>(loc, offset, scale), index);
  }
  return builder.create<LLVM::GEPOp>(loc, base.getType(), types.convertType(type.getElementType()), base,
                                     ArrayRef<LLVM::GEPArg>{offset});
}

struct LoadLowering : ConvertOpToLLVMPattern<memref::LoadOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult matchAndRewrite(memref::LoadOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Value address = elementAddress(rewriter, op.getLoc(), op.getMemRefType(), adaptor.getMemref(), adaptor.getIndices(),
                                   *getTypeConverter());
    rewriter.replaceOpWithNewOp<LLVM::LoadOp>(op, getTypeConverter()->convertType(op.getType()), address);
    return success();
  }
};

struct StoreLowering : ConvertOpToLLVMPattern<memref::StoreOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult matchAndRewrite(memref::StoreOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Value address = elementAddress(rewriter, op.getLoc(), op.getMemRefType(), adaptor.getMemref(), adaptor.getIndices(),
                                   *getTypeConverter());
    rewriter.replaceOpWithNewOp<LLVM::StoreOp>(op, adaptor.getValue(), address);
    return success();
  }
};

bool isKernel(func::FuncOp func) { return func->hasAttr(rt::kKernelAttr); }

/// Every host function takes the frame first and hands it on.
void threadFrame(ModuleOp module) {
  Type pointer = LLVM::LLVMPointerType::get(module.getContext());
  for (func::FuncOp func : module.getOps<func::FuncOp>())
    if (!isKernel(func))
      func.insertArgument(0, pointer, {}, func.getLoc());
  module.walk([&](func::CallOp call) {
    auto func = call->getParentOfType<func::FuncOp>();
    SmallVector<Value> operands{func.getArgument(0)};
    llvm::append_range(operands, call.getOperands());
    call->setOperands(operands);
  });
}

struct RtToLLVM : colo::impl::RtToLLVMBase<RtToLLVM> {
  using RtToLLVMBase::RtToLLVMBase;
  void runOnOperation() override {
    ModuleOp module = getOperation();
    bool hasOwnMemory = device != "cpu";
    FailureOr<ProgramTables> tables = collectTables(module, device, hasOwnMemory);
    if (failed(tables))
      return signalPassFailure();
    SmallVector<HostRange> ranges;
    if (hasOwnMemory)
      ranges = collectRanges(module);
    threadFrame(module);
    for (func::FuncOp func : module.getOps<func::FuncOp>()) {
      OpPassManager flatten(func::FuncOp::getOperationName());
      flatten.addPass(createConvertSCFToCFPass());
      if (!isKernel(func) && failed(runPipeline(flatten, func)))
        return signalPassFailure();
    }
    declareRuntime(module, *tables);

    MLIRContext *context = &getContext();
    LLVMTypeConverter types(context);
    types.addConversion([&](MemRefType) { return LLVM::LLVMPointerType::get(context); });
    RewritePatternSet patterns(context);
    arith::populateArithToLLVMConversionPatterns(types, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(types, patterns);
    populateMathToLLVMConversionPatterns(types, patterns);
    patterns.add<FuncLowering, CallLowering, ReturnLowering, LoadLowering, StoreLowering>(types);
    HostContext host(module, *tables);
    populateHostCallPatterns(types, patterns, host);
    (hasOwnMemory ? populateDeviceMemoryPatterns : populateHostMemoryPatterns)(types, patterns, host);
    ConversionTarget target(*context);
    target.addLegalDialect<LLVM::LLVMDialect, ColoDialect, dist::DistDialect, pipe::PipeDialect>();
    target.addLegalOp<ModuleOp>();
    target.addLegalOp<gpu::GPUModuleOp>();
    target.markOpRecursivelyLegal<gpu::GPUModuleOp>();
    // Kernels have a pipeline of their own.
    target.addDynamicallyLegalOp<func::FuncOp>(isKernel);
    target.markOpRecursivelyLegal<func::FuncOp>(isKernel);
    if (failed(applyFullConversion(module, target, std::move(patterns))))
      return signalPassFailure();
    markRanges(module, ranges);

    for (Operation &op : llvm::make_early_inc_range(*module.getBody()))
      if (!isa<LLVM::LLVMFuncOp, LLVM::GlobalOp, func::FuncOp, gpu::GPUModuleOp>(op))
        op.erase();
    emitProgram(module, *tables);
  }
};

} // namespace
