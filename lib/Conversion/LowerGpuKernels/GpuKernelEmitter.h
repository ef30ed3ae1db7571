//===- GpuKernelEmitter.h - one kernel as blocks of threads -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The loop nests of one kernel on a grid of blocks; docs/gpu-kernels.md tells which
// thread does what. Neighbouring threads read neighbouring elements, four (of
// eight bytes: two, of two in long rows: eight) at a time where each row starts at
// a multiple, so that LLVM makes 16-byte accesses of them; what is left of a row is
// done one by one. No sum depends on how blocks are scheduled.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUKERNELEMITTER_H
#define COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUKERNELEMITTER_H

#include "../LowerKernels/KernelBase.h"
#include "colo/Conversion/GpuTarget.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace colo {

/// The bytes of shared memory that every device gives a block without being asked.
inline constexpr int64_t kSharedBytes = 48 * 1024;
/// Those of them that a row of a kernel may keep between its nests; the others are for sums.
inline constexpr int64_t kRowBytes = kSharedBytes - 1024;

/// Registers that are allowed to a thread of some, of many, and the most that there are.
inline constexpr int64_t kSomeRegisters = 80, kManyRegisters = 128, kAllRegisters = 255;

/// Of those that a thread is reckoned to take at a time the most: beyond them it does fewer elements, and one element
/// that would take more is not made by one kernel.
inline constexpr int64_t kMostAtOnce = 160;

/// Bytes of the widest access to global memory.
inline constexpr int64_t kAccessBytes = 16;

/// A gpu.func in the making: its grid, and the shared memory that it has taken so far.
class GpuFunction {
public:
  /// Adds an empty `name` with these arguments to the module and points the builder into it.
  GpuFunction(mlir::OpBuilder &builder, mlir::gpu::GPUModuleOp module, mlir::Location loc, llvm::StringRef name,
              llvm::ArrayRef<mlir::Type> types);

  mlir::Block &body() { return func.getBody().front(); }
  mlir::Value thread() { return threadId; }
  mlir::Value block() { return blockId; }
  /// Takes back that an argument is reached in one way only.
  void mayAlias(mlir::Value argument) {
    func.removeArgAttr(llvm::cast<mlir::BlockArgument>(argument).getArgNumber(), "llvm.noalias");
  }
  void barrier() { builder.create<mlir::gpu::BarrierOp>(loc); }
  /// `count` elements of shared memory for each of `groups`, those of group number `group`.
  mlir::Value shared(mlir::Type element, int64_t count, int64_t groups = 1, mlir::Value group = nullptr);
  /// The shared memory taken so far; `giveBack` of it lets others have what was taken since. A barrier is the caller's.
  int64_t taken() const { return sharedBytes; }
  void giveBack(int64_t upTo) { sharedBytes = upTo; }
  /// `body` where the condition holds; everywhere if it is null.
  void where(mlir::Value condition, llvm::function_ref<void()> body);
  /// value, combined over the `size` threads of a group; the same on each. `lane` is the place in the group. All
  /// threads of the block take the same reductions, in the order in which they are made here, each once.
  mlir::Value reduce(mlir::Value value, mlir::Operation *combiner, int64_t size, mlir::Value lane, int64_t groups,
                     mlir::Value group);
  /// `combiner`'s operation of two other values.
  mlir::Value combine(mlir::Operation *combiner, mlir::Value a, mlir::Value b);

  mlir::Value constant(int64_t value) { return builder.create<mlir::arith::ConstantIndexOp>(loc, value); }
  mlir::Value isLess(mlir::Value a, int64_t b);
  mlir::Value isZero(mlir::Value a);

  /// Asks for a thread's registers: ptxas then neither spills to run more blocks nor takes more than these.
  void useRegisters(int64_t registers, int64_t threads);
  /// The same of about so many, at the end, where no number has been asked for.
  void allowRegisters(int64_t registers) { needed = std::max<int64_t>(needed, registers); }

  /// Ends the function and gives the kernel's declaration the form of its launch.
  mlir::LogicalResult finish(mlir::func::FuncOp declaration, int64_t threads, int64_t blocks);

private:
  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::gpu::GPUFuncOp func;
  mlir::Value threadId, blockId, sharedMemory;
  int64_t sharedBytes = 0, mostBytes = 0, needed = 0, reductions = 0; ///< mostBytes: of shared memory at once
  std::optional<int64_t> partsAt[2];                                  ///< where warps leave what they have reduced

  /// Where so many bytes of shared memory start.
  int64_t takeShared(int64_t bytes);
  mlir::Value sharedAt(int64_t start, mlir::Type element, int64_t count, int64_t groups, mlir::Value group);
};

/// The operation by which the result of a reduction is made of the accumulator and one element; null if the body has
/// another form.
mlir::Operation *combinerOf(mlir::Value yielded, mlir::Value accumulator);

class GpuKernelEmitter : KernelBase {
public:
  GpuKernelEmitter(mlir::func::FuncOp kernel, mlir::gpu::GPUModuleOp module) : KernelBase(kernel), module(module) {}

  /// Makes the gpu.func and turns the kernel into its declaration.
  mlir::LogicalResult run();

private:
  mlir::LogicalResult emit();
  mlir::LogicalResult emitFlat(const Nest &nest);
  mlir::LogicalResult emitRows();
  mlir::LogicalResult emitColumns(const Nest &nest);
  /// The block's rows of `sums` of one column, `lane` by `lane`, in shared memory; the first lane holds all. Where it
  /// has no room for all sums they take turns, and the first lane gets values.
  llvm::SmallVector<mlir::Value> combineLanes(mlir::ValueRange sums, llvm::ArrayRef<mlir::Operation *> combiners,
                                              int64_t lanes, int64_t block);

  void emitAttention();

  // Scatter.
  mlir::LogicalResult emitScatter();
  using Features = llvm::function_ref<void(llvm::ArrayRef<mlir::Value>)>;
  mlir::Value addressIn(llvm::ArrayRef<int64_t> strides, llvm::ArrayRef<mlir::Value> indices);
  /// Calls the body with the place of each feature that is this thread's.
  void eachFeature(Features body);
  /// The row of the table that a token's id names; rows of other ranks are negative or too large.
  mlir::Value rowOf(llvm::ArrayRef<mlir::Value> token);
  /// The bits of the warp's threads whose token's row is one of `count` from `first`; `token` is this thread's.
  mlir::Value findHits(mlir::Value token, mlir::Value first, mlir::Value count);
  /// Adds the gradients of the tokens at the bits of `hits`, the first of which is `base`.
  void addHits(mlir::Value hits, mlir::Value base);

  /// About the registers that a thread takes for `width` elements at a time.
  static int64_t registersOf(mlir::linalg::GenericOp op, int64_t width);
  /// Elements of the innermost loop that one thread does at a time: fewer where registers would not do. They need not
  /// divide the loop.
  int64_t widthOf(const Nest &nest);
  /// The loops' sizes, the innermost in whole steps of `width`.
  static llvm::SmallVector<int64_t> stepsOf(llvm::ArrayRef<Loop> loops, int64_t width);
  /// Does `width` elements from a step on and stores what is not reduced.
  llvm::SmallVector<mlir::Value> emitElements(const Nest &nest, Point point, int64_t width,
                                              llvm::ArrayRef<mlir::Value> accumulators);
  /// Random words of those elements, two calls of Philox for all: the generic's word ops to their values.
  using Words = llvm::SmallVector<std::pair<mlir::Value, llvm::SmallVector<mlir::Value>>>;
  Words wordsOf(const Nest &nest, const Point &point, int64_t width);
  void storeResult(const Nest &nest, unsigned result, mlir::Value value, const Point &point);

  // Rows.
  struct RowShape {
    int64_t threads = 1; ///< of a row
    int64_t groups = 1;  ///< rows of a block
    int64_t rows = 1;
  };
  mlir::FailureOr<RowShape> shapeRows(llvm::ArrayRef<int64_t> sizes);
  bool isBuffered(mlir::Value result);
  /// Registers of a row's numbers that nests before `op` made and nests after it read, but not `op`.
  int64_t registersAcross(mlir::linalg::GenericOp op);
  bool placeResults(mlir::linalg::GenericOp op, const Nest &nest, const RowShape &shape);
  /// The thread's part of a row's whole steps of `width`, or of what is left behind them, one by one; the accumulators
  /// become what they are then.
  void emitRowPart(const Nest &nest, const Point &point, const RowShape &shape, int64_t width, bool isRest,
                   llvm::SmallVector<mlir::Value> &accumulators);
  mlir::FailureOr<llvm::SmallVector<mlir::Value>>
  emitRowLoop(const Nest &nest, const Point &point, const RowShape &shape, llvm::ArrayRef<mlir::Value> accumulators);
  mlir::LogicalResult emitRowNest(const Nest &nest, const Point &point, const RowShape &shape);

  mlir::gpu::GPUModuleOp module;
  std::optional<GpuFunction> gpu;
  mlir::Value lane, group;
  int64_t threads = 256, blocks = 1;
};

/// What all launches of a kernel of row loops have in common.
struct RowLaunches {
  /// Powers of two: one that divides every number of rows, and for each input one that divides it if it is an index.
  int64_t rowsFactor;
  llvm::SmallVector<int64_t> inputFactors;
};

/// Makes a gpu.func of a kernel that is row loops already (the optimizer step's): a thread for each row or as many as
/// are 16 bytes of a destination, or, where a row has a loop that sums, a block. The number of rows becomes an operand
/// behind the inputs.
mlir::LogicalResult lowerRowLoops(mlir::func::FuncOp kernel, mlir::gpu::GPUModuleOp module, const RowLaunches &launches,
                                  int64_t &rowsPerBlock);

} // namespace colo

#endif // COLO_LIB_CONVERSION_LOWERGPUKERNELS_GPUKERNELEMITTER_H
