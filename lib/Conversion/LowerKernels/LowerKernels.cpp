//===- LowerKernels.cpp - kernels as fused row loops -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads indexing maps, iterator types and bodies only; what a kernel computes
// does not matter here. Three shapes of parallel extent (docs/kernels.md):
//
//  * rows: every nest runs for one row, then the next nest; what passes between
//    nests is in registers or in a buffer on the stack;
//  * columns: blocks of neighbouring columns, the reduction outside and the
//    columns inside, sums in a buffer on the stack;
//  * flat: one nest without reductions, cut where it suits.
//
//===----------------------------------------------------------------------===//

#include "KernelEmitter.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace colo {
#define GEN_PASS_DEF_LOWERKERNELS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

/// Simple operations that are worth waking a thread for.
static constexpr int64_t kGrainWork = 65536;

void KernelEmitter::createFunction() {
  llvm::SmallVector<Type> types = flatTypes();
  size_t count = types.size();
  types.append(2, builder.getIndexType());
  lowered = declareKernel(kernel, types);
  // Destinations never overlap operands; operands that overlap each other are only read.
  for (auto [i, type] : llvm::enumerate(types))
    if (isa<MemRefType>(type))
      lowered.setArgAttr(i, "llvm.noalias", builder.getUnitAttr());
  Block *entry = lowered.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  bindArguments(*entry);
  begin = entry->getArgument(count);
  end = entry->getArgument(count + 1);
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

LogicalResult KernelEmitter::run() {
  if (failed(readSignature()))
    return failure();
  createFunction();
  if (failed(collect()))
    return failure();
  if (attention)
    return attention.emitError("CPUs have no kernel of attention: it is decomposed before kernels are formed");
  if (scatter)
    emitScatter();
  else
    emitNests();
  builder.setInsertionPointToEnd(&lowered.getBody().front());
  builder.create<func::ReturnOp>(kernel.getLoc());
  lowered->setAttr(rt::kExtentAttr, builder.getI64IntegerAttr(extent));
  int64_t perRow = std::max<int64_t>(1, work / std::max<int64_t>(1, extent));
  int64_t grain = std::clamp<int64_t>((kGrainWork + perRow - 1) / perRow, 1, std::max<int64_t>(1, extent));
  lowered->setAttr(rt::kGrainAttr, builder.getI64IntegerAttr(grain));
  kernel.erase();
  return success();
}

void KernelEmitter::emitNests() {
  for (linalg::GenericOp op : generics) {
    int64_t points = 1;
    for (int64_t size : op.getStaticLoopRanges())
      points *= size;
    work += points * static_cast<int64_t>(op.getBody()->getOperations().size());
  }
  if (generics.size() == 1) {
    // One nest may merge its rows with other loops.
    bool reduces = generics[0].getNumReductionLoops() > 0;
    Nest nest = buildNest(generics[0], rows, /*keepRows=*/reduces, storage, resultStrides(generics[0]));
    if (!reduces)
      return emitFlat(nest);
    if (nest.isColumn())
      return emitColumns(nest);
  }
  emitRows();
}

namespace {
struct LowerKernelsPass : public colo::impl::LowerKernelsBase<LowerKernelsPass> {
  void runOnOperation() override {
    llvm::SmallVector<func::FuncOp> kernels;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func->hasAttr(rt::kKernelAttr) && !func->hasAttr(rt::kExtentAttr) && !func.isExternal())
        kernels.push_back(func);
    for (func::FuncOp kernel : kernels)
      if (failed(KernelEmitter(kernel).run()))
        return signalPassFailure();
  }
};
} // namespace
