//===- SumsToLoops.cpp - totals added up on the host -*- C++ -*-===//
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
#define GEN_PASS_DEF_SUMSTOLOOPS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

static void expand(rt::SumOp op) {
  OpBuilder b(op);
  Location loc = op.getLoc();
  Type f64 = b.getF64Type(), element = cast<MemRefType>(op.getTotals().getType()).getElementType();
  auto index = [&](int64_t value) { return b.create<arith::ConstantIndexOp>(loc, value).getResult(); };
  Value place = index(static_cast<int64_t>(op.getElement()));
  Value total = b.create<memref::LoadOp>(loc, op.getTotals(), place);
  bool isFloat = element.isF64();
  Value start = isFloat ? total : b.create<arith::ConstantOp>(loc, b.getF64FloatAttr(0)).getResult();
  auto type = cast<MemRefType>(op.getValues().getType());
  auto loop = b.create<scf::ForOp>(loc, index(0), index(type.getNumElements()), index(1), ValueRange{start},
                                   [&](OpBuilder &nested, Location at, Value i, ValueRange carried) {
                                     Value value = nested.create<memref::LoadOp>(at, op.getValues(), i);
                                     if (!type.getElementType().isF64())
                                       value = nested.create<arith::ExtFOp>(at, f64, value);
                                     Value sum = nested.create<arith::AddFOp>(at, carried.front(), value);
                                     nested.create<scf::YieldOp>(at, sum);
                                   });
  Value sum = loop.getResult(0);
  if (!isFloat)
    sum = b.create<arith::AddIOp>(loc, total, b.create<arith::FPToSIOp>(loc, element, sum));
  b.create<memref::StoreOp>(loc, sum, op.getTotals(), place);
  op.erase();
}

namespace {
struct SumsToLoopsPass : public colo::impl::SumsToLoopsBase<SumsToLoopsPass> {
  void runOnOperation() override { getOperation().walk(expand); }
};
} // namespace
