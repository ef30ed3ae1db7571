//===- MemoryCalls.cpp - launches, and what hosts do with memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two sets of patterns. Where the device's memory is the host's, kernels are host
// functions and there is nothing to copy. Elsewhere the runtime's device does all
// of it, in order on a stream.
//
//===----------------------------------------------------------------------===//

#include "HostCalls.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace colo;

/// The arguments' slots lie in the function's entry block, so that a launch in a loop does not grow the stack.
static Value slotsFor(Operation *op, size_t count, OpBuilder &builder) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&op->getParentOfType<FunctionOpInterface>().getFunctionBody().front());
  Value size = builder.create<LLVM::ConstantOp>(op->getLoc(), builder.getI64Type(),
                                                builder.getI64IntegerAttr(std::max<size_t>(count, 1)));
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
  return builder.create<LLVM::AllocaOp>(op->getLoc(), pointer, pointer, size);
}

static Value storeArguments(HostEmitter &e, rt::LaunchOp op, rt::LaunchOp::Adaptor adaptor) {
  SmallVector<Value> values(adaptor.getInputs());
  llvm::append_range(values, adaptor.getOuts());
  Value slots = slotsFor(op, values.size(), e.b);
  for (auto [i, value] : llvm::enumerate(values))
    e.b.create<LLVM::StoreOp>(e.loc, value, e.advance(slots, e.pointer(), static_cast<int32_t>(i)));
  return slots;
}

/// Bytes that a launch has to move: of its operands and results, or what whoever made it says.
static int64_t bytesMoved(rt::LaunchOp op) {
  if (auto bytes = op->getAttrOfType<IntegerAttr>(rt::kBytesAttr))
    return bytes.getInt();
  int64_t bytes = 0;
  for (Value operand : op->getOperands())
    if (isa<MemRefType>(operand.getType()))
      bytes += rt::bytesOf(operand);
  return bytes;
}

namespace {

//===----------------------------------------------------------------------===//
// The host's memory
//===----------------------------------------------------------------------===//

struct MemsetLowering : HostPattern<rt::FillOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::FillOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    HostEmitter e(rewriter, op);
    Value zero = rewriter.create<LLVM::ConstantOp>(op.getLoc(), rewriter.getI8Type(), rewriter.getI8IntegerAttr(0));
    rewriter.replaceOpWithNewOp<LLVM::MemsetOp>(op, adaptor.getBuffer(), zero, e.i64(rt::bytesOf(op.getBuffer())),
                                                /*isVolatile=*/false);
    return success();
  }
};

struct EntryLaunchLowering : HostPattern<rt::LaunchOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::LaunchOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    HostEmitter e(rewriter, op);
    auto kernel = host.kernels.find(op.getKernel());
    if (kernel == host.kernels.end())
      return op.emitOpError("calls '") << op.getKernel() << "', which is not a lowered kernel";
    Value slots = storeArguments(e, op, adaptor);
    Value entry = rewriter.create<LLVM::AddressOfOp>(op.getLoc(), e.pointer(), (op.getKernel() + ".entry").str());
    int64_t extent = op.getExtent() ? *op.getExtent() : kernel->second.extent;
    e.call("colo_launch", {e.frame, entry, slots, e.i64(extent), e.i64(kernel->second.grain)});
    rewriter.eraseOp(op);
    return success();
  }
};

/// The host reads the device's own memory, and its thread is the compute stream.
template <typename Op> struct NothingToDo : HostPattern<Op> {
  using HostPattern<Op>::HostPattern;
  LogicalResult matchAndRewrite(Op op, typename Op::Adaptor, ConversionPatternRewriter &rewriter) const override {
    rewriter.eraseOp(op);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Memory of the device's own
//===----------------------------------------------------------------------===//

struct KernelLaunchLowering : HostPattern<rt::LaunchOp> {
  using HostPattern::HostPattern;
  LogicalResult matchAndRewrite(rt::LaunchOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    HostEmitter e(rewriter, op);
    auto kernel = host.kernels.find(op.getKernel());
    if (kernel == host.kernels.end() || kernel->second.number < 0)
      return op.emitOpError("calls '") << op.getKernel() << "', which is not a kernel of blocks of threads";
    int64_t blocks = op.getExtent() ? *op.getExtent() : kernel->second.extent;
    Value slots = storeArguments(e, op, adaptor);
    e.call("colo_launch_kernel", {e.frame, e.i64(kernel->second.number), slots, e.i64(blocks), e.i64(bytesMoved(op))});
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void colo::populateHostMemoryPatterns(LLVMTypeConverter &types, RewritePatternSet &patterns, const HostContext &host) {
  patterns.add<MemsetLowering, EntryLaunchLowering, NothingToDo<rt::FetchOp>>(types, host);
}

void colo::populateDeviceMemoryPatterns(LLVMTypeConverter &types, RewritePatternSet &patterns,
                                        const HostContext &host) {
  patterns.add<KernelLaunchLowering>(types, host);
  patterns.add<CallPattern<rt::FillOp>>(types, host, [](HostEmitter &e, rt::FillOp op, rt::FillOp::Adaptor adaptor) {
    e.call("colo_clear", {e.frame, adaptor.getBuffer(), e.i64(rt::bytesOf(op.getBuffer()))});
  });
  patterns.add<CallPattern<rt::FetchOp>>(types, host, [](HostEmitter &e, rt::FetchOp op, rt::FetchOp::Adaptor adaptor) {
    e.call("colo_fetch", {e.frame, adaptor.getHost(), adaptor.getDevice(), e.i64(rt::bytesOf(op.getDevice())),
                          e.i64(static_cast<int64_t>(op.getStream()))});
  });
}
