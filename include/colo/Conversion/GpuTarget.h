//===- GpuTarget.h - what bodies of GPU kernels take for granted -*- C++ -*-===//
//
// Part of colo, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `lower-gpu-kernels` writes bodies by it, and `emulate-gpu` reads them.
//
//===----------------------------------------------------------------------===//

#ifndef COLO_CONVERSION_GPUTARGET_H
#define COLO_CONVERSION_GPUTARGET_H

#include "llvm/ADT/StringRef.h"

namespace colo {

/// Threads of a warp.
inline constexpr int64_t kWarp = 32;

/// Products of tensor cores, m16n8k16 with f32 sums. The intrinsics: `nvvm.mma.sync` does not print that its elements
/// are of bf16 and wants its operands as pairs of f16, which the intrinsic does not take.
inline constexpr llvm::StringLiteral kMmaOfBf16 = "llvm.nvvm.mma.m16n8k16.row.col.bf16",
                                     kMmaOfF16 = "llvm.nvvm.mma.m16n8k16.row.col.f32.f32";

} // namespace colo

#endif // COLO_CONVERSION_GPUTARGET_H
