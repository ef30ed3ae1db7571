//===- HostCalls.h - what host code calls -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The frame's fields by offset (include/colo/Runtime/Program.h), the runtime's
// functions and the NCCL C interface.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_RTTOLLVM_HOSTCALLS_H
#define COLO_CONVERSION_RTTOLLVM_HOSTCALLS_H

#include "colo/Dialect/Rt/RtDialect.h"
#include "colo/Target/ProgramTables.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringMap.h"

namespace colo {

/// What patterns must know of the whole module.
struct HostContext {
  HostContext(mlir::ModuleOp module, const ProgramTables &tables);

  llvm::StringMap<int64_t> axes; ///< index by name
  struct Kernel {
    int64_t extent, grain;
    int64_t number; ///< in the program's table, where that has kernels
  };
  llvm::StringMap<Kernel> kernels;
  /// Ranks of the group of each communicator, replicas aside, and its tensor axes with their sizes.
  std::vector<std::vector<std::pair<int64_t, int64_t>>> commAxes;
  mutable int64_t tableCount = 0;
};

/// Declares the functions that host code calls.
void declareRuntime(mlir::ModuleOp module, const ProgramTables &tables);

/// A function of the host that profilers see by its name.
struct HostRange {
  std::string function;
  bool isWholeMicroBatch; ///< else a layer
};
llvm::SmallVector<HostRange> collectRanges(mlir::ModuleOp module);
/// Once they are in LLVM's dialect.
void markRanges(mlir::ModuleOp module, llvm::ArrayRef<HostRange> ranges);

/// Patterns for the ops of the rt dialect. `host` must outlive the conversion.
void populateHostCallPatterns(mlir::LLVMTypeConverter &types, mlir::RewritePatternSet &patterns,
                              const HostContext &host);
/// For launches and what the host does with the device's memory: that is its own, or is not.
void populateHostMemoryPatterns(mlir::LLVMTypeConverter &types, mlir::RewritePatternSet &patterns,
                                const HostContext &host);
void populateDeviceMemoryPatterns(mlir::LLVMTypeConverter &types, mlir::RewritePatternSet &patterns,
                                  const HostContext &host);

/// Shared by all patterns: constants, the frame's fields, calls.
struct HostEmitter {
  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::Value frame;

  HostEmitter(mlir::OpBuilder &b, mlir::Operation *op)
      : b(b), loc(op->getLoc()),
        frame(op->getParentOfType<mlir::FunctionOpInterface>().getFunctionBody().front().getArgument(0)) {}

  mlir::Type pointer() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  mlir::Value i64(int64_t value) {
    return b.create<mlir::LLVM::ConstantOp>(loc, b.getI64Type(), b.getI64IntegerAttr(value));
  }
  mlir::Value i32(int64_t value) {
    return b.create<mlir::LLVM::ConstantOp>(loc, b.getI32Type(), b.getI32IntegerAttr(value));
  }
  mlir::Value advance(mlir::Value base, mlir::Type element, mlir::LLVM::GEPArg count) {
    return b.create<mlir::LLVM::GEPOp>(loc, pointer(), element, base, llvm::ArrayRef<mlir::LLVM::GEPArg>{count});
  }
  /// Address and value of the field at `offset` bytes of the frame.
  mlir::Value fieldAddress(size_t offset) { return advance(frame, b.getI8Type(), static_cast<int32_t>(offset)); }
  mlir::Value field(size_t offset, mlir::Type type) {
    return b.create<mlir::LLVM::LoadOp>(loc, type, fieldAddress(offset));
  }
  /// Entry `index` of the array that a field points at.
  mlir::Value entryAddress(size_t offset, mlir::Type element, int64_t index) {
    return advance(field(offset, pointer()), element, static_cast<int32_t>(index));
  }
  mlir::Value entry(size_t offset, mlir::Type element, int64_t index) {
    return b.create<mlir::LLVM::LoadOp>(loc, element, entryAddress(offset, element, index));
  }
  void call(llvm::StringRef name, llvm::ArrayRef<mlir::Value> operands) {
    auto callee = mlir::SymbolTable::lookupNearestSymbolFrom<mlir::LLVM::LLVMFuncOp>(
        b.getInsertionBlock()->getParentOp(), b.getStringAttr(name));
    b.create<mlir::LLVM::CallOp>(loc, callee, operands);
  }
};

template <typename Op> struct HostPattern : mlir::ConvertOpToLLVMPattern<Op> {
  HostPattern(const mlir::LLVMTypeConverter &types, const HostContext &host)
      : mlir::ConvertOpToLLVMPattern<Op>(types), host(host) {}
  const HostContext &host;
};

/// An op that becomes one call, which `build` makes.
template <typename Op> struct CallPattern : HostPattern<Op> {
  using Build = void (*)(HostEmitter &, Op, typename Op::Adaptor);
  CallPattern(const mlir::LLVMTypeConverter &types, const HostContext &host, Build build)
      : HostPattern<Op>(types, host), build(build) {}
  mlir::LogicalResult matchAndRewrite(Op op, typename Op::Adaptor adaptor,
                                      mlir::ConversionPatternRewriter &rewriter) const override {
    HostEmitter e(rewriter, op);
    build(e, op, adaptor);
    rewriter.eraseOp(op);
    return mlir::success();
  }
  Build build;
};

} // namespace colo

#endif // COLO_CONVERSION_RTTOLLVM_HOSTCALLS_H
