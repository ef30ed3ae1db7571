//===- KernelEntries.cpp - functions through which hosts call kernels -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace colo {
#define GEN_PASS_DEF_KERNELENTRIES
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

/// `void k.entry(void **args, int64_t begin, int64_t end)`.
static void createEntry(LLVM::LLVMFuncOp kernel) {
  OpBuilder builder(kernel);
  builder.setInsertionPointAfter(kernel);
  Location loc = kernel.getLoc();
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext()), i64 = builder.getI64Type();
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(builder.getContext()), {pointer, i64, i64});
  std::string name = (kernel.getName() + ".entry").str();
  // Hosts that were lowered before have declared the entries they launch.
  auto entry = kernel->getParentOfType<ModuleOp>().lookupSymbol<LLVM::LLVMFuncOp>(name);
  if (!entry)
    entry = builder.create<LLVM::LLVMFuncOp>(loc, name, type);
  entry.setLinkage(kernel.getLinkage());
  Block *block = entry.addEntryBlock(builder);
  builder.setInsertionPointToStart(block);
  llvm::SmallVector<Value> operands;
  size_t count = kernel.getNumArguments() - 2;
  for (size_t i = 0; i < count; ++i) {
    Value slot = builder.create<LLVM::GEPOp>(loc, pointer, pointer, block->getArgument(0),
                                             llvm::ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
    operands.push_back(builder.create<LLVM::LoadOp>(loc, kernel.getArgument(i).getType(), slot));
  }
  operands.push_back(block->getArgument(1));
  operands.push_back(block->getArgument(2));
  builder.create<LLVM::CallOp>(loc, kernel, operands);
  builder.create<LLVM::ReturnOp>(loc, ValueRange());
}

namespace {
struct KernelEntriesPass : public colo::impl::KernelEntriesBase<KernelEntriesPass> {
  void runOnOperation() override {
    llvm::SmallVector<LLVM::LLVMFuncOp> kernels;
    for (auto func : getOperation().getOps<LLVM::LLVMFuncOp>())
      if (func->hasAttr(rt::kKernelAttr) && !func.isExternal())
        kernels.push_back(func);
    for (LLVM::LLVMFuncOp kernel : kernels) {
      // Kept apart from its entry: that pointers do not alias is known of arguments.
      kernel.setPassthroughAttr(ArrayAttr::get(&getContext(), StringAttr::get(&getContext(), "noinline")));
      createEntry(kernel);
    }
  }
};
} // namespace
