//===- Passes.h - from local tensors to LLVM -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_PASSES_H
#define COLO_CONVERSION_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

#include <string>

namespace colo {

enum class Epilogue : uint32_t;

#define GEN_PASS_DECL
#include "colo/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "colo/Conversion/Passes.h.inc"

/// From lowered kernels (`lower-kernels`) to llvm.func: math, control flow, memory with bare pointers, entries. Runs on
/// the whole module; functions that are in LLVM's dialect already are left alone.
void buildKernelToLLVMPipeline(mlir::OpPassManager &pm);

/// What a target does with kernels.
struct KernelPipelines {
  /// From loop nests to the target's form, behind build-step.
  void (*lower)(mlir::OpPassManager &pm);
  /// From there to LLVM's dialect, once hosts are in it.
  void (*toLLVM)(mlir::OpPassManager &pm);
  /// Attention goes sample by sample in rounds of at most so many scores, which its caches hold; 0: all samples at
  /// once.
  int64_t scoresOfRound;
  /// The runtime's device: "cpu", whose memory is the host's, or another with memory of its own, whose driver loads
  /// kernels.
  llvm::StringRef device = "cpu";
  /// The largest heads of which the target has kernels of attention, which write no scores; 0: none. Such attention is
  /// neither cut into blocks nor decomposed.
  int64_t wholeHeadSize = 0;
  /// The bytes that a row may keep between the phases of a kernel, all values together; 0: 64 KiB for each value.
  int64_t rowBytes = 0;
  /// The registers of 32 bits that may be live for one element of a kernel; 0: any number.
  int64_t registers = 0;
  /// What its products do before they write a result (`fuse-epilogues`).
  llvm::SmallVector<Epilogue> epilogues;
  /// Bytes at whose multiples its widest accesses start: rows of what products read or make lie so far apart that each
  /// does; 0: rows have no gaps.
  int64_t rowAlignment = 0;
};
/// Row loops on the cores of a rank.
KernelPipelines cpuKernelPipelines();
/// gpu.func bodies on an NVIDIA GPU.
KernelPipelines cudaKernelPipelines();
/// The same bodies, run on the host.
KernelPipelines emulatedGpuKernelPipelines();

/// Phase `linalg` to `buffers`: places for all values.
void buildBuffersPipeline(mlir::OpPassManager &pm, const KernelPipelines &kernels);
/// Phase `buffers` to `rt`: the optimizer step, kernels in the target's form.
void buildRtPipeline(mlir::OpPassManager &pm, const KernelPipelines &kernels);
/// Phase `rt` to `llvm`: host functions, kernels and the program's tables.
void buildLLVMPipeline(mlir::OpPassManager &pm, const KernelPipelines &kernels);

} // namespace colo

#endif // COLO_CONVERSION_PASSES_H
