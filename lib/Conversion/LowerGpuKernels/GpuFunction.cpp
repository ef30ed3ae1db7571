//===- GpuFunction.cpp - a gpu.func in the making -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "GpuKernelEmitter.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace colo;

/// Of what a thread is reckoned to need, the most that some and many registers hold beside all else.
static constexpr int64_t kMostOfSome = 72, kMostOfMany = 128;

GpuFunction::GpuFunction(OpBuilder &builder, gpu::GPUModuleOp module, Location loc, StringRef name,
                         llvm::ArrayRef<Type> types)
    : builder(builder), loc(loc) {
  builder.setInsertionPoint(module.getBody()->getTerminator());
  func = builder.create<gpu::GPUFuncOp>(loc, name, builder.getFunctionType(types, {}));
  func->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), builder.getUnitAttr());
  // Destinations never overlap operands; operands that overlap each other are only read.
  for (auto [i, type] : llvm::enumerate(types))
    if (isa<MemRefType>(type))
      func.setArgAttr(i, "llvm.noalias", builder.getUnitAttr());
  builder.setInsertionPointToStart(&body());
  threadId = builder.create<gpu::ThreadIdOp>(loc, builder.getIndexType(), gpu::Dimension::x);
  blockId = builder.create<gpu::BlockIdOp>(loc, builder.getIndexType(), gpu::Dimension::x);
}

static int64_t storedBytes(Type element) {
  return std::max<int64_t>(1, storedType(element).getIntOrFloatBitWidth() / 8);
}

Value GpuFunction::shared(Type element, int64_t count, int64_t groups, Value group) {
  return sharedAt(takeShared(groups * count * storedBytes(element)), element, count, groups, group);
}

int64_t GpuFunction::takeShared(int64_t bytes) {
  int64_t start = (sharedBytes + 15) / 16 * 16;
  sharedBytes = start + bytes;
  mostBytes = std::max(mostBytes, sharedBytes);
  return start;
}

Value GpuFunction::sharedAt(int64_t start, Type element, int64_t count, int64_t groups, Value group) {
  element = storedType(element);
  auto space = gpu::AddressSpaceAttr::get(builder.getContext(), gpu::AddressSpace::Workgroup);
  if (!sharedMemory) {
    // The size is known at the end.
    auto type = MemRefType::get({1}, builder.getI8Type(), MemRefLayoutAttrInterface(), space);
    sharedMemory = func.addWorkgroupAttribution(type, loc);
  }
  Value offset = constant(start);
  if (group && groups > 1)
    offset = builder.create<arith::AddIOp>(
        loc, offset, builder.create<arith::MulIOp>(loc, group, constant(count * storedBytes(element))));
  auto type = MemRefType::get({count}, element, MemRefLayoutAttrInterface(), space);
  return builder.create<memref::ViewOp>(loc, type, sharedMemory, offset, ValueRange());
}

void GpuFunction::where(Value condition, llvm::function_ref<void()> inside) {
  if (!condition)
    return inside();
  auto choice = builder.create<scf::IfOp>(loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(choice.thenBlock()->getTerminator());
  inside();
}

Value GpuFunction::isLess(Value a, int64_t b) {
  return builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::ult, a, constant(b));
}

Value GpuFunction::isZero(Value a) {
  return builder.create<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, a, constant(0));
}

Operation *colo::combinerOf(Value yielded, Value accumulator) {
  Operation *op = yielded.getDefiningOp();
  if (!op || op->getNumOperands() != 2 || op->getNumResults() != 1 || op->getNumRegions() || !accumulator.hasOneUse() ||
      (op->getOperand(0) == accumulator) == (op->getOperand(1) == accumulator))
    return nullptr;
  return isa<arith::AddFOp, arith::AddIOp, arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp, arith::MinNumFOp>(op)
             ? op
             : nullptr;
}

Value GpuFunction::combine(Operation *combiner, Value a, Value b) {
  IRMapping operands;
  operands.map(combiner->getOperand(0), a);
  operands.map(combiner->getOperand(1), b);
  Operation *copy = builder.clone(*combiner, operands);
  if (auto fast = dyn_cast<arith::ArithFastMathInterface>(copy))
    copy->setAttr(fast.getFastMathAttrName(), arith::FastMathFlagsAttr::get(copy->getContext(), kKernelFastMath));
  return copy->getResult(0);
}

Value GpuFunction::reduce(Value value, Operation *combiner, int64_t size, Value lane, int64_t groups, Value group) {
  auto integer = [&](int64_t number) -> Value { return builder.create<arith::ConstantIntOp>(loc, number, 32); };
  auto overLanes = [&](Value value, int64_t lanes) {
    for (int64_t distance = lanes / 2; distance > 0; distance /= 2) {
      auto other = builder.create<gpu::ShuffleOp>(loc, value, integer(distance), integer(kWarp), gpu::ShuffleMode::XOR);
      value = combine(combiner, value, other.getShuffleResult());
    }
    return value;
  };
  value = overLanes(value, std::min(size, kWarp));
  if (size <= kWarp)
    return value;
  // Each warp leaves its part, and each adds them all up: a lane takes one, which no register need hold for long.
  int64_t warps = size / kWarp, widest = 8;
  // Two places take turns: behind the barrier of one all threads have read the other.
  std::optional<int64_t> &place = partsAt[reductions++ % 2];
  if (!place)
    place = takeShared(groups * warps * widest);
  Value parts = sharedAt(*place, value.getType(), warps, groups, group);
  where(isZero(builder.create<arith::RemUIOp>(loc, lane, constant(kWarp))), [&] {
    Value warp = builder.create<arith::DivUIOp>(loc, lane, constant(kWarp));
    builder.create<memref::StoreOp>(loc, value, parts, warp);
  });
  barrier();
  Value part = builder.create<arith::RemUIOp>(loc, lane, constant(warps));
  return overLanes(builder.create<memref::LoadOp>(loc, parts, part), warps);
}

void GpuFunction::useRegisters(int64_t registers, int64_t threads) {
  // Of a multiprocessor.
  constexpr int64_t kRegisters = 64 * 1024;
  func->setAttr(
      NVVM::NVVMDialect::getMinctasmAttrName(),
      builder.getI32IntegerAttr(static_cast<int32_t>(std::max<int64_t>(1, kRegisters / (registers * threads)))));
}

LogicalResult GpuFunction::finish(func::FuncOp declaration, int64_t threads, int64_t blocks) {
  builder.setInsertionPointToEnd(&body());
  builder.create<gpu::ReturnOp>(loc);
  if (mostBytes > kSharedBytes)
    return declaration.emitError("needs ")
           << mostBytes << " bytes of shared memory for a block of threads, more than " << kSharedBytes;
  if (sharedMemory) {
    auto type = cast<MemRefType>(sharedMemory.getType());
    sharedMemory.setType(MemRefType::Builder(type).setShape({mostBytes}));
    func.setWorkgroupAttributionAttr(0, LLVM::LLVMDialect::getAlignAttrName(), builder.getI64IntegerAttr(16));
  }
  auto isWide = [](Type type) { return isa<MemRefType>(type) && getElementTypeOrSelf(type).isF64(); };
  if (llvm::any_of(func.getFunctionType().getInputs(), isWide))
    needed = std::max(needed, kMostOfMany);
  // Left to itself ptxas would rather spill some than run fewer blocks.
  if (needed && !func->hasAttr(NVVM::NVVMDialect::getMinctasmAttrName()))
    useRegisters(needed <= kMostOfSome   ? kSomeRegisters
                 : needed <= kMostOfMany ? kManyRegisters
                                         : kAllRegisters,
                 threads);
  auto size = builder.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1});
  func.setKnownBlockSizeAttr(size);
  declaration->setAttr(rt::kExtentAttr, builder.getI64IntegerAttr(blocks));
  // A block takes at least as long as a hundred simple operations a thread.
  declaration->setAttr(rt::kGrainAttr, builder.getI64IntegerAttr(std::max<int64_t>(1, 1024 / threads)));
  declaration->setAttr(rt::kThreadsAttr, builder.getI64IntegerAttr(threads));
  return success();
}
