//===- LoadStepValues.cpp - numbers of a step in the device's memory -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace colo {
#define GEN_PASS_DEF_LOADSTEPVALUES
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

static bool isStepValue(Operation *op) {
  if (auto scalar = dyn_cast_or_null<rt::ScalarOp>(op))
    return rt::stepValueOffset(scalar.getName()).has_value();
  return isa_and_nonnull<rt::InverseCountOp>(op);
}

/// Where the device has it.
static Value placeOf(Operation *op, int64_t terms) {
  OpBuilder b(op);
  Location loc = op->getLoc();
  auto type = MemRefType::get({1}, op->getResult(0).getType());
  auto buffer = [&](StringRef name, int64_t size, Type element) {
    return b.create<rt::BufferOp>(loc, MemRefType::get({size}, element), b.getStringAttr(name), b.getI64IntegerAttr(0));
  };
  if (auto count = dyn_cast<rt::InverseCountOp>(op))
    return b.create<rt::SlotOp>(loc, type, buffer("inverse_counts", terms, b.getF64Type()),
                                b.getI64IntegerAttr(count.getTerm()), Value());
  int64_t offset = *rt::stepValueOffset(cast<rt::ScalarOp>(op).getName());
  return b.create<rt::SlotOp>(loc, type, buffer("step_values", rt::kStepValueBytes, b.getI8Type()),
                              b.getI64IntegerAttr(offset), Value());
}

/// The kernel's argument becomes a memref, which it reads first.
static void readFromMemory(gpu::GPUFuncOp func, func::FuncOp declaration, unsigned number) {
  BlockArgument argument = func.getBody().getArgument(number);
  OpBuilder b = OpBuilder::atBlockBegin(&func.getBody().front());
  auto type = MemRefType::get({1}, argument.getType());
  SmallVector<Type> types(func.getFunctionType().getInputs());
  types[number] = type;
  func.setFunctionType(b.getFunctionType(types, {}));
  declaration.setFunctionType(b.getFunctionType(types, {}));
  Value zero = b.create<arith::ConstantIndexOp>(func.getLoc(), 0);
  // The load stands for the argument before the argument is what it loads from.
  auto load = b.create<memref::LoadOp>(func.getLoc(), argument.getType(), argument, zero);
  argument.replaceAllUsesExcept(load.getResult(), load);
  argument.setType(type);
  func.setArgAttr(number, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
  func.setArgAttr(number, LLVM::LLVMDialect::getAlignAttrName(), b.getI64IntegerAttr(8));
}

namespace {
struct LoadStepValuesPass : public colo::impl::LoadStepValuesBase<LoadStepValuesPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto device = module.lookupSymbol<gpu::GPUModuleOp>(rt::kKernelModule);
    if (!device)
      return;
    auto count = module->getAttrOfType<IntegerAttr>(kTermCountAttr);
    terms = count ? count.getInt() : 0;
    SmallVector<Operation *> values;
    llvm::MapVector<StringRef, SmallVector<rt::LaunchOp>> launches;
    module.walk([&](Operation *op) {
      if (isStepValue(op))
        values.push_back(op);
      if (auto launch = dyn_cast<rt::LaunchOp>(op))
        launches[launch.getKernel()].push_back(launch);
    });
    for (auto &[kernel, all] : launches)
      if (auto func = device.lookupSymbol<gpu::GPUFuncOp>(kernel))
        if (failed(rewrite(func, module.lookupSymbol<func::FuncOp>(kernel), all)))
          return signalPassFailure();
    for (Operation *op : values) {
      if (!op->use_empty()) {
        op->emitOpError("is needed by the host, which does not wait for it");
        return signalPassFailure();
      }
      op->erase();
    }
  }

  LogicalResult rewrite(gpu::GPUFuncOp func, func::FuncOp declaration, ArrayRef<rt::LaunchOp> launches) const {
    for (unsigned i = 0; i < func.getFunctionType().getNumInputs(); ++i) {
      auto isMoved = [&](rt::LaunchOp launch) { return isStepValue(launch->getOperand(i).getDefiningOp()); };
      if (llvm::none_of(launches, isMoved))
        continue;
      if (!llvm::all_of(launches, isMoved))
        return declaration.emitError("is launched with a number of the step and with another one for argument ") << i;
      readFromMemory(func, declaration, i);
      for (rt::LaunchOp launch : launches)
        launch->setOperand(i, placeOf(launch->getOperand(i).getDefiningOp(), terms));
    }
    return success();
  }

  int64_t terms = 0;
};
} // namespace
