//===- SumsToKernels.cpp - totals added up on the device -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace colo {
#define GEN_PASS_DEF_SUMSTOKERNELS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

/// A row loop of one row: arguments are the values, the element, the totals.
static func::FuncOp createKernel(ModuleOp module, StringRef name, MemRefType values, MemRefType totals) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Location loc = module.getLoc();
  Type index = b.getIndexType(), f64 = b.getF64Type();
  auto kernel = b.create<func::FuncOp>(loc, name, b.getFunctionType({values, index, totals, index, index}, {}));
  kernel.setPrivate();
  kernel->setAttr(rt::kKernelAttr, b.getUnitAttr());
  kernel->setAttr(rt::kExtentAttr, b.getI64IntegerAttr(1));
  kernel->setAttr(rt::kGrainAttr, b.getI64IntegerAttr(1));
  b.setInsertionPointToStart(kernel.addEntryBlock());
  Value one = b.create<arith::ConstantIndexOp>(loc, 1), none = b.create<arith::ConstantIndexOp>(loc, 0);
  Value count = b.create<arith::ConstantIndexOp>(loc, values.getNumElements());
  Value zero = b.create<arith::ConstantOp>(loc, b.getF64FloatAttr(0));
  auto rows = b.create<scf::ForOp>(loc, kernel.getArgument(3), kernel.getArgument(4), one);
  b.create<func::ReturnOp>(loc);
  b.setInsertionPointToStart(rows.getBody());
  auto loop = b.create<scf::ForOp>(loc, none, count, one, ValueRange{zero},
                                   [&](OpBuilder &nested, Location at, Value i, ValueRange carried) {
                                     Value value = nested.create<memref::LoadOp>(at, kernel.getArgument(0), i);
                                     if (!value.getType().isF64())
                                       value = nested.create<arith::ExtFOp>(at, f64, value);
                                     Value sum = nested.create<arith::AddFOp>(at, carried.front(), value);
                                     nested.create<scf::YieldOp>(at, sum);
                                   });
  Value sum = loop.getResult(0), place = kernel.getArgument(1);
  Value total = b.create<memref::LoadOp>(loc, kernel.getArgument(2), place);
  if (totals.getElementType().isF64())
    sum = b.create<arith::AddFOp>(loc, total, sum);
  else
    sum = b.create<arith::AddIOp>(loc, total, b.create<arith::FPToSIOp>(loc, totals.getElementType(), sum));
  b.create<memref::StoreOp>(loc, sum, kernel.getArgument(2), place);
  return kernel;
}

namespace {
struct SumsToKernelsPass : public colo::impl::SumsToKernelsBase<SumsToKernelsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::SmallVector<rt::SumOp> sums;
    module.walk([&](rt::SumOp op) { sums.push_back(op); });
    llvm::DenseMap<std::pair<Type, Type>, func::FuncOp> kernels;
    for (rt::SumOp op : sums) {
      auto values = cast<MemRefType>(op.getValues().getType()), totals = cast<MemRefType>(op.getTotals().getType());
      std::string name = "step.sum" + std::to_string(kernels.size());
      func::FuncOp &kernel = kernels[{values, totals}];
      if (!kernel)
        kernel = createKernel(module, name, values, totals);
      OpBuilder b(op);
      Value element = b.create<arith::ConstantIndexOp>(op.getLoc(), static_cast<int64_t>(op.getElement()));
      b.create<rt::LaunchOp>(op.getLoc(), TypeRange{}, FlatSymbolRefAttr::get(kernel),
                             ValueRange{op.getValues(), element}, ValueRange{op.getTotals()}, b.getI64IntegerAttr(1));
      op.erase();
    }
  }
};
} // namespace
