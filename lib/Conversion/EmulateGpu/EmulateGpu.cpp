//===- EmulateGpu.cpp - gpu.func bodies on the host -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Only ids, barriers, shuffles, matrix operations and shared memory get another
// meaning; the rest of a body is copied, so what runs here is what runs on a GPU.
//
//===----------------------------------------------------------------------===//

#include "colo/Conversion/GpuTarget.h"
#include "colo/Conversion/Passes.h"
#include "colo/Dialect/Rt/RtDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

namespace colo {
#define GEN_PASS_DEF_EMULATEGPU
#include "colo/Conversion/Passes.h.inc"
} // namespace colo

using namespace mlir;
using namespace colo;

static constexpr StringLiteral kBarrier = "colo_emulate_barrier", kShuffle = "colo_emulate_shuffle",
                               kBlocks = "colo_emulate";
static constexpr StringLiteral kLoadMatrices = "colo_emulate_load_matrices", kMultiply = "colo_emulate_multiply";
/// What a lane holds of the operands of a product, A, B and C.
static constexpr int64_t kLeftWords = 4, kRightWords = 2, kSums = 4, kWords = kLeftWords + kRightWords + kSums;

namespace {

/// The body of one thread, copied into host code.
class ThreadCopier {
public:
  ThreadCopier(OpBuilder &builder, gpu::GPUFuncOp func) : builder(builder), func(func) {}

  void setIds(Value blockId, Value threadId) {
    block = blockId;
    thread = threadId;
  }
  /// Memory of the thread for operands of matrix operations.
  void setWords(Value memory) { words = memory; }
  IRMapping &values() { return mapping; }
  LogicalResult copyBody() { return copy(func.getBody().front()); }

private:
  LogicalResult copy(Block &from);
  LogicalResult copy(Operation &op);
  LogicalResult shuffle(gpu::ShuffleOp op);
  LogicalResult loadMatrices(NVVM::LdMatrixOp op);
  LogicalResult multiply(LLVM::CallIntrinsicOp op);
  void putWord(Location loc, Value value, int64_t at);
  /// Words from `first` on as the struct that an op results in.
  Value structOf(Location loc, Type type, int64_t first);
  void call(StringRef callee, Location loc, ValueRange operands, TypeRange results, Value *result);

  OpBuilder &builder;
  gpu::GPUFuncOp func;
  IRMapping mapping;
  Value block, thread, words;
  int64_t sites = 0;
};

MemRefType onHost(MemRefType type) { return MemRefType::Builder(type).setMemorySpace(nullptr); }

LogicalResult ThreadCopier::copy(Block &from) {
  for (Operation &op : from)
    if (failed(copy(op)))
      return failure();
  return success();
}

void ThreadCopier::call(StringRef callee, Location loc, ValueRange operands, TypeRange results, Value *result) {
  auto op = builder.create<func::CallOp>(loc, callee, results, operands);
  if (result)
    *result = op.getResult(0);
}

/// Values travel as 64 bits.
LogicalResult ThreadCopier::shuffle(gpu::ShuffleOp op) {
  Location loc = op.getLoc();
  auto width = op.getWidth().getDefiningOp<arith::ConstantOp>();
  if (op.getMode() != gpu::ShuffleMode::XOR || !width || cast<IntegerAttr>(width.getValue()).getInt() != kWarp)
    return op.emitError("only xor shuffles of a whole warp are emulated");
  Type type = op.getValue().getType(), i64 = builder.getI64Type();
  auto integer = builder.getIntegerType(type.getIntOrFloatBitWidth());
  Value value = mapping.lookup(op.getValue());
  if (type != integer)
    value = builder.create<arith::BitcastOp>(loc, integer, value);
  if (integer != i64)
    value = builder.create<arith::ExtUIOp>(loc, i64, value);
  call(kShuffle, loc, {value, mapping.lookup(op.getOffset())}, i64, &value);
  if (integer != i64)
    value = builder.create<arith::TruncIOp>(loc, integer, value);
  if (type != integer)
    value = builder.create<arith::BitcastOp>(loc, type, value);
  mapping.map(op.getShuffleResult(), value);
  mapping.map(op.getValid(), builder.create<arith::ConstantIntOp>(loc, 1, 1));
  return success();
}

void ThreadCopier::putWord(Location loc, Value value, int64_t at) {
  if (value.getType() != builder.getI32Type())
    value = builder.create<LLVM::BitcastOp>(loc, builder.getI32Type(), value);
  builder.create<memref::StoreOp>(loc, value, words, builder.create<arith::ConstantIndexOp>(loc, at).getResult());
}

Value ThreadCopier::structOf(Location loc, Type type, int64_t first) {
  Value all = builder.create<LLVM::UndefOp>(loc, type);
  for (auto [i, element] : llvm::enumerate(cast<LLVM::LLVMStructType>(type).getBody())) {
    Value at = builder.create<arith::ConstantIndexOp>(loc, first + i);
    Value word = builder.create<memref::LoadOp>(loc, words, at);
    if (element != word.getType())
      word = builder.create<LLVM::BitcastOp>(loc, element, word);
    all = builder.create<LLVM::InsertValueOp>(loc, all, word, i);
  }
  return all;
}

LogicalResult ThreadCopier::loadMatrices(NVVM::LdMatrixOp op) {
  Location loc = op.getLoc();
  auto pointer = op.getPtr().getDefiningOp<LLVM::IntToPtrOp>();
  if (op.getNum() != kLeftWords || !pointer)
    return op.emitError("only loads of four matrices from an integer's address are emulated");
  Value site = builder.create<arith::ConstantIntOp>(loc, ++sites, 64);
  Value transposes = builder.create<arith::ConstantIntOp>(loc, op.getLayout() == NVVM::MMALayout::col, 32);
  call(kLoadMatrices, loc, {words, mapping.lookup(pointer.getArg()), site, transposes}, {}, nullptr);
  mapping.map(op.getRes(), structOf(loc, op.getRes().getType(), 0));
  return success();
}

LogicalResult ThreadCopier::multiply(LLVM::CallIntrinsicOp op) {
  Location loc = op.getLoc();
  bool isBf16 = op.getIntrin() == kMmaOfBf16;
  if (!isBf16 && op.getIntrin() != kMmaOfF16)
    return op.emitError("of the intrinsics only products m16n8k16 of bf16 or f16 with f32 sums are emulated");
  int64_t at = 0;
  for (Value operand : op.getArgs())
    putWord(loc, mapping.lookup(operand), at++);
  Value site = builder.create<arith::ConstantIntOp>(loc, ++sites, 64);
  call(kMultiply, loc, {words, site, builder.create<arith::ConstantIntOp>(loc, isBf16, 32)}, {}, nullptr);
  mapping.map(op.getResult(0), structOf(loc, op.getResult(0).getType(), kLeftWords + kRightWords));
  return success();
}

LogicalResult ThreadCopier::copy(Operation &op) {
  Location loc = op.getLoc();
  if (auto id = dyn_cast<gpu::ThreadIdOp>(op); id && id.getDimension() == gpu::Dimension::x) {
    mapping.map(id.getResult(), thread);
  } else if (auto id = dyn_cast<gpu::BlockIdOp>(op); id && id.getDimension() == gpu::Dimension::x) {
    mapping.map(id.getResult(), block);
  } else if (isa<gpu::BarrierOp>(op)) {
    call(kBarrier, loc, builder.create<arith::ConstantIntOp>(loc, ++sites, 64).getResult(), {}, nullptr);
  } else if (auto exchange = dyn_cast<gpu::ShuffleOp>(op)) {
    return shuffle(exchange);
  } else if (auto load = dyn_cast<NVVM::LdMatrixOp>(op)) {
    return loadMatrices(load);
  } else if (auto product = dyn_cast<LLVM::CallIntrinsicOp>(op)) {
    return multiply(product);
  } else if (auto view = dyn_cast<memref::ViewOp>(op)) {
    mapping.map(view.getResult(),
                builder.create<memref::ViewOp>(loc, onHost(view.getType()), mapping.lookup(view.getSource()),
                                               mapping.lookup(view.getByteShift()), ValueRange()));
  } else if (isa<gpu::ReturnOp>(op)) {
    return success();
  } else if (isa<gpu::GPUDialect, NVVM::NVVMDialect>(op.getDialect())) {
    return op.emitError("is not emulated");
  } else {
    Operation *clone = builder.cloneWithoutRegions(op, mapping);
    for (auto [from, to] : llvm::zip(op.getRegions(), clone->getRegions())) {
      if (from.empty())
        continue;
      OpBuilder::InsertionGuard guard(builder);
      Block &source = from.front();
      Block *target =
          builder.createBlock(&to, {}, source.getArgumentTypes(), SmallVector<Location>(source.getNumArguments(), loc));
      mapping.map(source.getArguments(), target->getArguments());
      builder.setInsertionPointToEnd(target);
      if (failed(copy(source)))
        return failure();
    }
  }
  return success();
}

bool waits(gpu::GPUFuncOp func) {
  return func
      .walk([](Operation *op) {
        return isa<gpu::BarrierOp, gpu::ShuffleOp, NVVM::LdMatrixOp, LLVM::CallIntrinsicOp>(op)
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

struct EmulateGpuPass : public colo::impl::EmulateGpuBase<EmulateGpuPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto device = module.lookupSymbol<gpu::GPUModuleOp>(rt::kKernelModule);
    if (!device)
      return;
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    Type i64 = builder.getI64Type(), i32 = builder.getI32Type();
    Type words = MemRefType::get({kWords}, i32);
    for (auto [name, type] : {std::pair(kBarrier, builder.getFunctionType({i64}, {})),
                              std::pair(kShuffle, builder.getFunctionType({i64, i32}, {i64})),
                              std::pair(kLoadMatrices, builder.getFunctionType({words, i64, i64, i32}, {})),
                              std::pair(kMultiply, builder.getFunctionType({words, i64, i32}, {}))})
      builder.create<func::FuncOp>(module.getLoc(), name, type).setPrivate();
    for (auto func : device.getOps<gpu::GPUFuncOp>())
      if (failed(waits(func) ? emulateThreads(func) : emulateLoop(func)))
        return signalPassFailure();
    device.erase();
  }

  static int64_t threadsOf(gpu::GPUFuncOp func) { return (*func.getKnownBlockSize())[0]; }
  static int64_t sharedBytesOf(gpu::GPUFuncOp func) {
    auto attributions = func.getWorkgroupAttributions();
    return attributions.empty() ? 0 : cast<MemRefType>(attributions.front().getType()).getNumElements();
  }

  /// A host function with the kernel's arguments, then `more`, in place of the kernel's declaration.
  func::FuncOp createFunction(gpu::GPUFuncOp func, StringRef name, ArrayRef<Type> more) {
    ModuleOp module = getOperation();
    SmallVector<NamedAttribute> kept;
    if (auto declaration = module.lookupSymbol<func::FuncOp>(func.getName())) {
      for (StringRef attribute : {rt::kExtentAttr, rt::kGrainAttr})
        if (Attribute value = declaration->getAttr(attribute))
          kept.emplace_back(StringAttr::get(&getContext(), attribute), value);
      declaration.erase();
    }
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    SmallVector<Type> types(func.getFunctionType().getInputs());
    size_t count = types.size();
    llvm::append_range(types, more);
    auto host = builder.create<func::FuncOp>(func.getLoc(), name, builder.getFunctionType(types, {}));
    host.setPrivate();
    host->setAttr(rt::kKernelAttr, builder.getUnitAttr());
    for (NamedAttribute attribute : kept)
      host->setAttr(attribute.getName(), attribute.getValue());
    for (size_t i = 0; i < count; ++i)
      if (DictionaryAttr attributes = func.getArgAttrDict(i))
        host.setArgAttrs(i, attributes);
    host.addEntryBlock();
    return host;
  }

  /// Threads that do not wait for each other run one after the other.
  LogicalResult emulateLoop(gpu::GPUFuncOp func) {
    Location loc = func.getLoc();
    Type index = IndexType::get(&getContext());
    func::FuncOp host = createFunction(func, func.getName(), {index, index});
    Block *entry = &host.getBody().front();
    OpBuilder builder = OpBuilder::atBlockBegin(entry);
    ThreadCopier copier(builder, func);
    unsigned count = func.getFunctionType().getNumInputs();
    copier.values().map(func.getBody().getArguments().take_front(count), entry->getArguments().take_front(count));
    if (int64_t bytes = sharedBytesOf(func))
      copier.values().map(func.getWorkgroupAttributions().front(),
                          builder.create<memref::AllocaOp>(loc, MemRefType::get({bytes}, builder.getI8Type()),
                                                           builder.getI64IntegerAttr(64)));
    Value one = builder.create<arith::ConstantIndexOp>(loc, 1), zero = builder.create<arith::ConstantIndexOp>(loc, 0);
    Value threads = builder.create<arith::ConstantIndexOp>(loc, threadsOf(func));
    auto blocks = builder.create<scf::ForOp>(loc, entry->getArgument(count), entry->getArgument(count + 1), one);
    builder.create<func::ReturnOp>(loc);
    builder.setInsertionPoint(blocks.getBody()->getTerminator());
    auto inner = builder.create<scf::ForOp>(loc, zero, threads, one);
    builder.setInsertionPoint(inner.getBody()->getTerminator());
    copier.setIds(blocks.getInductionVar(), inner.getInductionVar());
    return copier.copyBody();
  }

  LogicalResult emulateThreads(gpu::GPUFuncOp func) {
    Location loc = func.getLoc();
    Type index = IndexType::get(&getContext());
    int64_t bytes = sharedBytesOf(func);
    auto shared = MemRefType::get({std::max<int64_t>(bytes, 1)}, IntegerType::get(&getContext(), 8));
    std::string name = (func.getName() + ".thread").str();
    func::FuncOp host = createFunction(func, name, {shared, index, index});
    Block *entry = &host.getBody().front();
    OpBuilder builder = OpBuilder::atBlockBegin(entry);
    ThreadCopier copier(builder, func);
    unsigned count = func.getFunctionType().getNumInputs();
    copier.values().map(func.getBody().getArguments().take_front(count), entry->getArguments().take_front(count));
    if (bytes)
      copier.values().map(func.getWorkgroupAttributions().front(), entry->getArgument(count));
    copier.setIds(entry->getArgument(count + 1), entry->getArgument(count + 2));
    copier.setWords(builder.create<memref::AllocaOp>(loc, MemRefType::get({kWords}, builder.getI32Type())));
    if (failed(copier.copyBody()))
      return failure();
    builder.create<func::ReturnOp>(loc);
    createEntry(func, name + ".entry", count, bytes);
    return success();
  }

  /// The entry that hosts call hands the thread's entry to the runtime.
  void createEntry(gpu::GPUFuncOp func, const std::string &thread, int64_t arguments, int64_t sharedBytes) {
    ModuleOp module = getOperation();
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    Location loc = func.getLoc();
    Type pointer = LLVM::LLVMPointerType::get(&getContext()), i64 = builder.getI64Type();
    Type none = LLVM::LLVMVoidType::get(&getContext());
    auto entryType = LLVM::LLVMFunctionType::get(none, {pointer, i64, i64});
    if (!module.lookupSymbol<LLVM::LLVMFuncOp>(kBlocks))
      builder.create<LLVM::LLVMFuncOp>(
          loc, kBlocks, LLVM::LLVMFunctionType::get(none, {pointer, pointer, i64, i64, i64, i64, i64, pointer}));
    builder.create<LLVM::LLVMFuncOp>(loc, thread, entryType);
    std::string text = func.getName().str() + '\0', label = (func.getName() + ".name").str();
    builder.create<LLVM::GlobalOp>(loc, LLVM::LLVMArrayType::get(builder.getI8Type(), text.size()), /*isConstant=*/true,
                                   LLVM::Linkage::Internal, label, builder.getStringAttr(text));
    std::string name = (func.getName() + ".entry").str();
    auto entry = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
    if (!entry)
      entry = builder.create<LLVM::LLVMFuncOp>(loc, name, entryType);
    Block *block = entry.addEntryBlock(builder);
    builder.setInsertionPointToStart(block);
    auto constant = [&](int64_t value) -> Value {
      return builder.create<LLVM::ConstantOp>(loc, i64, builder.getI64IntegerAttr(value));
    };
    Value body = builder.create<LLVM::AddressOfOp>(loc, pointer, thread);
    Value words = builder.create<LLVM::AddressOfOp>(loc, pointer, label);
    builder.create<LLVM::CallOp>(loc, TypeRange(), kBlocks,
                                 ValueRange{body, block->getArgument(0), constant(arguments), constant(sharedBytes),
                                            block->getArgument(1), block->getArgument(2), constant(threadsOf(func)),
                                            words});
    builder.create<LLVM::ReturnOp>(loc, ValueRange());
  }
};

} // namespace

KernelPipelines colo::emulatedGpuKernelPipelines() {
  return {cudaKernelPipelines().lower,
          [](OpPassManager &pm) {
            pm.addPass(createEmulateGpu());
            buildKernelToLLVMPipeline(pm);
          },
          /*scoresOfRound=*/0,
          "cpu",
          cudaKernelPipelines().wholeHeadSize,
          cudaKernelPipelines().rowBytes,
          cudaKernelPipelines().registers,
          cudaKernelPipelines().epilogues,
          cudaKernelPipelines().rowAlignment};
}
