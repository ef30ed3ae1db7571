//===- LowerGpuKernels.cpp - kernels as gpu.func -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What lower-kernels does for CPUs, for GPUs. The three shapes of a kernel and
// the scatter are told apart as there.
//
//===----------------------------------------------------------------------===//

#include "Alignment.h"
#include "GpuKernelEmitter.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Colo/ColoDialect.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include <numeric>

namespace colo {
#define GEN_PASS_DEF_LOWERGPUKERNELS
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

/// A block of attention holds tiles of whole heads in shared memory.
static constexpr int64_t kWholeHeadSize = 256;

LogicalResult GpuKernelEmitter::emit() {
  if (attention) {
    emitAttention();
    return success();
  }
  if (scatter)
    return emitScatter();
  if (generics.size() == 1) {
    bool reduces = generics[0].getNumReductionLoops() > 0;
    Nest nest = buildNest(generics[0], rows, /*keepRows=*/reduces, storage, resultStrides(generics[0]));
    if (!reduces)
      return emitFlat(nest);
    if (nest.isColumn())
      return emitColumns(nest);
  }
  return emitRows();
}

LogicalResult GpuKernelEmitter::run() {
  if (failed(readSignature()))
    return failure();
  llvm::SmallVector<Type> types = flatTypes();
  gpu.emplace(builder, module, kernel.getLoc(), kernel.getName(), types);
  bindArguments(gpu->body());
  if (failed(collect()) || failed(emit()))
    return failure();
  func::FuncOp declaration = declareKernel(kernel, types);
  kernel.erase();
  return gpu->finish(declaration, threads, blocks);
}

/// Launches of a kernel of row loops get the number of rows as an operand, and blocks for their extent.
static LogicalResult lowerStepKernel(func::FuncOp kernel, gpu::GPUModuleOp module,
                                     llvm::ArrayRef<rt::LaunchOp> launches, Alignment &alignment) {
  if (launches.empty()) {
    kernel.erase();
    return success();
  }
  int64_t extent = kernel->getAttrOfType<IntegerAttr>(rt::kExtentAttr).getInt(), rowsPerBlock = 1;
  auto rowsOf = [&](rt::LaunchOp launch) { return launch.getExtent() ? int64_t(*launch.getExtent()) : extent; };
  RowLaunches all{kAccessBytes, {}};
  all.inputFactors.assign(rt::LaunchOp(launches.front()).getInputs().size(), kAccessBytes);
  for (rt::LaunchOp launch : launches) {
    all.rowsFactor = std::gcd(all.rowsFactor, rowsOf(launch));
    for (auto [factor, input] : llvm::zip(all.inputFactors, launch.getInputs()))
      factor = isa<IndexType>(input.getType()) ? std::min(factor, alignment.factorOf(input)) : 1;
  }
  if (failed(lowerRowLoops(kernel, module, all, rowsPerBlock)))
    return failure();
  for (rt::LaunchOp launch : launches) {
    OpBuilder builder(launch);
    int64_t rows = rowsOf(launch);
    launch.getInputsMutable().append(builder.create<arith::ConstantIndexOp>(launch.getLoc(), rows).getResult());
    launch.setExtent((rows + rowsPerBlock - 1) / rowsPerBlock);
  }
  auto twin = module.lookupSymbol<gpu::GPUFuncOp>(kernel.getName());
  func::FuncOp declaration =
      declareKernel(kernel, twin.getArgumentTypes().take_front(twin.getFunctionType().getNumInputs()));
  for (StringRef name : {rt::kGrainAttr, rt::kThreadsAttr})
    declaration->setAttr(name, kernel->getAttr(name));
  declaration->setAttr(rt::kExtentAttr, IntegerAttr::get(IntegerType::get(kernel.getContext(), 64),
                                                         (extent + rowsPerBlock - 1) / rowsPerBlock));
  kernel.erase();
  return success();
}

namespace {
struct LowerGpuKernelsPass : public colo::impl::LowerGpuKernelsBase<LowerGpuKernelsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::SmallVector<func::FuncOp> kernels;
    for (auto func : module.getOps<func::FuncOp>())
      if (func->hasAttr(rt::kKernelAttr) && !func.isExternal())
        kernels.push_back(func);
    if (kernels.empty())
      return;
    llvm::StringMap<llvm::SmallVector<rt::LaunchOp>> launches;
    module.walk([&](rt::LaunchOp launch) { launches[launch.getKernel()].push_back(launch); });
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    auto device = builder.create<gpu::GPUModuleOp>(module.getLoc(), rt::kKernelModule);
    Alignment alignment(module);
    for (func::FuncOp kernel : kernels) {
      LogicalResult lowered = kernel->hasAttr(rt::kExtentAttr)
                                  ? lowerStepKernel(kernel, device, launches[kernel.getName()], alignment)
                                  : GpuKernelEmitter(kernel, device).run();
      if (failed(lowered))
        return signalPassFailure();
    }
    SymbolTable symbols(module);
    for (auto func : device.getOps<gpu::GPUFuncOp>()) {
      align(func, launches[func.getName()], alignment);
      auto whole = symbols.lookup<func::FuncOp>(func.getName())->getAttrOfType<IntegerAttr>(rt::kExtentAttr).getInt();
      auto times = timesMoved(func);
      for (rt::LaunchOp launch : launches[func.getName()])
        if (!launch->hasAttr(rt::kBytesAttr))
          launch->setAttr(rt::kBytesAttr,
                          builder.getI64IntegerAttr(bytesMoved(launch, times) * launch.getExtent().value_or(whole) /
                                                    std::max<int64_t>(1, whole)));
    }
  }

  /// Of each argument, once for its loads and once for its stores.
  static llvm::SmallVector<int64_t> timesMoved(gpu::GPUFuncOp func) {
    llvm::DenseSet<std::pair<Value, unsigned>> moved;
    func.walk([&](MemoryEffectOpInterface op) {
      llvm::SmallVector<MemoryEffects::EffectInstance> effects;
      op.getEffects(effects);
      for (const MemoryEffects::EffectInstance &effect : effects) {
        Value memory = effect.getValue();
        while (memory && memory.getDefiningOp<ViewLikeOpInterface>())
          memory = memory.getDefiningOp<ViewLikeOpInterface>().getViewSource();
        if (memory)
          moved.insert({memory, isa<MemoryEffects::Write>(effect.getEffect()) ? 1 : 0});
      }
    });
    llvm::SmallVector<int64_t> times;
    for (BlockArgument argument : func.getArguments().take_front(func.getFunctionType().getNumInputs()))
      times.push_back(static_cast<int64_t>(moved.count({argument, 0}) + moved.count({argument, 1})));
    return times;
  }

  /// Of tensors whose rows lie apart, as those of an attention do in one product's result, the elements alone.
  static int64_t bytesMoved(rt::LaunchOp launch, llvm::ArrayRef<int64_t> times) {
    int64_t bytes = 0;
    for (auto [count, operand] : llvm::zip(times, launch->getOperands()))
      if (isa<MemRefType>(operand.getType()))
        bytes += count * rt::bytesOf(operand);
    return bytes;
  }

  /// Tells a kernel where all its callers' tensors start.
  static void align(gpu::GPUFuncOp func, llvm::ArrayRef<rt::LaunchOp> launches, Alignment &alignment) {
    if (launches.empty())
      return;
    for (unsigned i = 0; i < func.getFunctionType().getNumInputs(); ++i) {
      auto type = dyn_cast<MemRefType>(func.getFunctionType().getInput(i));
      if (!type)
        continue;
      int64_t least = kAccessBytes;
      for (rt::LaunchOp launch : launches)
        if (isa<MemRefType>(launch->getOperand(i).getType()))
          least = std::min(least, alignment.of(launch->getOperand(i)));
        else
          least = 1;
      func.setArgAttr(i, "llvm.align", IntegerAttr::get(IntegerType::get(func.getContext(), 64), least));
    }
  }
};
} // namespace

KernelPipelines colo::cudaKernelPipelines() {
  return {[](OpPassManager &pm) {
            pm.addPass(createSumsToKernels());
            pm.addPass(createLowerGpuKernels());
            pm.addPass(createLoadStepValues());
            pm.addPass(createCanonicalizerPass());
            pm.addPass(createCSEPass());
          },
          // The bodies stay in their gpu.module, from which the image is made.
          [](OpPassManager &) {},
          /*scoresOfRound=*/0,
          "cuda",
          kWholeHeadSize,
          kRowBytes,
          kMostAtOnce,
          {Epilogue::Bias, Epilogue::Plus, Epilogue::Sums, Epilogue::GeluGrad, Epilogue::Gelu, Epilogue::Relu},
          kAccessBytes};
}
