//===- Ranges.cpp - names of the host's functions for profilers -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Functions of the model say when they start and end. Which they are must be asked
// before they are lowered: they start with their workspace, their layer, and the
// first row of the micro-batch.
//
//===----------------------------------------------------------------------===//

#include "HostCalls.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "colo/Dialect/Pipe/PipeDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace colo;

SmallVector<HostRange> colo::collectRanges(ModuleOp module) {
  SmallVector<HostRange> ranges;
  for (auto func : module.getOps<func::FuncOp>())
    if (!func->hasAttr(rt::kKernelAttr) && func.getNumArguments() > 2)
      ranges.push_back({func.getName().str(), func->hasAttr(kRoleAttr) || func->hasAttr(pipe::kStageAttr)});
  return ranges;
}

void colo::markRanges(ModuleOp module, ArrayRef<HostRange> ranges) {
  for (auto [number, range] : llvm::enumerate(ranges)) {
    auto func = module.lookupSymbol<LLVM::LLVMFuncOp>(range.function);
    std::string text = range.function, symbol = "colo_range_" + std::to_string(number);
    text.push_back('\0');
    OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
    auto type = LLVM::LLVMArrayType::get(b.getI8Type(), text.size());
    b.create<LLVM::GlobalOp>(func.getLoc(), type, /*isConstant=*/true, LLVM::Linkage::Internal, symbol,
                             b.getStringAttr(text));
    Block &entry = func.getBody().front();
    b.setInsertionPointToStart(&entry);
    HostEmitter e(b, &entry.front());
    Value name = b.create<LLVM::AddressOfOp>(e.loc, e.pointer(), symbol);
    Value layer = range.isWholeMicroBatch ? e.i64(-1) : entry.getArgument(2);
    e.call("colo_enter", {e.frame, name, layer, entry.getArgument(3)});
    func.walk([&](LLVM::ReturnOp end) {
      b.setInsertionPoint(end);
      HostEmitter(b, end).call("colo_leave", {e.frame});
    });
  }
}
