//===- RtDialect.h - the rt dialect -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_DIALECT_RT_RTDIALECT_H
#define COLO_DIALECT_RT_RTDIALECT_H

#include "colo/Dialect/Colo/ColoInterfaces.h"
#include "colo/Dialect/Rt/Traffic.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "colo/Dialect/Rt/RtDialect.h.inc"
#include "colo/Dialect/Rt/RtEnums.h.inc"

namespace colo::rt {

/// A call of NCCL's C ABI. Its arguments are the buffers, `count`, the element type, the reduction and the root or peer
/// where there is one, the communicator, the stream.
struct NcclCall {
  llvm::StringRef function;
  int64_t count; ///< elements
  std::optional<llvm::StringRef> reduction = std::nullopt;
  std::optional<int64_t> root = std::nullopt;
};

/// On a collective or transfer: the pipeline ranks among which it takes place, besides its axes (array of i64, rising).
inline constexpr llvm::StringLiteral kStagesAttr = "rt.stages";

} // namespace colo::rt

#include "colo/Dialect/Rt/RtInterfaces.h.inc"

#define GET_OP_CLASSES
#include "colo/Dialect/Rt/RtOps.h.inc"

namespace colo::rt {

/// Unit attribute of a kernel function.
inline constexpr llvm::StringLiteral kKernelAttr = "rt.kernel";
/// On scalar ops of kernels: rounded as written, so that every kernel that computes the value again gets the same bits.
inline constexpr llvm::StringLiteral kExactAttr = "rt.exact";
/// Memref types of a kernel's tensor arguments in order, then of its results (array of types, set by plan-buffers).
inline constexpr llvm::StringLiteral kLayoutsAttr = "rt.layouts";
/// For each result of a kernel, whether it is added to what the destination holds (array of bools, set by
/// plan-buffers).
inline constexpr llvm::StringLiteral kAccumulateAttr = "rt.accumulate";
/// For each result of a kernel the number of the argument in whose place it is made, or -1 (array of i64): such an
/// argument is no operand of launches on memrefs.
inline constexpr llvm::StringLiteral kInPlaceAttr = "rt.in_place";
/// Number of leading loops that all loop nests of a kernel share, its rows (i64, set by form-kernels).
inline constexpr llvm::StringLiteral kRowsAttr = "rt.rows";
/// Floating-point operations of a launch of a kernel that does products, as CostOpInterface counts them.
inline constexpr llvm::StringLiteral kFlopsAttr = "rt.flops";
/// Rows of a lowered kernel's parallel extent, on GPUs blocks, and the least of them worth a thread of the host (i64).
inline constexpr llvm::StringLiteral kExtentAttr = "rt.extent";
inline constexpr llvm::StringLiteral kGrainAttr = "rt.grain";
/// Of a launch: bytes of memory that it reads and writes, where these are not all of its operands and results.
inline constexpr llvm::StringLiteral kBytesAttr = "rt.bytes";

/// Byte of the buffer `step_values` at which a scalar lies that changes from step to step; none: it does not change.
std::optional<int64_t> stepValueOffset(llvm::StringRef scalar);
inline constexpr int64_t kStepValueBytes = 48;

/// Streams: work, reductions of gradients over the step, collectives inside layers that run beside work and the sum of
/// the loss's denominators, transfers between pipeline stages.
inline constexpr int64_t kComputeStream = 0, kGradientStream = 1, kLayerStream = 2, kStageStream = 3;
/// Events of the step: gradients are complete, reductions are done, what the stream of layers does next may start,
/// denominators are there, and the first of those that end a collective inside a layer. Behind the last of these come
/// those of transfers between stages.
inline constexpr int64_t kCompleteEvent = 0, kReducedEvent = 1, kStartEvent = 2, kCountedEvent = 3,
                         kFirstLayerEvent = 4;

/// Threads of a block of a kernel whose rows are blocks (i64, set by lower-gpu-kernels), and the gpu.module that holds
/// their bodies.
inline constexpr llvm::StringLiteral kThreadsAttr = "rt.threads", kKernelModule = "colo_kernels";

/// On a slot of a workspace: [number, begin, end] of the value it is part of, in bytes of the workspace.
inline constexpr llvm::StringLiteral kValueAttr = "rt.value";
/// On the loop over micro-batches: how many were compiled for. On a branch taken in the last one only (unit).
inline constexpr llvm::StringLiteral kMicroBatchesAttr = "rt.micro_batches";
inline constexpr llvm::StringLiteral kLastMicroBatchAttr = "rt.last_micro_batch";
/// On that loop where one round of it runs several: how many (i64).
inline constexpr llvm::StringLiteral kRoundAttr = "rt.round_micro_batches";
/// On a switch over the pipeline rank (unit). On a switch over rows of a table: how often each case runs (array of
/// i64).
inline constexpr llvm::StringLiteral kRankSwitchAttr = "rt.rank_switch", kExecutionsAttr = "rt.executions";
/// On the slot of one layer's part of a stack of saved values: the bytes of the stack (i64).
inline constexpr llvm::StringLiteral kStackAttr = "rt.stack_bytes";

/// numbers[index], for what the members of a group differ by: arithmetic where the numbers are evenly spaced, else a
/// chain of selects.
mlir::Value buildLookup(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value index,
                        llvm::ArrayRef<int64_t> numbers);

/// Executions in the loop around it that differ in their root; 1 for a collective that has none.
int64_t roundsOf(CommunicationOpInterface op);
/// What it sends in the first `rounds` of them, in a group of `ranks` members, replicas included.
GroupTraffic trafficOf(CommunicationOpInterface op, int64_t ranks, int64_t rounds = 1);
/// Of memory; masks take a byte an element.
int64_t bytesOf(mlir::MemRefType type);
int64_t bytesOf(mlir::Value buffer);

} // namespace colo::rt

#endif // COLO_DIALECT_RT_RTDIALECT_H
